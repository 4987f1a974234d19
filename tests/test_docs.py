"""Everything is documented: commands, options, config keys, public names, pages, examples."""

import inspect
import re
import sys
from pathlib import Path

import click
import pytest
from pydantic import BaseModel

import landscape
from landscape.config.load import SECTIONS as EVERY
from landscape.config.sections import Connect, Searches, Sweep
from landscape.measures.registry import MEASURES, load_measure
from landscape.methods.registry import METHODS, load_method
from landscape.tasks.registry import TASKS, load_builder
from tests.cli.commands import main

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
sys.path.insert(0, str(DOCS))

import reference  # type: ignore[import-not-found]  # noqa: E402

PAGES = {page.name: page.read_text() for page in sorted(DOCS.glob("*.md"))}
SECTIONS = {name: Searches if kind is Connect else kind for name, kind in EVERY.items()}
SECTIONS = {n: k for n, k in SECTIONS.items() if isinstance(k, type) and issubclass(k, BaseModel)}
SETTINGS = {
    "config": SECTIONS | {"sweep": Sweep},
    "methods": {name: load_method(name) for name in METHODS.names()},
    "measures": {name: load_measure(name) for name in MEASURES.names()},
}


def tables(markdown: str) -> dict[str, dict[str, list[str]]]:
    """Heading → first cell of each line of its table, without backticks → the other cells."""
    found: dict[str, dict[str, list[str]]] = {}
    heading = ""
    for line in markdown.splitlines():
        if line.startswith("### "):
            heading = line.removeprefix("### ")
            found[heading] = {}
        elif line.startswith("| `"):
            first, *others = (one.strip() for one in re.split(r"(?<!\\)\|", line)[1:-1])
            found[heading][first.strip("`")] = others
    return found


def sections(key: str, kind: type[BaseModel]):
    """A settings class, and those that its fields hold, by their places in a config."""
    yield key, kind
    for place, inner in reference.sections_in(key, kind):
        yield from sections(place, inner)


@pytest.mark.parametrize("part", SETTINGS)
def test_every_key_is_in_the_reference_with_its_meaning(part):
    documented = tables(reference.PARTS[part]())
    for top, settings in SETTINGS[part].items():
        for place, kind in sections(top, settings):
            assert kind.__doc__, f"{kind.__name__} has no docstring"
            assert documented[place].keys() == kind.model_fields.keys(), place
            for name, field in kind.model_fields.items():
                assert field.description, f"{place}.{name}: no docstring below the field"
                assert documented[place][name][-1] == reference.cell(field.description)


def test_every_key_of_a_task_is_in_the_reference_with_its_meaning():
    documented = tables(reference.tasks())
    for task in TASKS.names():
        parameters = inspect.signature(load_builder(task)).parameters.values()
        keys = {one.name for one in parameters if one.kind is one.KEYWORD_ONLY}
        assert documented[task].keys() == keys
        silent = [key for key in keys if not documented[task][key][-1]]
        assert not silent, f"{task}: its docstring's Args do not tell of {silent}"


def test_every_section_has_its_heading_on_the_page_of_the_config():
    page = reference.on_page_markdown(PAGES["config.md"])
    assert {"task", "sweep", *EVERY} <= set(re.findall(r"^### (\w+)$", page, re.MULTILINE))


def test_every_option_is_in_the_reference_with_its_meaning():
    documented = tables(reference.commands())
    for name, command in main.commands.items():
        assert command.help, f"lscape {name} has no docstring"
        told = " ".join(documented[f"lscape {name}"])
        for option in command.params:
            if isinstance(option, click.Option):
                assert option.help, f"lscape {name} {option.opts[0]} has no help"
                assert all(opt in told for opt in option.opts), f"lscape {name} {option.opts}"


@pytest.mark.parametrize("page", ["README.md", "docs/commands.md"])
def test_every_command_is_in_the_table(page):
    lines = [line for line in (ROOT / page).read_text().splitlines() if line.startswith("| `lsc")]
    told = {word for line in lines for word in re.findall(r"`(?:lscape )?([a-z]+)\b", line)}
    assert main.commands.keys() <= told


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 130


def test_every_public_name_is_on_the_page_of_the_api():
    page = reference.on_page_markdown(PAGES["api.md"])
    asked = re.findall(r"^::: landscape\.[\w.]+\.(\w+)$", page, re.MULTILINE)
    assert sorted(asked) == sorted(landscape.__all__)


@pytest.mark.parametrize("name", landscape.__all__)
def test_every_public_name_has_a_docstring(name):
    assert (getattr(landscape, name).__doc__ or "").strip()


def test_every_part_of_the_reference_is_on_one_page():
    asked = [name for text in PAGES.values() for name in reference.ASKED.findall(text)]
    assert sorted(asked) == sorted(reference.PARTS)


def test_every_page_is_in_the_navigation():
    nav = (ROOT / "mkdocs.yml").read_text().partition("\nnav:\n")[2]
    assert sorted(re.findall(r"(\S+\.md)$", nav, re.MULTILINE)) == sorted(PAGES)


LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"])
def test_links_of_the_root_lead_to_files(name):
    """Those among the pages are checked as the site is built."""
    links = LINK.findall((ROOT / name).read_text())
    missing = [link for link in links if "://" not in link and not (ROOT / link).exists()]
    assert not missing

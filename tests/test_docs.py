"""Every command, option, config key and public name is documented; the reference is complete."""

import re
import sys
from pathlib import Path

import click
import pytest
from pydantic import BaseModel

import landscape
from landscape.config.load import SECTIONS as ALL
from landscape.config.sections import Connect, Searches, Sweep
from landscape.measures.registry import MEASURES, load_measure
from landscape.methods.registry import METHODS, load_method
from tests.cli.commands import main

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "docs"))

import reference  # type: ignore[import-not-found]  # noqa: E402

SECTIONS = {name: Searches if kind is Connect else kind for name, kind in ALL.items()}
SECTIONS = {n: k for n, k in SECTIONS.items() if isinstance(k, type) and issubclass(k, BaseModel)}
METHOD_CLASSES = {name: load_method(name) for name in METHODS.names()}
MEASURE_CLASSES = {name: load_measure(name) for name in MEASURES.names()}


def models_of(kind):
    """A settings class and all that its fields hold."""
    yield kind
    for field in kind.model_fields.values():
        for inner in reference._models(field.annotation):
            yield from models_of(inner)


@pytest.mark.parametrize(
    "kind",
    [*SECTIONS.values(), Sweep, *METHOD_CLASSES.values(), *MEASURE_CLASSES.values()],
    ids=lambda kind: kind.__name__,
)
def test_every_key_has_a_description(kind):
    for model in models_of(kind):
        undocumented = [name for name, f in model.model_fields.items() if not f.description]
        assert not undocumented, f"{model.__name__}: a docstring below each field is missing"
        assert model.__doc__


def test_the_reference_of_the_config_has_every_key():
    text = reference.config() + reference.methods()
    for kind in (*SECTIONS.values(), Sweep, *METHOD_CLASSES.values()):
        for model in models_of(kind):
            for name, field in model.model_fields.items():
                assert f"| `{name}` |" in text and reference._cell(field.description) in text


def test_the_reference_of_the_commands_has_every_option():
    text = reference.commands()
    for name, command in main.commands.items():
        assert f"### lscape {name}\n" in text and command.help
        for option in command.params:
            if isinstance(option, click.Option):
                assert option.help, f"lscape {name} {option.opts}: no help"
                assert max(option.opts, key=len) in text


def test_the_pages_ask_for_references_that_there_are():
    asked = {
        name
        for page in (ROOT / "docs").glob("*.md")
        for name in reference.REFERENCE.findall(page.read_text())
    }
    assert asked == reference.REFERENCES.keys()


def test_every_command_is_told_in_the_readme():
    readme = (ROOT / "README.md").read_text()
    table = [line for line in readme.splitlines() if line.startswith("| `lscape")]
    told = {word for line in table for word in re.findall(r"`(?:lscape )?(\w+)`", line)}
    assert told == main.commands.keys()
    assert len(readme.splitlines()) <= 130


@pytest.mark.parametrize("name", landscape.__all__)
def test_every_public_name_has_a_docstring(name):
    assert (getattr(landscape, name).__doc__ or "").strip(), name


def test_every_page_is_in_the_navigation():
    nav = (ROOT / "mkdocs.yml").read_text()
    missing = [page.name for page in (ROOT / "docs").glob("*.md") if page.name not in nav]
    assert not missing

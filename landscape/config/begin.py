"""Configs to begin from: the package's examples, copied under a name of one's own."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from importlib.machinery import PathFinder
from importlib.resources import files
from keyword import iskeyword
from pathlib import Path

from landscape.config.validation import ConfigError, unknown

# name → what its files are called; the first is the default
EXAMPLES = {
    "digits": "digits",
    "flax": "flax_model",
    "function": "my_function",
    "networks": "my_networks",
}
COMMAND = re.compile(r"#   (\S.*)")


@dataclass(frozen=True)
class Example:
    """A config with what it needs, as it would be written: file name → content.

    about: a sentence; commands: what to type, in that order.
    """

    files: dict[str, str]
    about: str
    commands: tuple[str, ...]


def example(name: str, called: str | None = None) -> Example:
    """An example of that name, with files of another name if given.

    Raises:
        ConfigError: there is no such example, or its files cannot have that name.
    """
    if name not in EXAMPLES:
        raise ConfigError(unknown(name, EXAMPLES, "example"))
    own = EXAMPLES[name]
    called = own if called is None else called.removesuffix(".yaml")
    folder = files("landscape.config") / "examples"
    found = [folder / f"{own}{suffix}" for suffix in (".yaml", ".py")]
    found = {Path(file.name).suffix: file.read_text("utf-8") for file in found if file.is_file()}
    _check(called, has_code=".py" in found)
    # names of files and of the module, but not the words of a sentence or a task's name
    named = re.compile(rf"\b{own}(?=\.yaml|\.py|:\w|-\d|-\{{)")
    renamed = {called + suffix: named.sub(called, text) for suffix, text in found.items()}
    _, about, *comments = renamed[f"{called}.yaml"].splitlines()
    commands = (match[1] for line in comments if (match := COMMAND.fullmatch(line)))
    return Example(renamed, about.removeprefix("# "), tuple(commands))


def _check(called: str, has_code: bool) -> None:
    """Raise ConfigError for what no file, or no module that a config names, can be called."""
    if not re.fullmatch(r"\w[\w.-]*", called):
        raise ConfigError(f"{called}: expected a name of letters, digits, '_', '-' and '.'")
    if not has_code:
        return
    if not called.isidentifier() or iskeyword(called):
        raise ConfigError(f"{called}: expected the name of a Python module, as in my_task")
    elsewhere = [place for place in sys.path if place not in ("", str(Path.cwd()))]
    if called in sys.stdlib_module_names or PathFinder.find_spec(called, elsewhere):
        raise ConfigError(f"{called}: {called}.py would hide the installed module of that name")


def begin(example: Example, folder: Path) -> list[Path]:
    """Write an example's files; all of them or none. Raises ConfigError where one is there."""
    paths = [folder / name for name in example.files]
    there = [str(path) for path in paths if path.exists()]
    if there:
        raise ConfigError(
            f"{', '.join(there)}: there already; nothing was written (give another NAME)"
        )
    written: list[Path] = []
    try:
        for path, text in zip(paths, example.files.values(), strict=True):
            with path.open("x", encoding="utf-8") as file:
                written.append(path)
                file.write(text)
    except BaseException:
        for path in written:
            path.unlink(missing_ok=True)
        raise
    return paths

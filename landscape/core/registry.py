"""What can be named in a config: built in, from an installed package, or `module:name`.

No JAX here: names are known without importing what they name.
"""

from __future__ import annotations

import inspect
import re
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from difflib import get_close_matches
from importlib import import_module, invalidate_caches
from importlib.machinery import ModuleSpec, PathFinder
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

from landscape.core.trust import is_known, is_trusted, trusted_file

Base = TypeVar("Base")
Loaded = TypeVar("Loaded")

_sources: dict[str, bytes | None] = {}  # what the modules of `module:name` were when loaded


@dataclass(frozen=True)
class Registry:
    """Things of one kind by their names.

    built_in: name → `module:object`; group: the entry points of installed packages that add to
    them, as `lscape.methods`.
    """

    kind: str
    group: str
    built_in: dict[str, str]

    def names(self) -> list[str]:
        """What may be asked for by name; nothing is imported."""
        return list(dict.fromkeys([*self.built_in, *sorted(entry_points(group=self.group).names)]))

    def at_hand(self, load: Callable[[str], Loaded]) -> dict[str, Loaded]:
        """What may be imported though nobody has asked for it, by its name.

        load: raises ImportError for what cannot be loaded; it is left out.
        """
        loaded = {}
        for name in self.names():
            found = self._added(name)
            if found is None or is_known(name, _origin_of(found)):
                with suppress(ImportError):
                    loaded[name] = load(name)
        return loaded

    def load(self, name: str) -> Any:
        """What a name, or `module:object`, stands for.

        Raises:
            KeyError: there is no such name.
            ImportError: `module:object` cannot be imported, or is not trusted; the message says
                why.
        """
        if ":" in name:
            return load_object(name)
        if name in self.built_in:
            module, _, attribute = self.built_in[name].partition(":")
            return getattr(import_module(module), attribute)
        found = self._added(name)
        if found is None:
            raise KeyError(name)
        _check_trust(name, _origin_of(found))
        try:
            return found.load()
        except (Exception, SystemExit) as error:
            said = f"{found.value} raised {type(error).__name__}{_raised_at(error)}: {error}"
            raise ImportError(f"the {self.kind} '{name}' of {_package(found)}: {said}") from error

    def _added(self, name: str) -> EntryPoint | None:
        """The entry point that a name stands for; None for what is built in, or nowhere."""
        if name in self.built_in:
            return None
        return next(iter(entry_points(group=self.group, name=name)), None)


def subclass_of(base: type[Base], found: object, name: str) -> type[Base]:
    """A class that was named in a config, where it can be used as a `base`.

    Raises:
        ImportError: it is none, or lacks methods that it must define.
    """
    kind = base.__name__
    if not (isinstance(found, type) and issubclass(found, base)):
        raise ImportError(
            f"'{name}' is no {kind.lower()}: it must be a subclass of landscape.{kind}"
        )
    if inspect.isabstract(found):
        missing = ", ".join(sorted(getattr(found, "__abstractmethods__", ())))
        raise ImportError(f"'{name}' must define {missing}, as landscape.{kind} says")
    return found


def _origin_of(entry_point: EntryPoint) -> str:
    return f"the package {_package(entry_point)}, {entry_point.value}"


def _check_trust(name: str, origin: str) -> None:
    """Raise ImportError for code that its user has not said may be run."""
    if not is_trusted(name, origin):
        place = trusted_file()
        raise ImportError(
            f"'{name}' is code from {origin}. Importing it runs it; add --trust to run it"
            + (f" (remembered in {place})" if place else "")
        )


def _package(entry_point: EntryPoint) -> str:
    return entry_point.dist.name if entry_point.dist else "an installed package"


def load_object(spec: str) -> Any:
    """What `module:name` names, from the working directory or a package.

    Raises ImportError saying exactly why there is none: the module is missing or fails (with the
    file and line), or has no such name.
    """
    module_name, _, name = spec.partition(":")
    if not re.fullmatch(r"\w+(\.\w+)*:\w+", spec):
        raise ImportError(f"expected 'module:name', got '{spec}'")
    if origin := _origin(module_name):
        _check_trust(spec, origin)
    _forget_if_stale(module_name)
    with _working_directory_first() if _found_here(module_name) else nullcontext():
        try:
            module = import_module(module_name)
        except (Exception, SystemExit) as error:
            missing = error.name if isinstance(error, ModuleNotFoundError) else None
            if missing and f"{module_name}.".startswith(f"{missing}."):
                raise ImportError(
                    f"no module '{missing}' in {Path.cwd()} or among the installed packages"
                ) from error
            raise ImportError(
                f"importing '{module_name}' raised {type(error).__name__}{_raised_at(error)}: "
                f"{error}"
            ) from error
    _sources[module_name] = _source_of(module_name)
    if not hasattr(module, name):
        near = get_close_matches(name, dir(module), 1)
        hint = f"; did you mean '{near[0]}'?" if near else ""
        raise ImportError(f"module '{module_name}' has no '{name}'{hint}")
    return getattr(module, name)


@contextmanager
def _working_directory_first() -> Iterator[None]:
    """Let a module of the working directory import its siblings. Another must not find these: a
    stranger's folder may hold a `wave.py`."""
    here = str(Path.cwd())
    sys.path.insert(0, here)
    try:
        yield
    finally:
        with suppress(ValueError):  # the module may have changed the path itself
            sys.path.remove(here)


def _origin(module_name: str) -> str | None:
    """The file that a module, or the package that it is in, would be imported from; None where
    there is none. Nothing is imported."""
    package = module_name.partition(".")[0]
    invalidate_caches()  # the module may have been written a moment ago
    try:
        found = _found_here(module_name) or find_spec(package)
    except ValueError:  # a module without a specification, as that of the program itself
        return f"the module {package}"
    if found is None:
        return None
    folders = list(found.submodule_search_locations or ())
    return found.origin or (folders[0] if folders else f"the module {package}")


def _found_here(module_name: str) -> ModuleSpec | None:
    """A module's package in the working directory, where it goes before all others."""
    return PathFinder.find_spec(module_name.partition(".")[0], [str(Path.cwd())])


def _forget_if_stale(module_name: str) -> None:
    """Let a module be read again where another directory's, or an older one, is loaded: a run is
    named after the file's content, so that content must be what runs."""
    package = module_name.partition(".")[0]
    here = _found_here(module_name)
    elsewhere = here and package in sys.modules and here.origin != _file_of(package)
    changed = module_name in _sources and _sources[module_name] != _source_of(module_name)
    if elsewhere or changed:
        for name in [name for name in sys.modules if f"{name}.".startswith(f"{package}.")]:
            del sys.modules[name]


def _source_of(module_name: str) -> bytes | None:
    file = _file_of(module_name)
    return Path(file).read_bytes() if file and Path(file).is_file() else None


def _file_of(module_name: str) -> str | None:
    return getattr(sys.modules.get(module_name), "__file__", None)


def _raised_at(error: BaseException) -> str:
    own = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename != __file__ and "importlib" not in frame.filename
    ]
    return f" at {own[-1].filename}:{own[-1].lineno}" if own else ""

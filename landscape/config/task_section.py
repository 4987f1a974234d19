"""The task of a config: which it is, and the keys that its builder takes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict
from pydantic_core import to_jsonable_python

from landscape.config.validation import (
    RESERVED,
    ConfigError,
    Problem,
    parameters_of,
    unknown,
    validated,
)
from landscape.core.state import Policy
from landscape.data import Store
from landscape.tasks.registry import TASKS, load_builder


@dataclass(frozen=True)
class TaskSpec:
    """A built-in task's name or a user's factory, and all the keys that its builder takes.

    coordinates: `all` where arrays that look like state, not parameters, are meant to be searched.
    state: Where state, such as running statistics, comes from at a point; None: `recompute`.
    """

    name: str | None
    factory: str | None
    keys: dict[str, Any]
    coordinates: Literal["all"] | None = None
    state: Policy | None = None

    def builder(self) -> Callable[..., Any]:
        """The function that makes the task. Raises ImportError for a factory that is gone."""
        return load_builder(self.factory or str(self.name))

    def build_kwargs(self) -> dict[str, Any]:
        """The keys as the builder's annotations want them: tuples, models of nested sections."""
        kind, _ = parameters_of(self.builder(), Store)
        kwargs, problems = validated(kind, self.keys, "task")
        if problems:
            raise ConfigError(*map(": ".join, problems))
        return kwargs


def no_task() -> str:
    """What to say where a config names none."""
    allowed = ", ".join(TASKS.names())
    return f"missing; give a name (allowed: {allowed}) or a factory: 'module:function'"


def task_of(given: Any) -> tuple[TaskSpec | None, list[Problem]]:
    """The task that a section names, or what is wrong with the section."""
    head, problems = validated(_TaskHead, given, "task")
    if problems:
        return None, problems
    name, factory = head.name, head.factory
    if name is not None and factory is not None:
        return None, [("task.factory", "give either a name or a factory, not both")]
    if name is not None and name not in TASKS.names():
        return None, [("task.name", unknown(name, TASKS.names(), "task"))]
    if name is None and factory is None:
        typos = [key for key in given if get_close_matches(key, ("name", "factory"), 1)]
        found = [(f"task.{key}", unknown(key, ("name", "factory"))) for key in typos]
        return None, found or [("task", no_task())]
    key, spec = ("task.factory", factory) if factory is not None else ("task.name", str(name))
    if factory is not None and ":" not in factory:
        return None, [(key, f"expected 'module:function', got '{factory}'")]
    try:
        build = load_builder(spec)
    except ImportError as error:
        return None, [(key, str(error))]
    try:
        kind, defaults = parameters_of(build, Store)
    except Exception as error:  # evaluating annotations runs the user's code
        return None, [(key, f"its parameters cannot be keys of a config: {error}")]
    rest = {key: value for key, value in given.items() if key not in RESERVED}
    keys, problems = validated(kind, {**defaults, **rest}, "task")
    if problems:
        return None, problems
    return TaskSpec(name, factory, to_jsonable_python(keys), head.coordinates, head.state), []


class _TaskHead(BaseModel):
    model_config = ConfigDict(extra="allow")
    name: str | None = None
    factory: str | None = None
    coordinates: Literal["all"] | None = None
    state: Policy | None = None

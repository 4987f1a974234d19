"""What can be trained: the built-in tasks by name, and functions of the user's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from landscape.core.registry import Registry

TASKS = Registry(
    "task",
    "lscape.tasks",
    {
        "cifar10": "landscape.tasks.cifar10:cifar10",
        "digits": "landscape.tasks.digits:digits",
        "images": "landscape.tasks.images:images",
        "mnist": "landscape.tasks.mnist:mnist",
        "polynomial": "landscape.tasks.polynomial:polynomial",
        "ptb": "landscape.tasks.ptb:ptb",
        "regression": "landscape.tasks.regression:regression",
        "text": "landscape.tasks.text:text",
        "triangle": "landscape.tasks.triangle:triangle",
    },
)


def load_builder(name: str) -> Callable[..., Any]:
    """The function that builds a task, by its name or as `module:function`.

    Raises:
        KeyError: there is no task of that name.
        ImportError: the function cannot be imported, or is none.
    """
    found = TASKS.load(name)
    if not callable(found):
        raise ImportError(f"'{name}' is not a function: it is of type {type(found).__name__}")
    return found

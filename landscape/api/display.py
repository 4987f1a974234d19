"""How results look: a line, a table and a figure in a notebook, and a bar while they are made."""

# pyright: strict, reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false, reportUnknownLambdaType=false
# JAX and matplotlib are not typed throughout

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from html import escape

import numpy as np

Rows = Mapping[str, str]

_numbers = itertools.count()


def table(rows: Rows) -> str:
    """Names and values as HTML."""
    lines = "".join(
        f"<tr><th style='text-align:left'>{escape(name)}</th>"
        f"<td style='text-align:left'>{escape(value)}</td></tr>"
        for name, value in rows.items()
    )
    return f"<table>{lines}</table>"


def profile_figure(status: str, profile: np.ndarray, level: float, limit: float) -> str:
    """The loss along a path [points, 2] as an SVG element."""
    from landscape.report.figures import style

    def plot(axes: style.Axes) -> None:
        style.along_strings(axes, [(status, profile)], level, limit, "loss")

    return sized(style.draw(plot, _fresh(), "loss along the path", (4.0, 2.6)))


def fields_table(result: object) -> str:
    """A result's numbers and words as a table; arrays have their own figures."""
    shown = {
        name.replace("_", " "): number(value) if isinstance(value, float) else str(value)
        for name, value in vars(result).items()
        if isinstance(value, (int, float, str, tuple, list))
    }
    return table(shown)


def heat_figure(x: np.ndarray, y: np.ndarray, loss: np.ndarray, points: np.ndarray) -> str:
    """The loss [y, x] on a plane, and the points [n, 2] on it, as an SVG element."""
    from landscape.report.figures import style

    def plot(axes: style.Axes) -> None:
        drawn = axes.contourf(x, y, loss, 20)
        axes.plot(*points.T, "o", color="white", markeredgecolor="black")
        axes.set_aspect("equal")
        assert axes.figure is not None
        axes.figure.colorbar(drawn, ax=axes, label="loss")

    return sized(style.draw(plot, _fresh(), "the loss on a plane", (4.4, 3.4)))


def density_figure(nodes: np.ndarray, weights: np.ndarray) -> str:
    """A spectrum's nodes and weights [probes, m] as an SVG element: a histogram."""
    from landscape.report.figures import style

    def plot(axes: style.Axes) -> None:
        axes.hist(nodes.ravel(), 60, weights=weights.ravel() / len(nodes), color=style.COLOURS[0])
        axes.set_yscale("log")
        axes.set_xlabel("eigenvalue")
        axes.set_ylabel("share of the spectrum")

    return sized(style.draw(plot, _fresh(), "spectrum", (4.0, 2.6)))


def sized(svg: str, width: str = "26em") -> str:
    """An SVG element no wider than that."""
    return f"<div style='max-width:{width}'>{svg}</div>"


def _fresh() -> str:
    """A prefix for a figure's ids: a notebook is one page."""
    return f"lscape-{os.getpid()}-{next(_numbers)}"


def number(value: float | None, digits: int = 4) -> str:
    """A number, or a dash where there is none."""
    return "–" if value is None or not np.isfinite(value) else f"{value:.{digits}g}"


Tell = Callable[[Mapping[str, object]], None]


@contextmanager
def progress(what: str, shown: bool | None) -> Generator[Tell]:
    """A bar with facts, in a terminal or a notebook.

    Args:
        what: What is being done.
        shown: None: where somebody can see it.
    """
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    if shown is None:
        shown = console.is_terminal or console.is_jupyter
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not shown) as bar:
        task = bar.add_task(what, total=None)

        def tell(facts: Mapping[str, object]) -> None:
            said = "  ".join(f"{name} {value}" for name, value in facts.items())
            bar.update(task, description=f"{what}  {said}")

        yield tell


def one_line(name: str, parts: Sequence[str]) -> str:
    """The representation of a result."""
    return f"<{name} {', '.join(filter(None, parts))}>"

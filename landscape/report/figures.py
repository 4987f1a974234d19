"""The report's figures, as SVG that stands in a page: its own ids, the page's text colour."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from landscape.profile import thinned
from landscape.report.summary import CONNECTED
from landscape.report.wording import series

Level = dict[str, Any]

# Okabe and Ito's colours, of those what reads on white and on black
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
MARKERS = "os^Dv*"
INK = "#010203"  # stands for the page's text colour
STYLE: Any = {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 9,
    **dict.fromkeys(
        ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"), INK
    ),
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "text.parse_math": False,  # a $ in a name is a $
}
POINTS = 150  # of a curve that is drawn
CURVES = 24


def draw(
    plot: Callable[[Any], None],
    name: str,
    label: str,
    size: tuple[float, float] = (4.8, 3.2),
    projection: str | None = None,
) -> str:
    """An SVG element of one plot. name: a prefix for its ids; label: the text that stands for it.

    size in inches; the page scales it.
    """
    with matplotlib.rc_context({**STYLE, "svg.hashsalt": name}):
        figure = Figure(figsize=size, layout="constrained")
        plot(figure.add_subplot(projection=projection))
        text = io.StringIO()
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(text, format="svg", transparent=True, metadata=nothing)
    svg = re.sub(r"<metadata>.*?</metadata>", "", text.getvalue(), flags=re.DOTALL)
    svg = svg[svg.index("<svg") :].replace(INK, "currentColor")
    svg = re.sub(r'\bid="([^"]+)"', rf'id="{name}-\1"', svg)
    svg = re.sub(r"url\(#([^)]+)\)", rf"url(#{name}-\1)", svg)
    svg = re.sub(r'href="#([^"]+)"', rf'href="#{name}-\1"', svg)
    svg = re.sub(r'<svg ([^>]*?)width="[^"]+"', r"<svg \1", svg, count=1)
    svg = re.sub(r'<svg ([^>]*?)height="[^"]+"', r"<svg \1", svg, count=1)
    return svg.replace("<svg ", f'<svg role="img" aria-label="{_attribute(label)}" ', 1)


def _attribute(text: str) -> str:
    return text.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")


def by_series(levels: Sequence[Level]) -> dict[str, list[Level]]:
    found: dict[str, list[Level]] = {}
    for level in levels:
        found.setdefault(series(level, levels), []).append(level)
    return found


def _level_axis(axes: Axes, levels: Sequence[Level], metric: str) -> None:
    """From high to low, as the loss falls."""
    values = [level["level"] for level in levels]
    if min(values) > 0:
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_formatter("")
    axes.invert_xaxis()
    axes.set_xlabel(f"level of {metric}, falling to the right")


def against_level(
    axes: Axes,
    levels: Sequence[Level],
    key: str,
    metric: str,
    pairs: Callable[[Level], Sequence[float]],
) -> None:
    """Means with their standard errors over the connected pairs, and these pairs as dots."""
    for number, (name, own) in enumerate(by_series(levels).items()):
        found = [level for level in own if level[key]["mean"] is not None]
        colour = COLOURS[number % len(COLOURS)]
        for level in found:
            dots = np.sort(pairs(level))
            axes.plot([level["level"]] * len(dots), dots, ".", color=colour, alpha=0.3, ms=4)
        axes.errorbar(
            [level["level"] for level in found],
            [level[key]["mean"] for level in found],
            [level[key]["se"] or 0 for level in found],
            color=colour, marker=MARKERS[number % len(MARKERS)], ms=5, capsize=3, label=name,
        )  # fmt: skip
    _level_axis(axes, levels, metric)
    if len(axes.get_legend_handles_labels()[1]) > 1:
        axes.legend()


def published(axes: Axes, records: Sequence[dict[str, Any]], measure: str) -> None:
    """Their means and intervals, in the page's ink, for `against_level` to draw over."""
    theirs = {
        (r["published"], r["level"]): r[measure]["theirs"] for r in records if r[measure]["theirs"]
    }
    for task in dict.fromkeys(task for task, _ in theirs):
        own = {level: found for (other, level), found in theirs.items() if other == task}
        means = np.array([found["mean"] for found in own.values()])
        low, high = np.array([(found["lo"], found["hi"]) for found in own.values()]).T
        axes.errorbar(
            list(own), means, [means - low, high - means], color=INK, marker="x", ls="--", lw=1,
            capsize=3, alpha=0.6, label=f"{task}, published",
        )  # fmt: skip


def share_connected(axes: Axes, levels: Sequence[Level], metric: str) -> None:
    """The share of pairs connected with its 95 % Wilson interval."""
    for number, (name, own) in enumerate(by_series(levels).items()):
        share = np.array([level["share"] for level in own])
        low, high = np.array([level["share_interval"] for level in own]).T
        axes.errorbar(
            [level["level"] for level in own], share, [share - low, high - share],
            color=COLOURS[number % len(COLOURS)], marker=MARKERS[number % len(MARKERS)], ms=5,
            capsize=3, label=name,
        )  # fmt: skip
    axes.set_ylim(-0.05, 1.05)
    axes.set_ylabel("share of pairs connected")
    _level_axis(axes, levels, metric)
    if len(by_series(levels)) > 1:
        axes.legend()


def along_strings(
    axes: Axes, strings: Sequence[tuple[str, np.ndarray]], level: float, limit: float, metric: str
) -> None:
    """The loss along strings of one level: (status, profile [points, 2]) each, and the limit."""
    highest = [limit]
    for status, profile in strings[:CURVES]:
        position, loss = thinned(profile, POINTS).T
        connected = status == CONNECTED
        highest.append(np.max(loss, initial=limit, where=np.isfinite(loss)))
        axes.plot(
            position, loss, color=COLOURS[0 if connected else 1], lw=0.8,
            ls="-" if connected else "--", alpha=0.8,
        )  # fmt: skip
    axes.axhline(limit, color=INK, lw=0.8, ls=":")
    room = 2 * abs(limit) or max(highest) - limit
    bottom, top = axes.get_ylim()
    axes.set_ylim(min(bottom, limit), min(top, limit + room))
    axes.set_title(f"level {level:g}", fontsize=9)
    axes.set_xlabel("fraction of the string")
    axes.set_ylabel(metric)


def training(
    axes: Axes, curves: Sequence[np.ndarray], levels: Sequence[float], metric: str
) -> None:
    """The metric of the levels against steps, [checks, 2] a model."""
    for curve in curves[:CURVES]:
        kept = curve[np.unique(np.linspace(0, len(curve) - 1, POINTS).astype(int))]
        axes.plot(*kept.T, color=COLOURS[0], lw=0.8, alpha=0.6)
    for level in levels:
        axes.axhline(level, color=INK, lw=0.5, ls=":")
    if min(levels) > 0 and all((curve[:, 1] > 0).all() for curve in curves):
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter("{x:g}")
    axes.set_xlabel("training step")
    axes.set_ylabel(metric)

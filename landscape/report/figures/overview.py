"""The figures of all runs together, against the level: lengths, beads, shares, fitted shapes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from landscape.analysis.claims import predicted
from landscape.analysis.summary import CONNECTED, PairValue
from landscape.report.data.verdicts import LENGTH as EXCESS
from landscape.report.data.wording import number, series
from landscape.report.figures import style
from landscape.report.figures.style import Figure, Level
from landscape.store.records.strings import StringRecord

LENGTH = "normalized_length"
LINEAR = "The level axes are linear: a level that is not positive has no logarithm."


Rows = Mapping[str, Sequence[StringRecord]]  # by run


def overview(report: dict[str, Any], rows: Rows, metric: str) -> list[Figure]:
    """Figures of a report's levels; rows: those of each run."""
    levels = report["levels"]
    if not levels:
        return []
    found = []
    if any(level["connected"] for level in levels):
        found += [_length(report, rows, metric), _beads(report, rows, metric)]
    if any(level["tried"] for level in levels):
        found.append(_share(levels, metric))
    fitted = _fits(report, metric)
    return found + ([fitted] if fitted else [])


def _length(report: dict[str, Any], rows: Rows, metric: str) -> Figure:
    levels, pairs = report["levels"], _pairs(rows, LENGTH)

    def plot(axes: Axes) -> None:
        style.published(axes, report["against"], "length")
        style.against_level(axes, levels, LENGTH, metric, _values(pairs))
        axes.set_ylabel("normalised length")

    return Figure(
        "length",
        f"Normalised length against level. {_said(levels, LENGTH)}",
        "Normalised length of the connected strings as each search left them, which says how far "
        f"the search went: mean over pairs. {style.BARS} {_dots(pairs)}. 1 is straight.",
        plot,
        _table(levels, LENGTH, pairs),
    )


def _beads(report: dict[str, Any], rows: Rows, metric: str) -> Figure:
    levels, pairs = report["levels"], _pairs(rows, "beads")

    def plot(axes: Axes) -> None:
        style.published(axes, report["against"], "beads")
        style.against_level(axes, levels, "beads", metric, _values(pairs))
        style.log_counts(axes)
        axes.set_ylabel("beads, both ends counted")

    return Figure(
        "beads",
        f"Beads against level. {_said(levels, 'beads')}",
        f"Beads of the connected strings: mean with its standard error. {_dots(pairs)}.",
        plot,
        _table(levels, "beads", pairs),
    )


def _share(levels: Sequence[Level], metric: str) -> Figure:
    shares = [
        {key: level[key] for key in ("run", "set", "level", "pairs", "tried", "connected", "share")}
        | dict(zip(("low", "high"), level["share_interval"], strict=True))
        for level in levels
    ]
    said = ", ".join(f"{s['connected']} of {s['tried']} at {s['level']:g}" for s in shares)
    return Figure(
        "share",
        f"Share of pairs connected against level: {said}",
        "Share of pairs connected, of those whose ends reached the level, with its 95 % Wilson "
        "interval.",
        lambda axes: style.share_connected(axes, levels, metric),
        shares,
    )


def _fits(report: dict[str, Any], metric: str) -> Figure | None:
    """The excess length with the shapes that were fitted to it, where there are fits."""
    fitted = [c for c in report["claims"] if c["curvier"].get(EXCESS, {}).get("shapes")]
    if not fitted:
        return None
    named = {series(claim, report["claims"]): claim["curvier"][EXCESS] for claim in fitted}

    def plot(axes: Axes) -> None:
        style.fits(axes, named, metric)
        axes.set_ylabel(EXCESS)

    best = ", ".join(f"{name}: {found['best']}" for name, found in named.items())
    table = [
        {"search": name, "level": level, "mean": mean}
        | {s: float(predicted(s, fit, np.array(level))) for s, fit in found["shapes"].items()}
        for name, found in named.items()
        for level, mean in zip(found["levels"], found["means"], strict=True)
    ]
    return Figure(
        "fits",
        f"Best known length less 1 and the shapes fitted to it. The best is, for {best}",
        "Mean of the best known length less 1, with the shapes fitted to its logarithm: the best "
        "at a level that was left out is drawn thick.",
        plot,
        table,
    )


Pairs = dict[tuple[str, str, float], list[PairValue]]


def _dots(pairs: Pairs) -> str:
    return style.dots_said(max(map(len, pairs.values()), default=0))


def _pairs(rows: Rows, key: str) -> Pairs:
    found: Pairs = {}
    for run, own in rows.items():
        for row in own:
            value = PairValue(row.a, row.b, getattr(row, key))
            if row.status == CONNECTED and value.value is not None:
                found.setdefault((run, row.set, row.level), []).append(value)
    return found


def _values(pairs: Pairs) -> Any:
    def of(level: Level) -> list[float]:
        own = pairs.get((level["run"], level["set"], level["level"]), ())
        return [one.value for one in own if one.value is not None]

    return of


def _table(levels: Sequence[Level], key: str, pairs: Pairs) -> list[dict[str, Any]]:
    """A line a mean, and one for each pair that is in it."""
    lines = []
    for level in levels:
        where = {name: level[name] for name in ("run", "set", "level")}
        mean = level[key]
        line = where | {"a": None, "b": None, "value": mean["mean"], "se": mean["se"]}
        cells = style.error_cells(mean)
        line |= {"connected": level["connected"], "pairs": level["pairs"]}
        lines.append(line | cells)
        for a, b, value in pairs.get((level["run"], level["set"], level["level"]), ()):
            line = where | {"a": a, "b": b, "value": value, "se": None}
            lines.append(line | {"connected": None, "pairs": None} | dict.fromkeys(cells))
    return lines


def _said(levels: Sequence[Level], key: str) -> str:
    """The means in words, for who cannot see the figure."""
    return ". ".join(
        f"{name}: " + ", ".join(f"{number(level[key])} at {level['level']:g}" for level in own)
        for name, own in style.by_series(levels).items()
    )

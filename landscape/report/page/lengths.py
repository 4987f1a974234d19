"""The page's part on lengths: in every metric, each beside its method error."""

from __future__ import annotations

from typing import Any

from landscape.report.data.measured import ALL_LENGTHS, EUCLIDEAN, FOUND, LENGTHS
from landscape.report.data.wording import method_error, series
from landscape.report.page import html
from landscape.report.page.by_level import (
    Column,
    Kept,
    Records,
    against,
    are_shortened,
    by_level,
    mean,
    measured_of,
    some,
)
from landscape.report.page.html import Part

CAPTIONS = {
    "normalized_length": "Euclidean length of the strings, shortened, over the distance of their "
    "ends; 1 is straight",
    "normalized_scaled_length": "Length of the strings in the metric Σ ‖dθ‖²/‖θ‖², summed over "
    "the parameter arrays, over the distance of their ends in it; scaling a layer leaves it",
    "normalized_function_length": "Length of the strings as functions over the data, {metric}, "
    "over that distance of their ends",
}
METRICS = {"jsd": "in the distance √JSD (nats)", "l2": "in the L² distance"}
SHORTENING = (
    "CONVERGED: doubling the beads moved the length by less than the tolerance. STALLED: so it "
    "did, but it can still be well above the least: the level has no gradient to turn a step along "
    "it, or steps are refused that the level, linearised, allows. BUDGET: the beads or sweeps were "
    "spent first, or no shorter string was certified. OFF: not shortened. Every shortened string "
    "is certified below its level."
)
ERRORS = (
    "Method error, a mean over pairs. Of a Euclidean length: by how much it is longer than the "
    "shortest path known; of that one itself, by how much the next method's is longer. Of another "
    "length: by how much that of another method's shortest path differs."
)


def lengths(strings: Records, kept: Kept, metric: str) -> Part:
    """The figures and the table of all lengths, and how shortening ended."""
    shortened = are_shortened(strings)
    kind = next((record["function_metric"] for record in strings if record["function_metric"]), "")
    said = METRICS.get(kind, "")
    drawn = [
        against(
            key,
            f"{name} length over chord",
            CAPTIONS[key].format(metric=said),
            strings,
            kept,
            metric,
        )
        for key, name in LENGTHS.items()
        if some(strings, key) and (shortened or key != EUCLIDEAN)  # which is drawn above
    ]
    words = f"Lengths over the distance of the ends in their own metric; function-space {said}. "
    table = _length_table(strings, shortened) + html.paragraph(words + ERRORS)
    return "Lengths", drawn, table + _shortening(strings)


def _length_table(strings: Records, shortened: bool) -> str:
    """A line a metric, set and level, each length beside its method error."""
    ends = {"before shortening": FOUND, "shortened": ""} if shortened else {"as found": ""}
    head = ["metric", "search", "level", "measured of connected"]
    rows = (
        [name, series(record, strings), f"{record['level']:g}", measured_of(record)]
        + [
            cell
            for end in ends.values()
            for cell in (mean(key + end)(record), method_error(record[key + end]["method_error"]))
        ]
        for key, name in ALL_LENGTHS.items()
        if some(strings, key)
        for record in strings
    )
    return html.table(head + [name for end in ends for name in (end, "method error")], rows)


def _shortening(strings: Records) -> str:
    if not are_shortened(strings):
        return html.paragraph(
            "The strings are as their searches left them: they were not shortened."
        )
    settled, tried = (sum(r[key] for r in strings) for key in ("converged", "shortened"))
    columns: dict[str, Column] = {
        "shortening": lambda r: ", ".join(f"{n} {status}" for status, n in r["shortening"].items()),
        "length moved at last, at most": _change,
        "beads before": mean("beads_found"),
        "beads": mean("beads"),
        "sweeps": mean("sweeps"),
    }
    said = f"Shortening settled on {settled} of {tried}. {SHORTENING}"
    return by_level(strings, columns) + html.paragraph(said)


def _change(record: dict[str, Any]) -> str:
    """The most that doubling the beads moved a length, and of how many where it is not of all."""
    if record["change"] is None:
        return "–"
    count = record["changes"]
    return f"{100 * record['change']:.2g} %" + f" (of {count})" * (count < record["measured"])

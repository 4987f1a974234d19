"""The shortest paths that are known, in sentences and as rows of tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from landscape.report.data.known import CURVATURES
from landscape.report.data.wording import method_error, number, small

Record = dict[str, Any]

COLUMNS = (
    "level", "pairs", "at least", "best known length", "method error", "agree within 2 %",
    "as found", "best from", "shortening",
)  # fmt: skip
CURVATURE_COLUMNS = (
    "level", "pairs", "total curvature", "method error", "level-set curvature", "method error",
)  # fmt: skip
WHAT = (
    "Best known: the shortest certified path of any method, as found or shortened, or of a lower "
    "level with the models' own paths at its ends, over the distance of the ends; the mean over "
    "pairs ± its sampling error. It is an upper bound. At least: 1, a straight line, or more where "
    "the landscape knows what no path is shorter than. "
    "Method error: by how much the next method's shortest path is longer, the mean over the pairs "
    "of which two methods have one."
)


def row_of(record: Record) -> list[str]:
    """A row of the table of lengths, by COLUMNS."""
    both = record["both"]
    return [
        f"{record['level']:g}",
        f"{record['known']}/{record['pairs']}",
        bound(record),
        number(record["length"]),
        method_error(record["length"]["method_error"]),
        f"{record['agree']} of {both}" if both else "–",
        number(record["found"]),
        counts(record["sources"]),
        counts(record["shortening"]),
    ]


def bound(record: Record) -> str:
    """What no path is shorter than: 1, or more."""
    return number(record["lower_bound"]) if is_above_chord(record) else "1"


def is_above_chord(record: Record) -> bool:
    """Whether a lower bound is known that is above the straight line."""
    return (record["lower_bound"]["mean"] or 1) > 1


def curvature_row_of(record: Record) -> list[str]:
    """A row of the table of curvatures, by CURVATURE_COLUMNS."""
    row = [f"{record['level']:g}", f"{record['total_curvature']['n']}/{record['pairs']}"]
    for key in CURVATURES:
        found = record[key]
        row += [number(found), method_error(found["method_error"])]
    return row


def counts(found: dict[str, int]) -> str:
    return ", ".join(f"{n} {what}" for what, n in found.items()) or "–"


def lengths_said(records: Sequence[Record]) -> str:
    """The lengths of one question in a sentence or two; records from high to low."""
    some = [record for record in records if record["known"]]
    if not some:
        return ""
    ends = [some[0], some[-1]] if len(some) > 1 else some
    mean = "on average " if some[-1]["pairs"] > 1 else ""
    said = f"The shortest paths known are {mean}"
    said += (
        f"{number(ends[0]['length'])} times as long as the straight line at {ends[0]['level']:g}"
    )
    if len(ends) > 1:
        said += f", and {number(ends[1]['length'])} times at {ends[1]['level']:g}"
    return f"{said}. {_trust(ends[-1])}"


def _trust(record: Record) -> str:
    """What is known of how far one level's lengths are above the shortest."""
    both = record["both"]
    if record["straight"] == record["known"]:
        return f"At {record['level']:g} they are straight: none is shorter."
    if not both:
        return "One method alone has paths: how far they are above the shortest is not known."
    error = record["length"]["method_error"]
    if both == 1:
        agree = "agree within 2 %" if record["agree"] else "do not agree within 2 %"
        pair = "the one pair" if record["pairs"] == 1 else "the one pair that two have a path of"
        said = f"on {pair} two methods {agree}, and differ by {small(error['mean'])}"
    else:
        said = (
            f"two methods agree within 2 % on {record['agree']} of {both} pairs, and differ by "
            f"{small(error['mean'])} on average, {small(error['largest'])} at most"
        )
    return f"At {record['level']:g} {said}.{_moved(record['moved'])}"


def _moved(change: float | None) -> str:
    if change is None:
        return ""
    percent = 100 * change
    return f" Shortening moved lengths by at most {percent:.2g} % when beads were last doubled."


def findings_of(records: Sequence[Record]) -> list[str]:
    """What is the landscape's, and what is not known, of one question."""
    some = [record for record in records if record["known"]]
    if not some:
        return []
    lowest = some[-1]
    known, pairs, both = (lowest[key] for key in ("known", "pairs", "both"))
    mean = f"the mean of {known} of {pairs} pairs" if pairs > 1 else "for the one pair"
    trust = _trust(lowest) if both or lowest["straight"] == known else ""
    said = [
        f"Known. At {lowest['level']:g} the shortest paths are at most {number(lowest['length'])} "
        f"times as long as the straight line, {mean}, and at least {bound(lowest)}. " + trust
    ]
    if lowest["straight"] < known:
        said.append(f"Not known. {_not_known(lowest)}.")
    said += [f"{why}. {what}." for why, what in _loose_ends(some)]
    return [" ".join(one.split()) for one in said]


def _not_known(record: Record) -> str:
    if not record["both"]:
        why = "How far these lengths are above the shortest, since one method alone has paths"
        methods = record["method"].split(", ")
        other = "bezier" if methods[0].startswith("dss") else "dss"
        return (
            f"{why}: of {record['method']} the others have none"
            if len(methods) > 1
            else f"{why}; `connect.also: [{other}]` asks a second"
        )
    error = record["length"]["method_error"]
    alone = error["of"] - error["n"]
    said = "Whether the methods have missed the same shorter path"
    return said + f"; of {alone} pairs one method alone has a path" * bool(alone)


def _loose_ends(records: Sequence[Record]) -> list[tuple[str, str]]:
    """What could still be made shorter: a finding, and more of it."""
    ended: Counter[str] = Counter()
    for record in records:
        ended.update(record["shortening"])
    every = ended.total()
    found = []
    if left := ended["not shortened"]:
        found.append(
            (
                f"{left} of {every} are not shortened",
                "`lscape measure RUN --set measure.shorten=true` shortens what is connected",
            )
        )
    if open_ones := every - left - ended["straight"] - ended["CONVERGED"]:
        found.append(
            (f"The shortening of {open_ones} of {every} has not settled",
             "They are upper bounds, as all are, that more sweeps may lower")
        )  # fmt: skip
    if checked := sum(record["nested"] for record in records):
        found.append(_nested(records, checked))
    return found


def _nested(records: Sequence[Record], checked: int) -> tuple[str, str]:
    """How often a search missed what a lower level has: a path of it, with the models' own paths at
    its ends, is one of this level."""
    longer = [(one["level"], pair) for one in records for pair in one["longer_than_known"]]
    places = {(level, pair["a"], pair["b"]) for level, pair in longer}
    if not longer:
        return (
            f"No search missed what a lower level has, on {checked} pairs and levels",
            "A path of a lower level, with the models' own paths at its ends, is nowhere shorter "
            "by more than 2 %",
        )
    first = ", ".join(f"{p['method']} {p['a']}-{p['b']} at {level:g}" for level, p in longer[:5])
    more = f" and {len(longer) - 5} more" * (len(longer) > 5)
    return (
        f"Searches missed what exists on {len(places)} of {checked} pairs and levels",
        "A path of a lower level, with the models' own paths at its ends, is shorter there by more "
        f"than 2 %: than of {first}{more}",
    )

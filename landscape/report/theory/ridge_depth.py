"""Deep linear networks with ridge: two layers against three and four around F(0)."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes

from landscape.report.data.series import Record, fitted
from landscape.report.figures.style import look
from landscape.report.theory.parts import (
    Finding,
    chosen,
    counts,
    drawn,
    listed,
    means,
    numbers,
    panels,
    under,
    valued,
    values_of,
)

RESOLVED = 0.01  # of F(0): bands do not lower what is nearer to the ends
COARSE = ", which is less than a hundredth of F(0) above it and was not lowered further"
LEADING = {3: "κ³", 4: "κ²"}  # of f(s*), docs/theory.md


def finding(report: Record) -> Finding:
    records = report["records"]
    depths = sorted({_depth(r) for r in records})
    kappas = values_of(records, "kappa")
    walled = {depth: _walls(records, depth) for depth in depths}
    first_above = min((r["level"] for r in records if r["level"] >= _zero(records)), default=None)

    def plot(axes: Axes) -> None:
        left, right = panels(axes, 2)
        for place, depth in enumerate(depths):
            rows = [
                r for r in chosen(records, method="dss")
                if _depth(r) == depth and r["level"] == first_above
            ]  # fmt: skip
            at = [valued(r, "kappa") for r in rows if means([r], "share")]
            drawn(left, at, means(rows, "share"), place, f"K = {depth}")
            known = walled[depth]
            if known:
                style = look(place)
                right.plot(
                    [w["kappa"] for w in known], [w["proved"] for w in known], ls="--",
                    color=style["color"], label=f"K = {depth}, proved: f(s*)",
                )  # fmt: skip
                right.plot(
                    [w["kappa"] for w in known if w["found"]],
                    [w["found"] for w in known if w["found"]],
                    **{**style, "ls": "none"}, label=f"K = {depth}, lowest maximum found",
                )  # fmt: skip
        left.set_ylim(-0.05, 1.05)
        at = "above F(0), where no level is" if first_above is None else f"at {first_above:g}"
        left.set_ylabel(f"share of pairs connected {at}")
        right.set_ylabel("above F(0)")
        right.set_yscale("log")
        right.yaxis.set_major_formatter("{x:g}")
        right.yaxis.set_minor_formatter("")
        for one in (left, right):
            one.set_xlabel("κ")
            one.set_xticks(kappas)
            if one.get_legend_handles_labels()[0]:
                one.legend(fontsize=8)

    caption = (
        "Left: searches just above F(0), the loss of θ = 0, with 95 % Wilson intervals over the "
        "pairs whose ends reached the level. Right: the "
        "proved barrier around 0 and the lowest maximum of any string that was found between "
        "networks on its two sides, both above F(0)."
    )
    return Finding(_sentences(records, depths, walled, first_above), plot, (9.6, 3.8), caption)


def _sentences(
    records: list[Record], depths: list[int], walled: dict[int, Any], level: float | None
) -> list[str]:
    said = []
    for depth in depths:
        for method in values_of(records, "method"):
            rows = [r for r in chosen(records, method=method) if _depth(r) == depth]
            if not rows:
                continue
            joined, whole = (sum(r[key] for r in rows) for key in ("connected", "tried"))
            said.append(
                f"K = {depth}, {method}: a path for {joined} of {whole} pairs and levels"
                f" ({_nested(rows)}){_others(rows, whole - joined)}{_at_level(rows, level)}."
            )
        if walled[depth]:
            said.append(_barrier(records, depth, walled[depth]))
    zero = _zero(records)
    below = [
        r for r in chosen(records, method="dss")
        if _depth(r) > 2 and r["level"] < zero and r["tried"]
    ]  # fmt: skip
    if below:
        levels = numbers(sorted({r["level"] for r in below}, reverse=True))
        found = [
            f"{sum(r['connected'] for r in rows)} of {sum(r['tried'] for r in rows)} at K = {depth}"
            for depth in depths
            if (rows := [r for r in below if _depth(r) == depth])
        ]
        said.append(
            f"Below F(0) = {zero:g}, at {levels}: of the pairs whose ends got there a path for "
            f"{listed(found)}. It is at F(0) and just above it that the wall proves level sets "
            "apart; below F(0) θ = 0 is in none, and nothing more is proved of them."
        )
    return said


def _nested(rows: list[Record]) -> str:
    """How many pairs of networks there are, and levels of each, which are nested."""
    pairs = sum(max(r["pairs"] for r in chosen(rows, kappa=k)) for k in values_of(rows, "kappa"))
    return f"{pairs} pairs over all κ, at up to {len({r['level'] for r in rows})} levels each"


def _others(rows: list[Record], missed: int) -> str:
    """How many of the pairs and levels without a path are proved to have none."""
    proved = sum(r["apart"]["pairs"] for r in rows if _is_under(r))
    return f"; of the other {missed}, {proved} are proved not connected" if missed else ""


def _is_under(record: Record) -> bool:
    return bool(record["apart"]) and record["level"] < record["apart"]["height"]


def _at_level(rows: list[Record], level: float | None) -> str:
    at = [row for row in rows if row["level"] == level]
    if not at:
        return ""
    found = counts([(row["connected"], row["tried"]) for row in at])
    kappas = numbers(valued(row, "kappa") for row in at)
    return f". At {level:g}: {found} at κ = {kappas}"


def _barrier(records: list[Record], depth: int, walled: list[dict[str, Any]]) -> str:
    rows = [r for r in chosen(records, method="dss") if _depth(r) == depth and r["apart"]]
    apart = sum(r["apart"]["pairs"] for r in rows if _is_under(r))
    said = (
        f"K = {depth}: {apart} pairs and levels are proved not connected. Their ends are on the "
        "two sides of the barrier around 0 and the level is below it"
    )
    if rows:
        said += f"; {under([r['apart'] for r in rows])}"
    found = [w for w in walled if w["found"]]
    fine = [w for w in found if w["found"] > RESOLVED * w["zero"]]
    for some, words in ((fine, ""), ([w for w in found if w not in fine], COARSE)):
        if some:
            ratios = [w["found"] / w["proved"] for w in some]
            kappas = numbers(w["kappa"] for w in some)
            said += (
                f". The lowest maximum found between the two sides is {_range(ratios)} times as "
                f"high above F(0) as the barrier at κ = {kappas}{words}"
            )
    if rate := fitted([(w["kappa"], w["found"]) for w in fine]):
        said += f". What was found rises as κ^({rate[0]:.2f} ± {rate[1]:.2f}), by {rate[2]} points"
    if rate := fitted([(w["kappa"], w["proved"]) for w in walled]):
        said += f". f(s*) itself rises as κ^{rate[0]:.2f} over these {rate[2]} κ"
    if depth in LEADING:
        said += f", to leading order as {LEADING[depth]}"
    return said + "."


def _range(ratios: list[float]) -> str:
    low, high = f"{min(ratios):.4f}", f"{max(ratios):.4f}"
    return low if low == high else f"{low} to {high}"


def _depth(record: Record) -> int:
    return len(valued(record, "hidden")) + 1


def _zero(records: list[Record]) -> float:
    return next((r["apart"]["facts"]["F(0)"] for r in records if r["apart"]), 1.0)


def _walls(records: list[Record], depth: int) -> list[dict[str, Any]]:
    """A record a κ: what is proved, and the lowest maximum found across, both above F(0)."""
    found = []
    rows = [r for r in records if _depth(r) == depth and r["apart"]]
    for kappa in values_of(rows, "kappa"):
        mine = [r["apart"] for r in chosen(rows, kappa=kappa)]
        zero = mine[0]["facts"]["F(0)"]
        maxima = [one["lowest_max"] for one in mine if one["lowest_max"] is not None]
        lowest = min(maxima) - zero if maxima else None
        height = mine[0]["height"] - zero
        found.append({"kappa": kappa, "proved": height, "found": lowest, "zero": zero})
    return found

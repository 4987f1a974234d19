"""The page's part of the models themselves: sharpness against level, spectra."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes

from landscape.report.data.measured import MINIMA
from landscape.report.data.wording import eigenvalue, number
from landscape.report.figures import style
from landscape.report.figures.spectra import of_models
from landscape.report.figures.style import Figure
from landscape.report.page import html
from landscape.report.page.html import Part
from landscape.store.run import Run

Records = Sequence[dict[str, Any]]


def minima(
    records: Records, measured: Mapping[str, Records], runs: Mapping[str, Run], metric: str
) -> Part:
    several = len(runs) > 1
    known = any(record["largest"]["mean"] is not None for record in records)
    drawn = [_sharpness(records, metric)] if known else []
    drawn += [one for name, run in runs.items() for one in of_models(name, run, several)]
    tables = _table(records, [], several)
    if measured["parts"]:
        said = "Of the Hessian's diagonal blocks of parameters whose names match (measure.over):"
        tables += html.paragraph(said)
        tables += _table(measured["parts"], ["over", "parameters"], several)
    if any(record["rank"] > 1 for record in measured["top"]):
        tables += html.paragraph("The largest eigenvalues (measure.top):") + html.table(
            ["run"] * several + ["level", "rank", "models", "eigenvalue"],
            (
                [r["run"]] * several + [f"{r['level']:g}", str(r["rank"]), str(r["measured"])]
                + [eigenvalue(r["value"], r["measured"])]
                for r in measured["top"]
            ),
        )  # fmt: skip
    said = "The Hessian of the models where each first met the level. ± is the standard error over "
    said += "models; each model's own errors are in models.csv, parts.csv and top.csv. Not "
    said += "resolved: the error is not below the eigenvalue's magnitude, so that it is in no mean."
    return "The minima", drawn, tables + html.paragraph(said)


def _table(records: Records, more: Sequence[str], several: bool) -> str:
    names = {"largest": "largest eigenvalue", "smallest": "smallest eigenvalue"}
    names |= {"trace": "trace", "gradient": "gradient norm"}

    def said(record: dict[str, Any], key: str) -> str:
        of = record[key]
        return eigenvalue(of, record["measured"]) if "unresolved" in of else number(of)

    rows = (
        [record["run"]] * several + [f"{record['level']:g}"] + [str(record[key]) for key in more]
        + [str(record["measured"])] + [said(record, key) for key in names]
        for record in records
    )  # fmt: skip
    return html.table(["run"] * several + ["level", *more, "models", *names.values()], rows)


def _sharpness(records: Records, metric: str) -> Figure:
    levels = [{**record, "set": "minima", "method": "minima"} for record in records]

    def plot(axes: Axes) -> None:
        style.against_level(axes, levels, "largest", metric, lambda level: [])
        if any((record["largest"]["mean"] or 0) > 0 for record in records):
            style.log_values(axes)
        axes.set_ylabel("largest eigenvalue of the Hessian")

    table = [
        {"run": record["run"], "level": record["level"], "models": record["measured"]}
        | {f"{key}_{part}": record[key][part] for key in MINIMA for part in ("mean", "se", "n")}
        for record in records
    ]
    said = "Sharpness of the models at each level: the Hessian's largest eigenvalue, mean with its "
    said += "standard error over models."
    means = ", ".join(f"{number(r['largest'])} at {r['level']:g}" for r in records)
    return Figure("sharpness", f"Sharpness against level: {means}", said, plot, table)

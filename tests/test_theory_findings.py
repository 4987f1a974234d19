"""The experiments' sentences are made of the sweep's numbers, and say no more than these."""

from typing import Any

import pytest

from landscape.config.sections import NEEDED, Sweep
from landscape.report import theory
from landscape.report.figures.style import draw
from landscape.report.theory.parts import counts, listed


def mean(value: float, se: float | None = 0.1, n: int = 4, **more: Any):
    return {"mean": value, "se": se, "n": n, "clustered": None, **more}


def named(measured) -> Any:
    return {"epsilon - e(m)": measured}


def share(part, whole):
    return mean(part / whole, None, whole, interval=[0.0, 1.0])


def record(values, level=0.1, connected=4, pairs=4, missed=0, apart: Any = None, **measures: Any):
    statuses = {"CONNECTED": connected, "LEVEL_NOT_REACHED": missed}
    return {
        "values": values, "run": "r", "set": "s", "level": level, "pairs": pairs,
        "tried": pairs - missed, "connected": connected, "statuses": statuses, "apart": apart,
        "poor_ends": [], "facts": [], "measures": {"share": share(connected, pairs), **measures},
    }  # fmt: skip


def wall(height, pairs, lowest, name="around zero", **more: Any):
    return {
        "name": name, "height": height, "facts": {"F(0)": 1.0}, "pairs": pairs, "below": 0,
        "connected": 0, "lowest_max": lowest, "shortfall": 0.0, "resolution": 0.01, **more,
    }  # fmt: skip


def found(name, records):
    known = theory.finding({"theory": name, "records": records})
    assert known is not None
    svg = draw(known.plot, "t", "a figure", known.size)
    assert svg.startswith("<svg") and known.caption
    assert "disconnected" not in " ".join(known.sentences)
    return known.sentences, svg


def test_every_experiment_of_the_config_has_its_finding():
    assert set(theory.EXPERIMENTS) == set(NEEDED)
    assert theory.finding({"theory": None, "records": [1]}) is None
    assert theory.finding({"theory": "width", "records": []}) is None


def test_counts():
    assert counts([(3, 4), (3, 4)]) == "3 of 4" and counts([(3, 4), (2, 4)]) == "3 and 2 of 4"
    assert counts([(3, 4), (2, 3), (0, 1)]) == "3 of 4, 2 of 3 and 0 of 1"
    assert listed(["a"]) == "a" and listed([]) == ""


def test_linear_against_rectified():
    def rows(activation, method, connected, rise):
        values = {"task.activation": activation, "connect.method": method}
        return [
            record(values, level, n, 12, excess=mean(rise, n=12), curve_excess=None)
            for level, n in zip((0.5, 0.05), connected, strict=True)
        ]

    records = rows("linear", "linear-network", (12, 12), 1e-16)
    records += rows("relu", "dss", (12, 1), 0.03) + rows("relu", "straight", (3, 0), 0.4)
    said, svg = found("linear-vs-relu", records)
    assert (
        "the constructed path (Proposition 2.3) 12 of 12 pairs" in said[0] and "rounding" in said[0]
    )
    assert "DSS 12 and 1 of 12" in said[1] and "0.03 ± .10 by DSS" in said[1]
    assert "a search that fails shows nothing" in said[2]
    assert svg.count("Linear: the constructed path") == 1


def test_ridge_and_depth():
    records = []
    for kappa, height in ((0.1, 1.001), (0.2, 1.008), (0.4, 1.064)):
        records.append(record({"task.kappa": kappa, "task.hidden": [4], "connect.method": "dss"}))
        for level, connected in ((1.002, 3), (0.998, 4)):
            apart = wall(height, 4 - connected, 1 + 2 * (height - 1))
            values = {"task.kappa": kappa, "task.hidden": [4, 4], "connect.method": "dss"}
            records.append(record(values, level, connected, apart=apart))
    said, _ = found("ridge-depth", records)
    assert (
        "K = 2, dss: a path for 12 of 12 pairs and levels (12 pairs over all κ, at up to 1"
        in said[0]
    )
    assert (
        "a path for 21 of 24 pairs and levels (12 pairs" in said[1]
        and "At 1.002: 3 of 4" in said[1]
    )
    assert "of the other 3, 2 are proved not connected" in said[1]
    # 1.002 is below their wall at two of three kappas
    assert "K = 3: 2 pairs and levels are proved not connected" in said[2]
    assert "none of 3 strings between its two sides is below it." in said[2]
    assert "is 2.0000 times as high" in said[2]
    assert "f(s*) itself rises as κ^3.00 over these 3 κ, to leading order as κ³" in said[2]
    assert "Below F(0) = 1, at 0.998" in said[3] and "a path for 12 of 12 at K = 3." in said[3]

    apart = wall(1.064, 2, 1.063, below=2, shortfall=1e-3)
    short = record({**values, "task.kappa": 0.5}, 1.002, 2, apart=apart)
    said, _ = found("ridge-depth", [short])
    assert "of 2 strings between its two sides 2 are below it as sampled, 0 of which" in said[1]
    assert "falls short of it by 1.0e-03, sampled at steps of t of at most 0.01" in said[1]


def test_width():
    def row(n, m, method, **measures):
        values = {"task.inputs": n, "task.hidden": [m], "connect.method": method}
        return record(
            values,
            **{"lowered_gap": None, "curve_excess": None, "epsilon - e(m)": None, **measures},
        )

    records = []
    for m in (2, 4, 8):
        records.append(row(2, m, "relu-construction", **named(mean(1 / m**2))))
        records.append(row(2, m, "dss", lowered_gap=mean(0.2 if m == 2 else 0.0)))
    said, svg = found("width", records)
    assert (
        "at level 0.1 falls as m^(-2.00 ± 0.00) over the 3 widths m = 2 to 8 of which" in said[0]
        and "from 0.25 ± .10 at m = 2 to 0.02 ± .10 at m = 8 (4 pairs each)" in said[0]
    )
    assert "Printed is m^(−0.5); the proof gives m^(−0.25) at η = 1/6" in said[0]
    assert "by 0.20 ± .10 at m = 2 and by less than 0.001 at m = 4 and 8 (4 pairs" in said[0]
    assert "n = 2" in svg

    records += [row(2, 16, "relu-construction", **named(mean(5e-5)))]  # noise
    records += [row(2, 1, "relu-construction", **named(mean(9.0, n=3)))]  # a pair is missing
    higher = row(2, 32, "relu-construction", **named(mean(9.0)))
    records += [{**higher, "level": 0.5}]
    (said,), _ = found("width", records)
    assert "m^(-2.00 ± 0.00) over the 3 widths m = 2 to 8" in said and "= 1 " not in said
    assert "to less than 0.0001 at m = 16" in said and "= 32" not in said


def test_smoothness_says_what_cannot_be_told():
    records = []
    for seed in range(3):
        for decay, units, height, noise in (
                (0, 3, 0.9, 0.01), (4, 3, 0.2, 0.02), (0, 6, 0.1, 0.01), (4, 6, 0.11, 0.05),
            ):  # fmt: skip
            values = {
                "task.target": "density", "task.decay": decay, "task.spread": 0.5,
                "task.hidden": [units], "task.data_seed": seed,
            }  # fmt: skip
            records.append(record(values, **named(mean(height + noise * seed))))
    said, svg = found("smoothness", records)
    assert "From decay 0 to 4 it changes by -0.6900 ± .0058 at m = 3." in said[0]
    assert "cannot be told from none: 0.050 ± .023 at m = 6" in said[0]
    assert "3 targets a cell, 48 pairs in all" in said[0] and "0.9100" in svg
    assert "missing" not in said[0]

    for row in records:
        if row["values"]["task.decay"] == 0 and row["values"]["task.hidden"] == [3]:
            row["measures"]["epsilon - e(m)"] = None
    said, _ = found("smoothness", records)
    assert "too few ends reached the level for more than one width at decay 0" in said[0]
    assert "12 of 48 pairs are missing" in said[0] and "data_seed 2 at decay 0 (m = 3)" in said[0]


def test_the_swapped_teacher():
    facts = {"angles": [0.0, 1.0], "scan": [0.3987, 0.5], "pass": 0.405}
    apart = wall(0.3987, 4, 0.41, "rank one", facts=facts)

    def row(m, connected, **more):
        gaps = {"gap": mean(0.4), "lowered_gap": mean(0.35)}
        lowest = mean(more["apart"]["lowest_max"] if more else 0.1, None)
        return record({"task.hidden": [m]}, 0.1, connected, lowest_max=lowest, **gaps, **more)

    said, svg = found("swapped-teacher", [row(2, 0, apart=apart), row(3, 4)])
    assert "2 units: a path for 0 of 4 pairs at levels 0.1" in said[0]
    assert "Below 0.3987, the least of the scan" in said[0] and "them is 0.41000" in said[0]
    assert "none of 4 strings between its two sides is below it" in said[0]
    assert "0.40500 is the lowest as computed" in said[0]
    assert "this proves 4 of 4 pairs not connected" in said[0]
    assert "3 units: a path for 4 of 4 pairs" in said[1] and "this proves" not in said[1]
    assert "tr Σ" in said[2] and "the wall of 2 units" in svg


def test_poor_minima():
    values = {"task.hidden": [4], "task.activation": "relu"}
    poor = record(values, poor=share(3, 4), minima=share(1, 3))
    poor["poor_ends"] = [
        {"model": 0, "still": 1e-5, "bent": -1e-6, "minimum": True},
        {"model": 1, "still": 1e-5, "bent": -0.1, "minimum": False},
        {"model": 2, "still": 9.0, "bent": 0.0, "minimum": False},
    ]
    none = {"task.hidden": [4], "task.activation": "linear"}
    said, _ = found("poor-minima", [record(none, poor=share(0, 4), minima=None), poor])
    assert said[0] == ("Linear: 0 of 4 initialisations stop above the best, with 4 units.")
    assert "Rectified: 3 of 4 initialisations" in said[1]
    assert (
        "Of these 3: 1 at a second-order minimum, to 0.0001 of the largest eigenvalue, 1 where the "
        "loss bends down by more" in said[1]
    )
    assert "and 1 still on the way" in said[1]
    assert "negative by more than its error at 2 of them, 1 of which count as minima" in said[1]
    assert "by at most 1.0e-01 of the largest" in said[1]


NOTHING: dict[str, dict[str, Any]] = {
    "linear-vs-relu": {"task.activation": "relu", "connect.method": "dss"},
    "ridge-depth": {"task.kappa": 0.1, "task.hidden": [4, 4], "connect.method": "dss"},
    "width": {"task.inputs": 2, "task.hidden": [4], "connect.method": "relu-construction"},
    "smoothness": {
        "task.target": "density", "task.decay": 0.0, "task.spread": 0.5, "task.hidden": [4],
        "task.data_seed": 0,
    },
    "swapped-teacher": {"task.hidden": [2]},
    "poor-minima": {"task.hidden": [4], "task.activation": "relu"},
}  # fmt: skip


@pytest.mark.parametrize("name", theory.EXPERIMENTS)
def test_an_experiment_of_which_nothing_was_tried(name):
    """No end reaches the level: nothing is measured, and the page says what it can."""
    nothing = record(NOTHING[name], 0.1, 0, 4, missed=4)
    nothing["measures"] = dict.fromkeys((*NEEDED[name][1], "minima"))
    said, _ = found(name, [nothing])
    assert said and "nan" not in " ".join(said) and "None" not in " ".join(said)
    if name == "smoothness":
        assert said == ["Too few ends reached the level: no pair has an ε − e(m), of 4 pairs."]


@pytest.mark.parametrize(
    ("over", "measures", "words"),
    [
        ({"task.inputs": [2]}, ["gap", "epsilon - e(m)"], "sweep.over to have task.hidden"),
        (
            {"task.inputs": [2], "task.hidden": [[2]], "connect.method": ["dss"]},
            ["lowered_gap", "curve_excess"],
            r"sweep.measures to have epsilon - e\(m\)",
        ),
    ],
)
def test_an_experiment_without_what_it_is_made_of(over, measures, words):
    with pytest.raises(ValueError, match=words):
        Sweep.model_validate({"over": over, "measures": measures, "theory": "width"})

"""The experiments' sentences are made of the sweep's numbers, and say no more than these."""

from typing import Any

import pytest

from landscape.report import theory
from landscape.report.figures import draw
from landscape.report.theory.parts import counts, listed
from landscape.settings import NEEDED, Sweep


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
        "connected": connected, "statuses": statuses, "apart": apart, "poor_ends": [],
        "facts": [], "measures": {"share": share(connected, pairs), **measures},
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
    def wall(height, pairs, lowest):
        return {
            "name": "around zero", "height": height, "facts": {"F(0)": 1.0}, "pairs": pairs,
            "connected": 0, "lowest_max": lowest,
        }  # fmt: skip

    records = []
    for kappa, height in ((0.1, 1.001), (0.2, 1.008), (0.4, 1.064)):
        records.append(record({"task.kappa": kappa, "task.hidden": [4], "connect.method": "dss"}))
        for level, connected in ((1.002, 3), (0.998, 4)):
            apart = wall(height, 4 - connected, 1 + 2 * (height - 1))
            values = {"task.kappa": kappa, "task.hidden": [4, 4], "connect.method": "dss"}
            records.append(record(values, level, connected, apart=apart))
    said, _ = found("ridge-depth", records)
    assert "K = 2, dss: a path for 12 of 12 pairs" in said[0]
    assert "K = 3, dss: a path for 21 of 24 pairs" in said[1] and "At 1.002: 3 of 4" in said[1]
    assert "of the other 3, 2 are proved not connected" in said[1]
    # 1.002 is below their wall at two of three kappas
    assert "K = 3: 2 pairs and levels are proved not connected" in said[2]
    assert "for 0 of them" in said[2]
    assert "is 2.0000 times as high" in said[2]
    assert (
        "f(s*) itself rises as κ^(3.00 ± 0.00)" in said[2] and "to leading order as κ³" in said[2]
    )
    assert "Below F(0) = 1, at 0.998, K ≥ 3: a path for 12 of the 12 pairs" in said[3]


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
        "falls as m^(-2.00 ± 0.00) over 3 widths, from 0.25 ± .10 at m = 2 to 0.02 ± .10 at m = 8"
        in said[0]
    )
    assert "Printed is m^(−0.5); the proof gives m^(−0.25) at η = 1/6" in said[0]
    assert "by 0.20 ± .10 at m = 2 and by less than 0.001 at m = 4, 8." in said[0]
    assert "n = 2" in svg


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


def test_the_swapped_teacher():
    apart = {
        "name": "rank one", "height": 0.3987, "pairs": 4, "connected": 0, "lowest_max": 0.41,
        "facts": {"angles": [0.0, 1.0], "scan": [0.3987, 0.5]},
    }  # fmt: skip

    def row(m, connected, **more):
        gaps = {"gap": mean(0.4), "lowered_gap": mean(0.35)}
        lowest = mean(more["apart"]["lowest_max"] if more else 0.1, None)
        return record({"task.hidden": [m]}, 0.1, connected, lowest_max=lowest, **gaps, **more)

    said, svg = found("swapped-teacher", [row(2, 0, apart=apart), row(3, 4)])
    assert "2 units: a path for 0 of 4 pairs at levels 0.1" in said[0]
    assert "0 had a string below 0.3987" in said[0] and "them is 0.41000" in said[0]
    assert "this proves 4 of 4 pairs not connected" in said[0]
    assert "3 units: a path for 4 of 4 pairs" in said[1] and "this proves" not in said[1]
    assert "tr Σ" in said[2] and "the wall of 2 units" in svg


def test_poor_minima():
    values = {"task.hidden": [4], "task.activation": "relu"}
    poor = record(values, poor=share(3, 4), minima=share(1, 3))
    poor["poor_ends"] = [
        {"model": 0, "still": 1e-5, "bent": 0.0, "minimum": True},
        {"model": 1, "still": 1e-5, "bent": -0.1, "minimum": False},
        {"model": 2, "still": 9.0, "bent": 0.0, "minimum": False},
    ]
    none = {"task.hidden": [4], "task.activation": "linear"}
    said, _ = found("poor-minima", [record(none, poor=share(0, 4), minima=None), poor])
    assert said[0] == (
        "Linear: 0 of 4 initialisations stop above the best, with 4 units. So none is poor."
    )
    assert "Rectified: 3 of 4 initialisations" in said[1]
    assert (
        "Of these 3: 1 at a minimum by gradient and Hessian, 1 where the loss still bends down"
        in said[1]
    )
    assert "and 1 still on the way" in said[1]


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

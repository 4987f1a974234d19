"""The best known lengths of a run, in its report: over sets, with their companions."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from landscape.report import report
from landscape.report.data.known_said import findings_of, lengths_said
from landscape.store.records.base import made
from landscape.store.records.strings import SnapshotRecord
from tests.pages import measured, page_of, row, save, tables

pytestmark = pytest.mark.usefixtures("unpainted")

OTHER: dict[str, Any] = {"method": "bezier", "set": "bezier-1"}


def best(run):
    return report([run])["best_known"]


def test_two_sets_have_one_answer_with_its_method_error(run):
    save(
        run,
        [
            row(0, 1, length=1.2), row(0, 1, length=1.21, **OTHER),
            row(2, 3, length=1.4), row(2, 3, length=1.3, **OTHER),
            row(0, 2, length=1.5), row(0, 2, status="NOT_FOUND", **OTHER),
            row(1, 3, status="STUCK"), row(1, 2, status="LEVEL_NOT_REACHED", limit=None),
        ],
    )  # fmt: skip
    (found,) = best(run)
    assert (found["set"], found["method"], found["level"]) == (
        "bezier-1, dss-1",
        "bezier, dss",
        0.5,
    )
    assert (found["pairs"], found["known"], found["both"], found["agree"]) == (4, 3, 2, 1)
    assert found["length"]["mean"] == pytest.approx((1.2 + 1.3 + 1.5) / 3)
    error = found["length"]["method_error"]
    assert (error["n"], error["mean"], error["largest"]) == (
        2, pytest.approx((0.01 + 0.1) / 2), pytest.approx(0.1)
    )  # fmt: skip
    assert found["sources"] == {"dss found": 2, "bezier found": 1}
    assert found["shortening"] == {"not shortened": 3} and found["longer_than_known"] == []
    assert (found["lower_bound"]["mean"], found["chord"]["mean"]) == (1.0, 2.0)
    assert found["total_curvature"]["n"] == 0


def test_sets_that_ask_something_else_have_answers_of_their_own(run):
    save(run, [row(0, 1, length=1.3)])
    save(run, [row(0, 1, length=1.1, set="dss-2", limit=0.6, max_loss=0.55)])
    save(run, [row(0, 1, length=1.05, set="dss-3")], length_over="*/kernel")
    found = {one["set"]: one for one in best(run)}
    assert {name: one["length"]["mean"] for name, one in found.items()} == {
        "dss-1": 1.3, "dss-2": 1.1, "dss-3": 1.05,
    }  # fmt: skip
    assert found["dss-2"]["limit"] == 0.6 and found["dss-3"]["over"] == "*/kernel"
    assert "1.3" in findings_of([found["dss-1"]])[0]
    page_of(run)


def test_what_a_lower_level_has_is_known_above_and_what_missed_it_is_named(run):
    save(run, [row(0, 1, 0.1, length=1.2), row(0, 1, 0.5, length=1.5)])
    for model in (0, 1):
        path = run.snapshot_file(model, 0.5)
        record = made(
            SnapshotRecord, model=model, level=0.5, lower=0.1, limit=0.5, status="CONNECTED",
            max_loss=0.5, last_change=0.0, max_at=0.0, resolution=0.01, grid=50, beads=2,
            length=0.02, chord=0.02, normalized_length=1.0, grad_evals=0, seconds=0.1, reason="",
        )  # fmt: skip
        run.save_path(path, record, {}, np.array([[0, 0.5], [1, 0.1]]))
    high, low = best(run)
    assert high["sources"] == {"extended from 0.1": 1} and low["sources"] == {"dss found": 1}
    assert high["length"]["mean"] == pytest.approx(1.22)
    (missed,) = high["longer_than_known"]
    assert missed == {"a": 0, "b": 1, "method": "dss", "length": 1.5, "nested": pytest.approx(1.22)}
    assert low["longer_than_known"] == [] and (high["nested"], low["nested"]) == (1, 0)
    (said,) = (said for said in findings_of([high, low]) if "lower level" in said)
    assert "on 1 of 1 pairs and levels" in said and "dss 0-1 at 0.5" in said
    (said,) = (
        said
        for said in findings_of([high | {"longer_than_known": []}, low])
        if "lower level" in said
    )
    assert said.startswith("No search missed")


def test_how_far_shortening_moved_lengths_stands_beside_what_methods_agree_on(run):
    rows = [row(0, 1), row(0, 1, **OTHER), row(2, 3), row(2, 3, **OTHER)]
    save(run, rows)
    measured(run, rows, length=2.2)
    (found,) = best(run)
    assert found["moved"] == pytest.approx(0.003)  # of pair 2-3; that of 0-1 by 0.001
    assert "by at most 0.3 %" in findings_of([found])[0]
    (none,) = best(run)[:1]
    assert "moved" not in findings_of([none | {"moved": None}])[0]


def test_how_high_straight_lines_rise_is_said(run):
    save(run, [row(0, 2)])
    assert not any("straight lines" in note for note in report([run])["notes"])
    line = {
        "method": "straight",
        "set": "straight-1",
        "status": "NOT_FOUND",
        "length": 1.0,
        "beads": 2,
    }
    bent = {"method": "straight", "set": "straight-2", "beads": 5, "max_loss": 0.1}
    high = [
        row(0, 1, max_loss=1.5, barrier=1.0, **line),
        row(2, 3, max_loss=2.5, barrier=2, **line),
    ]
    save(run, [*high, row(0, 1, 0.1, max_loss=3.0, barrier=2.9, **line), row(0, 1, **bent)])
    (said,) = (note for note in report([run])["notes"] if "straight lines" in note)
    assert "rises to 2 on average (2 pairs), at most 2.5, a barrier of 1.5, at 0.5; 3, " in said


def test_what_the_landscape_knows_is_a_lower_bound_beside_the_length(run):
    save(run, [row(0, 1, geodesic=2.2), row(2, 3, geodesic=2.3), row(0, 2), row(1, 3)])
    (found,) = best(run)
    assert found["lower_bound"]["mean"] == pytest.approx((1.1 + 1.15 + 1 + 1) / 4)
    text = page_of(run)
    (line,) = next(lines for head, lines in tables(text) if "best known length" in head)
    assert line["at least"] == "1.062 ± .022" and "and at least 1.062 ± .022." in text


def test_curvatures_are_beside_their_method_errors(run):
    rows = [row(0, 1), row(0, 1, **OTHER), row(2, 3)]
    save(run, rows)
    measured(run, rows[:1], length=2.21, total_curvature=1.0, total_curvature_found=4.0)
    measured(run, rows[1:2], length=2.2, total_curvature=1.5, level_curvature_mean=0.25)
    (found,) = best(run)
    strings = {one["set"]: one for one in report([run])["measured"]["strings"]}
    for key, error in (
        ("total_curvature", 0.5), ("total_curvature_found", 2.5), ("level_curvature_mean", 0.25)
    ):  # fmt: skip
        assert strings["dss-1"][key]["method_error"]["mean"] == pytest.approx(error)
    assert found["sources"] == {"bezier shortened": 1, "dss found": 1}
    for key, mean, error in (("total_curvature", 1.5, 0.5), ("level_curvature_mean", 0.25, 0.25)):
        assert (found[key]["mean"], found[key]["n"]) == (mean, 1)
        assert found[key]["method_error"] == {"mean": error, "largest": error, "n": 1, "of": 1}


def test_every_length_is_beside_its_method_error(run):
    """A length as found beside the shortest known; that one beside the next method's; what it is in
    another metric beside that of the other method's path."""
    rows = [row(0, 1), row(0, 1, length=1.26, **OTHER), row(2, 3, length=1.3)]
    save(run, rows)
    measured(run, rows[:1], length=2.2, scaled_length=2.6)
    measured(run, rows[1:2], length=2.25, length_found=2.52, scaled_length=2.9)
    found = report([run])
    errors = {at["set"]: at["normalized_length"]["method_error"] for at in found["levels"]}
    assert errors["bezier-1"] == {
        "mean": pytest.approx(0.16), "largest": pytest.approx(0.16), "n": 1, "of": 1
    }  # fmt: skip
    assert errors["dss-1"]["mean"] == pytest.approx(0.1) and errors["dss-1"]["of"] == 2
    strings = {one["set"]: one for one in found["measured"]["strings"]}
    for name, key, error in (
        ("dss-1", "normalized_length", 0.025), ("bezier-1", "normalized_length", 0.025),
        ("dss-1", "normalized_length_found", 0.1), ("bezier-1", "normalized_length_found", 0.16),
        ("dss-1", "normalized_scaled_length", 0.15), ("bezier-1", "normalized_scaled_length", 0.15),
    ):  # fmt: skip
        assert strings[name][key]["method_error"]["mean"] == pytest.approx(error), (name, key)
    every = [
        (head, line)
        for head, lines in tables(page_of(run))
        for line in lines
        if {"length as found", "normalised length", "metric", "Euclidean"} & set(head)
    ]
    assert len(every) == 2 + 3 + 2 * 4 + 2 and all("method error" in head for head, _ in every)
    pairs = [line["method error"] for head, line in every if "normalised length" in head]
    assert sorted(pairs) == ["0.1", "0.16", "not known"]


def test_one_method_alone_says_that_it_does_not_know(run):
    save(run, [row(0, 1), row(2, 3)])
    (found,) = best(run)
    assert found["length"]["method_error"] == {"mean": None, "largest": None, "n": 0, "of": 2}
    known, unknown, shorten = findings_of([found])
    assert known.startswith("Known.") and unknown.startswith("Not known.")
    assert "connect.also: [bezier]" in unknown and "lscape measure" in shorten
    lines = next(lines for head, lines in tables(page_of(run)) if "best known length" in head)
    assert lines[0]["method error"] == "not known"


def test_straight_paths_leave_nothing_open(run):
    save(run, [row(0, 1, length=1.0), row(2, 3, length=1.0)])
    (found,) = best(run)
    assert found["straight"] == 2 and found["length"]["method_error"]["mean"] == 0
    assert len(findings_of([found])) == 1 and "none is shorter" in lengths_said([found])


def test_costs_stand_apart(run):
    rows = [
        row(0, 1, tightening_grad_evals=7, tightening_loss_evals=9),
        row(2, 3, tightening_grad_evals=1, tightening_loss_evals=2),
        row(0, 2, status="NOT_FOUND"), row(0, 1, **OTHER),
    ]  # fmt: skip
    save(run, rows)
    measured(run, rows[:1])
    found = report([run])
    other, main = found["costs"]
    assert main["searching"] == {"paths": 3, "gradients": 300, "losses": 1200}
    assert main["tightening"] == {"paths": 2, "gradients": 8, "losses": 11}
    assert main["shortening"] == {"paths": 1, "gradients": 100, "losses": 300}
    assert other["tightening"]["paths"] == other["shortening"]["paths"] == 0
    assert json.loads(json.dumps(found, allow_nan=False)) == found

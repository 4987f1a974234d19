"""What was measured, on the page and in the data."""

from __future__ import annotations

import csv
import json
from dataclasses import replace

import numpy as np
import pytest

from landscape.report import report
from landscape.store.files import load_arrays, save_arrays
from landscape.store.run import create_run
from tests.pages import ALL, CONFIG, measured, page_of, row, save, tables

pytestmark = pytest.mark.usefixtures("unpainted")


def test_what_was_measured(run):
    save(run, ALL)
    measured(run, ALL)
    found = report([run])
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    high, low = found["measured"]["strings"]
    assert (high["level"], high["measured"], high["converged"]) == (0.5, 6, 6)
    assert low["total_curvature"]["mean"] == pytest.approx(1.1) and low["peaks"] == {
        "on a slope": 6
    }
    sharp = found["measured"]["minima"][1]
    assert sharp["largest"] == {
        "mean": 100.5,
        "se": pytest.approx(0.5),
        "n": 2,
        "clustered": None,
        "unresolved": 0,
    }
    assert set(found["claims"][0]["curvier"]) == {"best known length − 1", "total curvature"}
    text = page_of(run)
    assert "At the kinks of rectified units there are none" in text and "6 on a slope" in text
    assert "Spectrum of the Hessian at model 0" in text and "Shortening settled on 12 of 12" in text
    lines = list(
        csv.DictReader((run.directory / "figures/spectrum-0.csv").read_text().splitlines())
    )
    shares = [float(line["share"]) for line in lines if line["level"] == "0.1"]
    assert sum(shares) == pytest.approx(1) and shares[-1] == pytest.approx(0.3)


@pytest.mark.painted
def test_spectra_along_strings_are_on_the_page(run):
    """Of the strings that have one: at the highest point by level, and along the lowest level's."""
    save(run, ALL)
    measured(run, ALL)
    text = page_of(run)
    (peak,) = (
        line
        for _, lines in tables(text)
        for line in lines
        if line.get("trace") == "2.5 (of 1)" and line["level"] == "0.1"
    )
    assert peak["status"] == "6 on a slope"
    assert "at the highest points of strings" in text and "0-1 at 0.5, 0-1 at 0.1" in text
    assert "2 probes of 2 steps" in text and "mean of up to" not in text
    assert "0-1 at 0.75, the highest point" in text
    folder = run.directory / "figures"
    for name, at in (("highest", {"0.75"}), ("along", {"0.5", "0.75"})):
        lines = list(
            csv.DictReader((folder / f"spectrum-{name}-dss-1.csv").read_text().splitlines())
        )
        assert {line["at"] for line in lines} == at
        own = [line for line in lines if line["level"] == "0.1" and line["at"] == "0.75"]
        assert {line["n"] for line in own} == {"2"} and max(
            float(line["se"]) for line in own
        ) == pytest.approx(0.375)
        assert sum(float(line["share"]) for line in own) == pytest.approx(1)
        above = sum(float(line["share"]) for line in own if float(line["low"]) > 5)
        assert above == pytest.approx(0.25)


def test_spectra_of_several_strings_at_places_alike(run):
    """None is lost where two places look the same, and a line says that it is a mean."""
    save(run, ALL)
    measured(run, ALL)
    for pair in (ALL[0], ALL[1]):
        path = run.string_measure_file("m", pair)
        arrays, record = load_arrays(path)
        record["measured"] |= {"steps": 2, "probes": 1, "peak_trace": 2.5, "peak_trace_error": 0.5}
        arrays |= {"beads.at": np.array([0.501, 0.504])}
        arrays |= {"spectrum.nodes": np.array([[[-1.0, 9.0]], [[-2.0, 9.0]]])}
        arrays |= {"spectrum.weights": np.tile([0.75, 0.25], (2, 1, 1))}
        save_arrays(path, arrays, record)
    text = page_of(run)
    assert "mean of up to 2 strings" in text and "1 probes" in text
    every = next(lines for head, lines in tables(text) if "highest loss" in head)
    assert every[0]["trace"] == "2.50 ± .50"
    file = run.directory / "figures/spectrum-highest-dss-1.csv"
    lines = list(csv.DictReader(file.read_text().splitlines()))
    assert {(line["b"], line["at"], line["se"]) for line in lines if line["level"] == "0.5"} == {
        ("1", "0.504", ""), ("2", "0.504", ""),
    }  # fmt: skip
    for path in run.directory.glob("measures/m/strings/*/0.1/*/*"):
        path.unlink()
    page_of(run)
    file = run.directory / "figures/spectrum-along-dss-1.csv"
    lines = list(csv.DictReader(file.read_text().splitlines()))
    assert {line["at"] for line in lines} == {"0.501", "0.504"} and len(lines) == 2 * 2 * 60


def test_a_spectrum_that_is_not_finite_is_not_drawn(run):
    save(run, ALL)
    measured(run, ALL)
    path = run.string_measure_file("m", ALL[0])
    arrays, record = load_arrays(path)
    arrays["spectrum.nodes"] = np.full_like(arrays["spectrum.nodes"], np.nan)
    save_arrays(path, arrays, record)
    assert "Strings: 0-1 at 0.1." in page_of(run)


def test_every_length_is_on_the_page(run):
    """Over its own chord, as found and shortened, with its error, its count and the share."""
    save(run, [*ALL[:-1], replace(ALL[-1], status="STUCK")])
    measured(run, ALL[:-1])
    text = page_of(run)
    low = [
        line
        for head, lines in tables(text)
        for line in lines
        if "metric" in head and line["level"] == "0.1"
    ]
    assert {line["measured of connected"] for line in low} == {"5 of 5/6"}
    keys = ("metric", "before shortening", "shortened")
    assert [[line[key].partition(" ±")[0] for key in keys] for line in low] == [
        ["Euclidean", "1.2", "1.1"],
        ["scale-normalised", "1.5", "1.3"],
        ["function-space", "8", "6"],
        ["function-space, absolute", "0.8", "0.6"],
    ]
    assert "√JSD" in text and "Open markers: before shortening; filled: after." in text
    for name in ("normalized-length", "normalized-scaled-length", "normalized-function-length"):
        lines = list(
            csv.DictReader((run.directory / f"figures/{name}.csv").read_text().splitlines())
        )
        assert [line["n"] for line in lines] == ["6", "5"] and float(lines[0]["found_mean"]) > 1


def test_convergence_turning_and_highest_points_are_on_the_page(run):
    save(run, ALL)
    measured(run, ALL)
    budget = run.string_measure_file("m", ALL[0])
    arrays, record = load_arrays(budget)
    record["measured"] |= {"shortening": "BUDGET", "scaled_length": None, "length_change": None}
    save_arrays(budget, arrays, record)
    text = page_of(run)
    rows = [line for _, lines in tables(text) for line in lines if line.get("level") == "0.5"]
    (shortening,) = (line for line in rows if "length moved at last, at most" in line)
    assert shortening["shortening"] == "1 BUDGET, 5 CONVERGED"
    assert shortening["length moved at last, at most"] == "0.3 % (of 5)"
    assert "jackknife over models" in text and "± is over models" not in text
    assert "linearised" in text, "STALLED is not of levels without a gradient alone"
    assert any(line.get("shortened") == "1.3 ± 0 (of 5)" for line in rows)
    (turns,) = (line for line in rows if "largest angle" in line)
    assert turns["total curvature, shortened"] == "1.5 ± 0"
    found = report([run])["measured"]["strings"][0]["turning"]
    assert [part["mean"] for part in found] == pytest.approx(
        [0, 0, np.pi / 2, 0, 0, 0, 0, 0, 0, (0 + 0 + 0 + 1 + 1 + 2) / 6]
    )
    (peak,) = (line for line in rows if "loss" in line)
    assert (peak["status"], peak["gradient norm"]) == ("6 on a slope", "0.25 ± 0")
    assert (peak["smallest eigenvalue"], peak["largest eigenvalue"]) == ("-0.5 ± 0", "7 ± 0")
    (level_set,) = (line for line in rows if "their spread" in line)
    assert level_set["along the string"] == "0.5 ± 0" and level_set["their spread"] == "1 ± 0"
    every = next(lines for head, lines in tables(text) if "highest loss" in head)
    assert len(every) == 12 and every[0]["smallest eigenvalue"] == "-0.5000 ± .0010"
    (minima,) = (line for line in rows if "models" in line and not {"over", "rank"} & line.keys())
    assert minima["largest eigenvalue"] == "20.50 ± .50" and minima["gradient norm"] == "0.01 ± 0"
    lines = (run.directory / "figures/smallest-dss-1.csv").read_text().splitlines()
    assert lines[0].startswith("level,a,b,at,loss") and len(lines) == 1 + 12 * 2


def test_subsets_top_eigenvalues_and_what_is_not_resolved_are_on_the_page(run):
    save(run, ALL)
    measured(run, ALL, peak_smallest_error=0.6)
    path = run.model_measure_file("m", 0.5, 0)
    arrays, record = load_arrays(path)
    record["measured"] |= {"smallest": -0.009, "smallest_error": 0.083}
    save_arrays(path, arrays, record)
    text = page_of(run)
    rows = [line for _, lines in tables(text) for line in lines if line.get("level") == "0.5"]
    assert [r["eigenvalue"] for r in rows if "rank" in r] == ["10.50 ± .50", "5.50 ± .50"]
    weights, biases = (r for r in rows if "over" in r)
    assert (weights["over"], weights["parameters"], weights["models"]) == ("w*", "3", "2")
    assert weights["smallest eigenvalue"] == "-0.1 ± 0" and weights["trace"] == "2.5 ± 0"
    assert biases["smallest eigenvalue"] == "-0.1 (of 1; 1 not resolved)"
    (minima,) = (line for line in rows if "models" in line and not {"over", "rank"} & line.keys())
    assert minima["smallest eigenvalue"] == "-0.1 (of 1; 1 not resolved)"
    (peak,) = (line for line in rows if "loss" in line)
    assert peak["smallest eigenvalue"] == "– (6 not resolved)"
    every = next(lines for head, lines in tables(text) if "highest loss" in head)
    assert every[0]["smallest eigenvalue"] == "-0.50 ± .60, not resolved"
    found = report([run])["measured"]
    assert found["strings"][0]["peak_smallest"]["unresolved"] == 6
    assert [(r["level"], r["rank"], r["value"]["n"]) for r in found["top"]] == [
        (0.5, 1, 2), (0.5, 2, 2), (0.1, 1, 2), (0.1, 2, 2),
    ]  # fmt: skip
    assert found["parts"][1]["smallest"] == {
        "mean": -0.1, "se": None, "n": 1, "clustered": None, "unresolved": 1,
    }  # fmt: skip


def test_why_numbers_are_missing_is_on_the_page(run):
    save(run, ALL)
    measured(
        run, ALL, shortening="OFF", function_length=None, function_length_found=None,
        function_metric=None, hessian_of=None, reason="no length in function space: no outputs",
    )  # fmt: skip
    text = page_of(run)
    assert "no length in function space: no outputs (12 strings)" in text
    assert "no second derivatives: not asked for (measure.hessian) (12 strings)" in text
    assert "they were not shortened" in text and "shortened</th>" not in text


def test_what_was_measured_and_no_longer_counts_is_not_called_unconnected(run):
    save(run, [row(0, 1, level) for level in (0.5, 0.1)])
    measured(run, [row(0, 1, level) for level in (0.5, 0.1)], shortening="DOWNGRADED")
    with run.stage("measure"):
        pass
    text = page_of(run)
    assert "No strings are measured" in text and "No pair is connected" not in text
    save(run, [row(0, 1, level, "STUCK") for level in (0.5, 0.1)])
    assert "No pair is connected." in page_of(run)


def test_a_run_without_second_derivatives_beside_one_with_them(run, tmp_path):
    other = create_run(tmp_path / "toy-12345678", CONFIG.replace("digits", "toy"), {})
    with other.stage("train"):
        other.write_models(run.models())
    for one, more in ((run, {}), (other, {"level_curvature_mean": None, "peak_gradient": None})):
        save(one, ALL)
        measured(one, ALL, **more)
    for one in (run, other):
        for path in one.directory.glob("measures/m/strings/*/*/*/*"):
            arrays, record = load_arrays(path)
            if one is other:  # as where nothing of the second order was asked for
                arrays = {name: a for name, a in arrays.items() if not name.startswith("beads.")}
                record["measured"]["steps"] = None
            else:
                arrays["beads.normal_spread"] = np.zeros(2)  # two parameters: one direction
            save_arrays(path, arrays, record)
    page_of(run, other)
    names = {path.stem for path in (run.directory / "figures").glob("*.csv")}
    assert {"smallest-dss-1-digits-12345678", "normal-spread"} <= names
    assert "smallest-dss-1-toy-12345678" not in names


def test_levels_that_are_measured_in_part_are_no_evidence(run):
    save(run, ALL)
    measured(run, ALL[:8])
    (claim,) = report([run])["claims"]
    assert claim["curvier"]["total curvature"]["levels"] == [0.5]
    assert "4 models, 5 are needed" in claim["sentences"][-1]
    assert claim["curvier"]["total curvature"]["models"] == 4

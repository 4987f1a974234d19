"""The report: its data, its page, its files, and what it says is missing."""

from __future__ import annotations

import csv
import itertools
import json
import os
import re
import subprocess
import sys
import xml.dom.minidom
from dataclasses import replace

import numpy as np
import pytest

from landscape.analysis.summary import summarise
from landscape.report import levels_csv, report, write_html
from landscape.report.data import modulo
from landscape.report.data.wording import INDEPENDENT, NO_ERROR, footnotes, headline
from landscape.report.figures.overview import overview
from landscape.report.figures.style import look
from landscape.report.page import page as page_module
from landscape.report.page.writing import MADE_OF
from landscape.store.files import RunError
from landscape.store.records.models import Met
from landscape.store.run import create_run
from tests.pages import ALL, CONFIG, Page, measured, model, page_of, row, save

pytestmark = pytest.mark.usefixtures("unpainted")


def test_the_contract(run):
    save(run, ALL)
    found = report([run])
    text = json.dumps(found, allow_nan=False)
    assert json.loads(text) == found
    for level in found["levels"]:
        assert level.keys() >= {"method", "level", "pairs", "connected", "max_loss", "grad_evals"}
        for key in ("normalized_length", "beads"):
            assert level[key].keys() >= {"mean", "se"}
    assert [(level["level"], level["pairs"]) for level in found["levels"]] == [(0.5, 6), (0.1, 6)]
    header, first, _ = levels_csv(found).splitlines()
    record = dict(zip(header.split(","), first.split(","), strict=True))
    assert record["normalized_length_mean"] == "1.2" and record["statuses"] == "6 CONNECTED"


@pytest.mark.parametrize("align", ["weights", "weights-and-scales"])
def test_what_is_one_modulo_symmetries_is_what_pairs_were_aligned_by(run, align):
    aligned = [replace(one, set="dss-2", align=align) for one in ALL[:2]]
    save(run, [*ALL, *aligned])
    (topology,) = report([run])["topology"]
    assert topology["modulo_permutations"]["aligned_by"] == [align]
    for said in (modulo.said_of(topology), page_of(run)):
        assert "in another order" in said
        assert ("of other signs and scales" in said) == (align == "weights-and-scales")


@pytest.mark.painted
def test_the_page_stands_alone(run):
    save(run, ALL)
    text = page_of(run)
    page = Page(text)
    assert "script" not in page.tags and "link" not in page.tags
    outside = [v for n, v in page.attributes if n in ("src", "href", "xlink:href")]
    assert all(value.startswith(("#", "data:image/")) for value in outside)
    assert not re.search(r"url\((?!#)|@import|javascript:", text)
    assert len(page.ids) == len(set(page.ids)) > 20
    inside = re.findall(r"(?:url\(#|href=\"#)([^)\"]+)", text)
    assert inside and set(inside) <= set(page.ids)
    labels = [value for name, value in page.attributes if name == "aria-label"]
    assert len(labels) == page.tags.count("svg") == 1 + 3 + 2 + 2 + 1 + 3 and all(labels)
    assert "All 6 pairs of digits networks were connected at both levels" in text
    assert text.count("<details") == 6


def test_a_failed_search_is_not_a_finding(run):
    save(run, [row(a, b, 0.5, "NOT_FOUND", reason="max_rounds (10) spent") for a, b in [(0, 1)]])
    text = page_of(run)
    assert "0 of 1 pairs" in text and "a path may" not in text
    assert "Where no path was found one may still exist" in text
    assert "max_rounds (10) spent" in text
    assert "no path found" in text
    for word in ("disconnect", "not connected", "no path exists"):
        assert word not in text


def test_what_could_mislead_is_noted(run):
    rows = [row(0, 1, 0.5, limit=0.55), row(0, 1, 0.1, "NOT_FOUND", reason="verify at grid 200 …")]
    rows += [row(0, 2, 0.1, "LEVEL_NOT_REACHED", limit=None)]
    save(run, rows, length_over="*/kernel")
    missing = Met(level=0.1, status="LEVEL_NOT_REACHED", step=None, value=None)
    run.write_models([model(0, [missing])])
    with pytest.raises(KeyboardInterrupt), run.stage("connect dss-1"):
        raise KeyboardInterrupt
    notes = "\n".join(report([run])["notes"])
    assert "connect dss-1 is interrupted" in notes
    assert "1 of 4 models did not reach 0.1" in notes
    assert "0.55 at 0.5" in notes
    assert "downgraded 1 strings" in notes
    assert "did not reach a level are left out of its share" in notes
    assert "lengths and chords are over the parameters */kernel only" in notes


def test_nothing_is_noted_where_nothing_misleads(run):
    save(run, ALL)
    assert report([run])["notes"] == []


@pytest.mark.parametrize(
    "text, said",
    [
        ("", ": unreadable: it has no keys with values"),
        ("[1]", ": unreadable: it has no keys with values"),
        ("length_over: [}", ":1: malformed YAML: "),
        ("length_over: 3", ": length_over: Input should be a valid string, got 3"),
        ("grid: 50", ": length_over: Input should be a valid string, got None"),
        ("length_over: '*'\ngrid: !!int x", ": unreadable: grid: expected a whole number"),
        (b"length_over: \xff", ": unreadable: 'utf-8' codec"),
        (b"length_over: 3\n", ": does not match its checksum"),
        (None, ": unreadable: [Errno 2] No such file"),
    ],
)
def test_a_search_without_its_settings(run, text, said):
    save(run, ALL)
    path = run.settings_file("dss-1")
    path.unlink()
    if isinstance(text, str):
        run.write_settings(path, f"{text}\n")
    elif text is not None:
        path.write_bytes(text)
    with pytest.raises(RunError, match=re.escape(f"{path}{said}")):
        report([run])


def test_a_run_without_connections(run):
    assert report([run])["levels"] == []
    assert levels_csv(report([run])) == "level\n"
    text = page_of(run)
    assert "No pair has been tried yet" in text and "Training curves of 4 models" in text


def test_several_runs(run, tmp_path):
    other = create_run(tmp_path / "more" / run.directory.name, CONFIG.replace("digits", "toy"), {})
    with other.stage("train"):
        other.write_models([])
    save(run, ALL)
    save(other, [replace(one, task="toy") for one in ALL])
    found = report([run, other])
    names = {level["run"] for level in found["levels"]}
    assert names == {str(run.directory), str(other.directory)}
    assert "these runs differ in task: digits, toy" in found["notes"]
    path = tmp_path / "report-2-runs.html"
    write_html([run, other], found, path)
    page = Page(path.read_text())
    assert len(page.ids) == len(set(page.ids))
    names = {file.stem for file in (tmp_path / "figures-2-runs").iterdir()}
    assert {"length", "training-1", "profiles-dss-1-0.5-1", "profiles-dss-1-0.5-2"} <= names


def test_several_runs_are_told_apart(run, tmp_path):
    other = create_run(tmp_path / "other-12345678", CONFIG, {})
    reached = Met(level=0.1, status="REACHED", step=10, value=0.1)
    with other.stage("train"):
        other.write_models([model(m, [reached]) for m in (0, 1)])
    save(run, ALL)
    save(other, ALL[6:])
    measured(run, ALL)
    measured(other, ALL[6:])
    text = page_of(run, other)
    for name in ("digits-12345678 dss", "other-12345678 dss"):  # over its claims
        assert re.search(f"<h3>{name}</h3><ul class=findings>", text)
    for name in ("digits-12345678", "other-12345678"):
        assert f"Disconnectivity graph of {name}:" in text
        assert re.search(f"<h3>{name}</h3>(<ul class=.missing.>.*?</ul>)?<details>", text)
    levels = {}
    for name in ("digits", "other"):
        file = run.directory / f"figures/turning-dss-1-{name}-12345678.csv"
        lines = csv.DictReader(file.read_text().splitlines())
        levels[name] = {line["level"] for line in lines}
    assert levels == {"digits": {"0.5", "0.1"}, "other": {"0.1"}}


def test_names_are_escaped(tmp_path):
    config = CONFIG.replace("name: digits", 'factory: "<script>alert(1)</script>"')
    made = create_run(tmp_path / "a<b>&c", config, {"command": "<script>x</script>"})
    with made.stage("train"):
        made.write_models([])
    save(made, [row(0, 1, reason="<script>y</script>", task="<script>z</script>")])
    assert "script" not in Page(page_of(made)).tags


@pytest.mark.painted
def test_names_in_legends(run, tmp_path):
    """matplotlib would read $…$ as mathematics, and fail on what is none."""
    other = create_run(tmp_path / "<script>$x_$", CONFIG, {})
    with other.stage("train"):
        other.write_models([])
    save(run, [row(0, 1)])
    save(other, [row(0, 1)])
    text = page_of(run, other)
    assert "script" not in Page(text).tags and "&lt;script&gt;$x_$ dss</text>" in text


def test_levels_of_any_sign(run):
    rows = [row(0, 1, level, max_loss=level - 0.1) for level in (1.0, 0.0, -1.0)]
    save(run, rows)
    text = page_of(run)
    assert text.count("<figure>") == 1 + 3 + 1 + 3 + 1 + 3 and "level axes are linear" in text


def test_a_missing_error_is_explained():
    levels = [{"run": "r", **level} for level in summarise([row(0, 1), row(2, 3)])]
    assert footnotes(levels) == [INDEPENDENT]
    levels = [{"run": "r", **level} for level in summarise([row(0, 1), row(0, 2)])]
    assert footnotes(levels) == [NO_ERROR]


def test_losses_that_are_not_finite(run):
    save(run, [row(0, 1, status="NON_FINITE", max_loss=None, barrier=None)])
    assert json.dumps(report([run]), allow_nan=False)
    page_of(run)


def test_the_sentence_of_a_finding():
    one = summarise([row(0, 1)])
    assert headline(one) == "The one pair of digits networks was connected at 0.5."


def test_reading_does_not_start_jax(run):
    save(run, ALL)
    code = (
        "import sys; from pathlib import Path; from landscape.report import report, write_html\n"
        "from landscape.store.run import Run\n"
        f"run = Run(Path({str(run.directory)!r}))\n"
        "write_html([run], report([run]), run.report_file)\n"
        "sys.exit('jax' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


MANY = [
    row(
        a,
        b,
        level,
        length=1 + more * np.exp(-level) * (1 + 0.01 * a),
        method=method,
        set=f"{method}-1",
    )
    for more, method in ((0.1, "dss"), (0.1001, "bezier"))
    for level in (0.5, 0.4, 0.3, 0.2, 0.1)
    for a, b in itertools.combinations(range(8), 2)
]


def test_the_claims_are_in_sentences_and_in_the_data(run):
    save(run, MANY)
    found = report([run])
    (claim,) = found["claims"]
    assert claim["run"] == run.directory.name and claim["set"] == "bezier-1, dss-1"
    assert claim["connected"]["verdict"] == "supported"
    assert claim["curvier"]["best known length − 1"]["verdict"] == "supported"
    errors = 0.0001 * np.exp(-np.array([0.5, 0.4, 0.3, 0.2, 0.1]))
    found_errors = claim["curvier"]["best known length − 1"]["method_errors"]
    assert found_errors == pytest.approx(errors, rel=0.05)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    first, second = claim["sentences"]
    assert first.startswith(
        "Level sets stay connected: supported. All pairs were connected at every"
    )
    assert "28 of 28" in first and "51 to 100 % at 0.5, counted in 4 independent pairs" in first
    assert second.startswith("Best known length − 1, exponential in the level: supported. ")
    assert "by a factor of 1.49 [" in second and "best in 100 % of 1,000 resamples" in second
    text = page_of(run)
    for sentence in claim["sentences"]:
        assert sentence.partition(". ")[2] in text
    assert "rate 1 [" in text and "The best is, for bezier, dss: exponential" in text


def test_failed_pairs_are_in_the_claims(run):
    lost = [
        replace(one, status="STUCK", max_loss=1.0) if one.level == 0.1 and one.a == 0 else one
        for one in MANY
    ]
    save(run, lost)
    (claim,) = report([run])["claims"]
    assert "Searches failed at 1 of 5 levels, which shows nothing" in claim["sentences"][0]
    assert "7 searches failed; with these counted as worse than the worst" in claim["sentences"][1]


def test_pairs_that_did_not_reach_a_level_are_no_evidence(run):
    rows = MANY + [row(0, b, 0.05, "LEVEL_NOT_REACHED", limit=None) for b in (1, 2, 3)]
    save(run, rows)
    (claim,) = report([run])["claims"]
    assert claim["connected"]["verdict"] == "supported"
    assert [level["level"] for level in claim["connected"]["levels"]][-1] == 0.1


@pytest.mark.painted
def test_figures_are_kept_as_files_with_their_numbers(run):
    save(run, ALL)
    page_of(run)
    folder = run.directory / "figures"
    names = {path.stem for path in folder.iterdir() if path.name != MADE_OF}
    assert names == {
        "best-known", "length", "beads", "share", "components", "disconnectivity", "training",
        "profiles-dss-1-0.5", "profiles-dss-1-0.1",
    }  # fmt: skip
    for name in names:
        svg, pdf = (folder / f"{name}.{kind}" for kind in ("svg", "pdf"))
        xml.dom.minidom.parse(str(svg))
        assert "currentColor" not in svg.read_text() and pdf.read_bytes().startswith(b"%PDF")
        assert b"CreationDate" not in pdf.read_bytes()
    lines = list(csv.DictReader((folder / "length.csv").read_text().splitlines()))
    means = [line for line in lines if not line["a"]]
    assert [(line["level"], line["value"], line["pairs"]) for line in means] == [
        ("0.5", "1.2", "6"), ("0.1", "1.2", "6"),
    ]  # fmt: skip
    assert len(lines) == 2 + len(ALL)
    lines = list(csv.DictReader((folder / "profiles-dss-1-0.5.csv").read_text().splitlines()))
    assert len(lines) == 6 * 3 and lines[1]["train loss"] == "0.495"
    again = {path.name: path.read_bytes() for path in folder.iterdir()}
    page_of(run)
    assert again == {path.name: path.read_bytes() for path in folder.iterdir()}


def test_several_runs_share_their_figures(run, tmp_path):
    others = []
    for place in range(7):
        other = create_run(tmp_path / f"digits-{place}", CONFIG, {})
        with other.stage("train"):
            other.write_models([])
        save(other, ALL)
        others.append(other)
    save(run, ALL)
    runs = [run, *others]
    found = report(runs)
    rows = {about["run"]: one.rows() for about, one in zip(found["runs"], runs, strict=True)}
    length = overview(found, rows, "train loss")[0]
    assert all(f"{one.directory.name} dss" in length.svg for one in runs)
    assert {line["run"] for line in length.table} == set(rows)
    assert len({str(sorted(look(place).items())) for place in range(24)}) == 24


@pytest.mark.parametrize(
    "rows, said",
    [
        ([], ["No pair has been tried yet", "`lscape connect` does", "No strings are measured"]),
        (
            [row(0, 1), row(0, 2)],
            ["no pair has been tried at 0.1, of which nothing is said"],
        ),
        (
            [
                row(0, b, level, "LEVEL_NOT_REACHED", limit=None)
                for b in (1, 2)
                for level in (0.5, 0.1)
            ],
            ["No pair could be tried: no two models reached a level"],
        ),
        (
            [row(0, 1)],
            [
                "2 models make 1 independent pair,",
                "2 models, 5 are needed",
                "The one pair of digits networks was",
            ],
        ),
        (
            [row(a, b, status="NOT_FOUND", max_loss=0.9) for a, b in [(0, 1), (2, 3)]],
            [
                "0 of 2 pairs were connected",
                "No path was found",
                "no pair was connected: there are",
                "no pair was connected below its level: barriers are of failed searches",
            ],
        ),
    ],
)
def test_what_is_missing_is_said(run, rows, said):
    save(run, rows)
    text = page_of(run)
    for words in said:
        assert words in text


def test_a_run_of_one_level(tmp_path):
    made = create_run(tmp_path / "digits-12345678", CONFIG.replace("[0.5, 0.1]", "[0.5]"), {})
    with made.stage("train"):
        made.write_models([])
    save(made, ALL[:6])
    (claim,) = report([made])["claims"]
    assert "counted in 2 independent pairs of 4 models" in claim["sentences"][0]
    assert report([made])["notes"] == ["one level only: nothing can be set against the level"]


@pytest.mark.parametrize("stage", ["connect dss-1", "measure"])
def test_an_interrupted_stage(run, stage):
    save(run, ALL[:6])
    with pytest.raises(KeyboardInterrupt), run.stage(stage):
        raise KeyboardInterrupt
    text = page_of(run)
    assert f"{stage} is interrupted; the same command resumes it" in text
    assert "no pair has been tried at 0.1" in text and "every level tried (1)" not in text


def test_joined_by_other_paths_is_told_from_connected(run):
    """By way of a third model: what the search itself has not found is not said to be its own."""
    save(run, [row(0, 1), row(1, 2), row(0, 2, status="STUCK", max_loss=0.9)])
    (claim,) = report([run])["claims"]
    said = "3 of 3 pairs were connected, 2 by a search of their own, the others through"
    assert said in claim["sentences"][0]


def test_what_was_never_searched_is_told_from_what_failed(run):
    save(run, [row(0, 1), row(2, 3), row(1, 2, status="STUCK", max_loss=0.9)])
    (claim,) = report([run])["claims"]
    said = "2 of 6 pairs were connected; of the rest, 1 searched in vain and 3 not at all."
    assert said in claim["sentences"][0]


def test_an_interrupted_training(tmp_path):
    made = create_run(tmp_path / "digits-12345678", CONFIG, {})
    with pytest.raises(KeyboardInterrupt), made.stage("train"):
        raise KeyboardInterrupt
    text = page_of(made)
    assert "train is interrupted; the same command resumes it" in text
    assert "No pair has been tried yet" in text


def test_strings_that_are_not_drawn_are_told_of(run):
    save(run, ALL)
    assert "1 of 12 strings are drawn here. lscape report RUN --pairs" in page_of(run)
    pairs = [(0, b) for b in (1, 2, 3)] + [(1, 2)]
    write_html([run], report([run]), run.report_file, pairs)
    text = run.report_file.read_text()
    assert "6 of 12 strings are drawn here, 8 as files under pictures/" in text
    assert len(list((run.directory / "pictures").glob("dss-1/*/*/string.gif"))) == 8


def test_a_page_is_made_again_only_where_something_has_changed(run, monkeypatch):
    save(run, ALL)
    made, draws = page_module.page_of, []

    def counted(*given):
        draws.append(given)
        return made(*given)

    monkeypatch.setattr(page_module, "page_of", counted)

    def drawn(pairs=()):
        write_html([run], report([run]), run.report_file, pairs)
        return len(draws)

    assert drawn() == 1
    whole = run.report_file.read_bytes()
    assert drawn() == 1
    table = next((run.directory / "figures").glob("*.csv"))
    table.unlink()
    assert drawn() == 2 and table.is_file()
    run.report_file.write_text("altered")
    assert drawn() == 3 and run.report_file.read_bytes() == whole
    os.utime(run.results_file, ns=(0, 0))
    assert drawn() == 4 and drawn() == 4
    assert drawn([(0, 1)]) == 5
    with run.stage("measure"):
        assert drawn() == 6 and drawn() == 7, "another process may be at work"
    assert drawn() == 8 and drawn() == 8

from __future__ import annotations

import csv
import itertools
import json
import re
import subprocess
import sys
import xml.dom.minidom
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from landscape.files import RunError, load_arrays, read_record, save_arrays, write_bytes
from landscape.records import COLUMNS, MODEL_COLUMNS, STRING_COLUMNS
from landscape.report import levels_csv, read_published, report, write_html
from landscape.report.figures import look
from landscape.report.overview import overview
from landscape.report.summary import mean_over_pairs, summarise
from landscape.report.wording import INDEPENDENT, NO_ERROR, compared, footnotes, headline, number
from landscape.runs import create_run

CONFIG = """\
task: {name: digits}
train: {models: 4}
levels: {metric: loss, split: train, values: [0.5, 0.1]}
"""


def row(a, b, level=0.5, status="CONNECTED", length=1.2, beads=5, **more):
    found = dict.fromkeys(COLUMNS) | {
        "task": "digits", "method": "dss", "set": "dss-1", "level": level, "a": a, "b": b,
        "status": status, "beads": beads, "length": 2 * length, "chord": 2.0,
        "normalized_length": length, "max_loss": 0.99 * level, "barrier": 0.01, "rounds": 2,
        "grad_evals": 100, "seconds": 0.5, "limit": level, "loss_a": level, "loss_b": level,
        "max_at": 0.3, "last_change": 0.0, "resolution": 0.005, "grid": 50, "reason": "",
    }  # fmt: skip
    return found | more


def film(row):
    """A straight line, and the same with a bead in its middle."""
    level, high = row["level"], row["max_loss"] or np.inf
    profiles = [[0, level], [0.5, 3 * level], [1, level]], [[0, level], [0.5, high], [1, level]]
    return {
        "facts": np.array([[0, level, 3 * level, 0.5], [1, level, high, 0.5]]),
        "beads": np.array([[-1, 0, 0], [1, 0, 0], [-1, 0, 0], [0, 1, 0], [1, 0, 0]], np.float32),
        "places": np.array([0, 1, 0, 0.5, 1], np.float32),
        "bead_counts": np.array([2, 3]),
        "profile": np.concatenate(profiles).astype(np.float32),
        "profile_counts": np.array([3, 3]),
        "variance": np.array([0.75, 0.25, 0.0]),
    }


def save(run, rows, length_over="*"):
    for one in rows:
        settings = f"method: dss\nlength_over: '{length_over}'\n"
        write_bytes(run.settings_file(one["set"]), settings.encode())
        loss = [[0, one["level"]], [0.5, (one["max_loss"] or np.inf)], [1, one["level"]]]
        run.save_connection(one, {"w": np.zeros((2, 3), np.float32)}, np.array(loss), film(one))
    run.write_results()


@pytest.fixture
def run(tmp_path):
    made = create_run(tmp_path / "digits-12345678", CONFIG, {"device": "1 × cpu", "command": "x"})
    reached = {"status": "REACHED", "step": 10, "value": 0.1}
    levels = [{"level": level, **reached} for level in (0.5, 0.1)]
    with made.stage("train"):
        made.write_models([{"model": m, "status": "TRAINED", "levels": levels} for m in range(4)])
        made.append_history(
            [{"model": m, "step": s, "value": 1 / (s + 1)} for m in range(4) for s in range(9)]
        )
    return made


# -- the numbers -----------------------------------------------------------------------------------


def test_means_of_independent_pairs_by_hand():
    rows = [row(0, 1, length=1.1, beads=3), row(2, 3, length=1.3, beads=6)]
    (level,) = summarise(rows)
    assert level["normalized_length"] == {
        "mean": pytest.approx(1.2), "se": pytest.approx(0.1), "n": 2, "clustered": None,
    }  # fmt: skip
    assert level["beads"]["mean"] == 4.5 and level["beads"]["se"] == pytest.approx(1.5)
    assert (level["pairs"], level["connected"], level["share"]) == (2, 2, 1.0)
    # Wilson's interval of 2 out of 2: low = n/(n + z²)
    assert level["share_interval"] == pytest.approx([2 / (2 + 1.959964**2), 1.0], rel=1e-4)
    assert level["grad_evals"] == 200 and level["seconds"] == 1.0


def test_only_connected_pairs_are_in_the_means_and_all_in_the_costs():
    rows = [
        row(0, 1, max_loss=0.3, barrier=0.02),
        row(2, 3, status="STUCK", length=9.0, max_loss=5.0, barrier=4.0),
        row(4, 5, status="LEVEL_NOT_REACHED", normalized_length=None, grad_evals=0, seconds=None),
    ]
    (level,) = summarise(rows)
    assert level["normalized_length"] == {"mean": 1.2, "se": None, "n": 1, "clustered": None}
    assert (level["max_loss"], level["barrier"], level["grad_evals"]) == (0.3, 0.02, 200)
    assert level["statuses"] == {"CONNECTED": 1, "STUCK": 1, "LEVEL_NOT_REACHED": 1}
    assert (level["pairs"], level["tried"]) == (3, 2), "no path was sought between 4 and 5"
    assert level["share"] == pytest.approx(1 / 2)
    (missed,) = summarise([row(4, 5, status="LEVEL_NOT_REACHED")])
    assert missed["share"] is None and missed["share_interval"] == [None, None]


def test_the_jackknife_by_hand():
    rows = [row(0, 1, length=1.0), row(0, 2, length=2.0), row(1, 2, length=6.0)]
    found = mean_over_pairs(rows, "normalized_length")
    # without model 0, 1, 2 the means are 6, 2, 1: their mean 3, squares 9 + 1 + 4, times 2/3
    assert found == {
        "mean": 3.0, "se": pytest.approx(np.sqrt(28 / 3)), "n": 3, "clustered": "model",
    }  # fmt: skip


def test_no_error_where_a_model_is_in_every_pair():
    found = mean_over_pairs([row(0, 1), row(0, 2)], "beads")
    assert found["se"] is None and found["clustered"] == "model"


def test_the_jackknife_is_a_loop_over_deleted_models():
    pairs = [(0, 1), (0, 2), (1, 2), (2, 3), (4, 5)]  # as where some searches failed
    lengths = dict(zip(pairs, (1.0, 2.0, 4.0, 8.0, 16.0), strict=True))
    means = []
    for model in range(6):
        left = [length for pair, length in lengths.items() if model not in pair]
        means.append(sum(left) / len(left))
    squares = sum((mean - sum(means) / 6) ** 2 for mean in means)
    found = mean_over_pairs([row(*p, length=x) for p, x in lengths.items()], "normalized_length")
    assert found["se"] == pytest.approx((5 / 6 * squares) ** 0.5)


@pytest.mark.parametrize("models", [3, 6])
@pytest.mark.parametrize("of_models, of_pairs", [(1, 0), (0, 1), (1, 1)])
def test_the_jackknife_against_simulated_truth(models, of_models, of_pairs):
    """y = u_a + u_b + e: the squared error holds u's variance once, e's 2(m−1)/(m−2) times."""
    pairs = list(itertools.combinations(range(models), 2))
    drawn = np.random.default_rng(0)
    means, squares = [], []
    for _ in range(1500):
        u, e = of_models * drawn.normal(size=models), of_pairs * drawn.normal(size=len(pairs))
        rows = [{"a": a, "b": b, "y": u[a] + u[b] + x} for (a, b), x in zip(pairs, e, strict=True)]
        found = mean_over_pairs(rows, "y")
        means.append(found["mean"])
        squares.append(found["se"] ** 2)
    from_models, from_pairs = 4 * of_models / models, of_pairs / len(pairs)
    counted = from_models + from_pairs * 2 * (models - 1) / (models - 2)
    assert np.var(means) == pytest.approx(from_models + from_pairs, rel=0.12)
    assert np.mean(squares) == pytest.approx(counted, rel=0.12)


def test_sets_and_levels_are_kept_apart_and_in_order():
    rows = [row(0, 1, level=level, set=name) for level in (0.1, 0.5) for name in ("b", "a")]
    assert [(r["set"], r["level"]) for r in summarise(rows)] == [
        ("a", 0.5), ("a", 0.1), ("b", 0.5), ("b", 0.1),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "value, said",
    [
        ({"mean": 1.3124, "se": 0.0413}, "1.312 ± .041"),
        ({"mean": 1.3, "se": 2.4}, "1.3 ± 2.4"),
        ({"mean": 31.2, "se": 12.0}, "31 ± 12"),
        ({"mean": 5.0, "se": 0.0}, "5 ± 0"),
        ({"mean": 1.5, "se": None}, "1.5"),
        ({"mean": -0.0017123, "se": 0.0000123}, "-0.001712 ± .000012"),
        ({"mean": -1.234e-6, "se": 2.1e-8}, "-1.234e-06 ± 2.1e-08"),
        (None, "–"),
    ],
)
def test_numbers_in_words(value, said):
    assert number(value) == said


# -- the report ------------------------------------------------------------------------------------


class Page(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.ids = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        self.ids += [value for name, value in attrs if name == "id"]


def page_of(run, *others):
    runs = [run, *others]
    write_html(runs, report(runs), run.report_file)
    return run.report_file.read_text()


ALL = [row(a, b, level) for level in (0.5, 0.1) for a, b in itertools.combinations(range(4), 2)]


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
    assert len(labels) == page.tags.count("svg") == 3 + 2 + 2 + 1 + 3 and all(labels)
    assert "All 6 pairs of digits networks were connected at all 2 levels" in text
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
    missing = {"level": 0.1, "status": "LEVEL_NOT_REACHED", "step": None, "value": None}
    run.write_models([{"model": 0, "status": "TRAINED", "levels": [missing]}])
    with pytest.raises(KeyboardInterrupt), run.stage("connect dss-1"):
        raise KeyboardInterrupt
    notes = "\n".join(report([run])["notes"])
    assert "connect dss-1 is interrupted" in notes
    assert "1 of 4 models did not reach 0.1" in notes
    assert "0.55 at 0.5" in notes
    assert "downgraded 1 strings" in notes
    assert "did not reach a level count in its share" in notes
    assert "lengths and chords are over the parameters */kernel only" in notes


def test_nothing_is_noted_where_nothing_misleads(run):
    save(run, ALL)
    assert report([run])["notes"] == []


def test_a_search_without_its_settings(run):
    save(run, ALL)
    run.settings_file("dss-1").write_text("")
    with pytest.raises(RunError, match=r"settings\.yaml: unreadable"):
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
    save(other, [one | {"task": "toy"} for one in ALL])
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
    reached = {"level": 0.1, "status": "REACHED", "step": 10, "value": 0.1}
    with other.stage("train"):
        other.write_models([{"model": m, "status": "TRAINED", "levels": [reached]} for m in (0, 1)])
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
    assert text.count("<figure>") == 3 + 1 + 3 + 1 + 3 and "level axes are linear" in text


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
        "from landscape.runs import Run\n"
        f"run = Run(Path({str(run.directory)!r}))\n"
        "write_html([run], report([run]), run.report_file)\n"
        "sys.exit('jax' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


# -- against published figures ---------------------------------------------------------------------

HEADER = "task,level,length_mean,length_lo,length_hi,beads_mean,beads_lo,beads_hi\n"


def published(tmp_path, *lines):
    path = tmp_path / "published.csv"
    path.write_text(HEADER + "\n".join(lines) + "\n")
    return read_published(path)


def test_the_difference_is_in_combined_standard_errors(run, tmp_path):
    save(run, [row(0, 1, length=1.1, beads=3), row(2, 3, length=1.3, beads=6)])
    theirs = published(tmp_path, "digits,0.5,1.0,0.7,1.3,4,3.5,4.5", "digits,0.2,1,1,1,4,4,4", "")
    (record,) = report([run], theirs)["against"]
    # ours 1.2 ± .1 and 4.5 ± 1.5; theirs 1 ± .3 and 4 ± .5
    assert record["length"]["difference"] == pytest.approx(0.2 / np.hypot(0.1, 0.3))
    assert record["beads"]["difference"] == pytest.approx(0.5 / np.hypot(1.5, 0.5))
    assert (record["connected"], record["pairs"], record["level"]) == (2, 2, 0.5)


def test_published_figures_are_on_the_page(run, tmp_path):
    save(run, ALL)
    found = report([run], published(tmp_path, "digits,0.5,1.0,0.7,1.3,4,3.5,4.5"))
    write_html([run], found, run.report_file)
    text = run.report_file.read_text()
    assert "Against the published figure" in text and "digits, published" in text
    assert "1.00 ± .30" in text
    assert json.dumps(found, allow_nan=False)


def test_a_measure_that_was_not_published(run, tmp_path):
    save(run, ALL)
    found = report([run], published(tmp_path, "digits,0.5,,,,4,3.5,4.5"))
    (record,) = found["against"]
    assert record["length"]["theirs"] is record["length"]["difference"] is None
    assert record["beads"]["difference"] is not None
    assert compared(record, [record])[4:6] == ["–", "–"]
    write_html([run], found, run.report_file)


def test_no_difference_without_an_error_of_ours(run, tmp_path):
    save(run, [row(0, 1), row(0, 2, level=0.1, status="STUCK")])
    lines = "digits,0.5,1,1,1,4,4,4", "digits,0.1,1,1,1,4,4,4"
    found = report([run], published(tmp_path, *lines))["against"]
    assert [record["length"]["difference"] for record in found] == [None, None]


def test_what_was_not_published_is_said(run, tmp_path):
    save(run, ALL)
    found = report([run], published(tmp_path, "quadratics,0.5,1,1,1,4,4,4"))
    assert found["against"] == []
    assert "nothing published for the levels of digits (tasks: quadratics)" in found["notes"]


@pytest.mark.parametrize(
    "line, message",
    [
        ("digits,0.5,x,1,1,4,4,4", r"published\.csv:2: length_mean: expected a number, got 'x'"),
        ("digits,0.5,1,1,1,4,4,4\ndigits,.5,,,,4,4,4", r"published\.csv:3: digits at 0.5 .* twice"),
        ("digits,0.5,1,1,1,4,4", r"published\.csv:2: beads_hi: expected a number, got ''"),
        ("digits,0.5,nan,1,1,4,4,4", "length_mean: expected a number"),
        ("digits,0.5,3,1,2,4,4,4", "length: the mean is not between lo and hi"),
    ],
)
def test_bad_published_figures(tmp_path, line, message):
    with pytest.raises(RunError, match=message):
        published(tmp_path, line)


def test_bad_published_files(tmp_path):
    (tmp_path / "other.csv").write_text("task,level\n")
    with pytest.raises(RunError, match=r"other\.csv:1: no column length_mean"):
        read_published(tmp_path / "other.csv")
    with pytest.raises(RunError, match=r"none\.csv: unreadable"):
        read_published(tmp_path / "none.csv")


def test_the_published_row_of_the_paper():
    path = Path(__file__).parent.parent / "configs" / "paper" / "published.csv"
    found = {r["level"]: r for r in read_published(path) if r["task"] == "quadratics"}
    assert len(found) == 10
    assert found[0.01]["length"] == {"mean": 1.476, "lo": 1.372, "hi": 1.58}
    assert found[0.001]["beads"] == {"mean": 62.4, "lo": 56.5, "hi": 68.3}


# -- the claims, the files, and what is missing ----------------------------------------------------

MANY = [
    row(a, b, level, length=1 + 0.1 * np.exp(-level) * (1 + 0.01 * a), beads=3 + b)
    for level in (0.5, 0.4, 0.3, 0.2, 0.1)
    for a, b in itertools.combinations(range(8), 2)
]


def test_the_claims_are_in_sentences_and_in_the_data(run):
    save(run, MANY)
    found = report([run])
    (claim,) = found["claims"]
    assert claim["run"] == run.directory.name and claim["set"] == "dss-1"
    assert claim["connected"]["verdict"] == "supported"
    assert claim["curvier"]["normalised length − 1"]["verdict"] == "supported"
    assert claim["curvier"]["beads"]["verdict"] == "not supported"
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    first, second, third = claim["sentences"]
    assert first.startswith("Level sets stay connected: supported. All pairs were joined at every")
    assert "28 of 28" in first and "51 to 100 % at 0.5, counted in 4 independent pairs" in first
    assert second.startswith("Normalised length − 1, exponential in the level: supported. ")
    assert "by a factor of 1.49 [" in second and "best in 100 % of 1,000 resamples" in second
    assert third.startswith("Beads, exponential in the level: not supported.")
    text = page_of(run)
    for sentence in claim["sentences"]:
        assert sentence.partition(". ")[2] in text
    assert "rate 1 [" in text and "The best is, for dss: exponential" in text


def test_failed_pairs_are_in_the_claims(run):
    lost = [
        one | {"status": "STUCK", "max_loss": 1.0} if one["level"] == 0.1 and one["a"] == 0 else one
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


def test_figures_are_kept_as_files_with_their_numbers(run):
    save(run, ALL)
    page_of(run)
    folder = run.directory / "figures"
    names = {path.stem for path in folder.iterdir()}
    assert names == {
        "length", "beads", "share", "components", "disconnectivity", "training",
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
            ["No pair could be tried: no two models reached a level in training"],
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
                "0 of 2 pairs were joined",
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
    assert "3 of 3 were, 2 by this search itself, the others through" in claim["sentences"][0]


def test_an_interrupted_training(tmp_path):
    made = create_run(tmp_path / "digits-12345678", CONFIG, {})
    with pytest.raises(KeyboardInterrupt), made.stage("train"):
        raise KeyboardInterrupt
    text = page_of(made)
    assert "train is interrupted; the same command resumes it" in text
    assert "No pair has been tried yet" in text


def measured(run, rows, **more):
    """Records of measures as `lscape measure` leaves them, with what the report reads."""
    run.update_meta(measures="m")
    for one in rows:
        path = run.connection_file(one["set"], one["level"], one["a"], one["b"])
        record = dict.fromkeys(STRING_COLUMNS) | {
            "measures": "m", "shortening": "CONVERGED", "peak_verdict": "on a slope",
            "source": read_record(path)["arrays_sha256"], "hessian_of": "train loss",
            "hessian_by": "derivatives, one-sided at kinks", "total_curvature": 1 + one["level"],
            "normalized_length_found": 1.2, "normalized_length": 1.1, "level_curvature_mean": 0.5,
            "scaled_length_found": 3.0, "scaled_length": 2.6, "scaled_chord": 2.0,
            "function_length_found": 0.8, "function_length": 0.6, "function_chord": 0.1,
            "function_metric": "jsd", "length_change": 0.001 * one["b"], "beads": 9,
            "peak_gradient": 0.25, "peak_smallest": -0.5, "peak_smallest_error": 0.001,
            "peak_largest": 7.0, "peak_largest_error": 0.002, "max_loss": 0.99 * one["level"],
            **{key: one[key] for key in ("set", "method", "level", "a", "b")}, **more,
        }  # fmt: skip
        # a right angle at a quarter of the length, a fraction of one near the end
        arrays = {"turning": np.array([[0, 0], [0.25, np.pi / 2], [0.96, one["a"]], [1, 0]])}
        at, numbers = np.array([0.5, 0.75]), np.array([1.0, np.nan])
        named = ("loss", "gradient", "level_curvature", "smallest", "largest", "normal_mean")
        arrays |= {f"beads.{name}": numbers for name in (*named, "normal_spread")}
        arrays |= {"beads.at": at, "shortened.w": np.zeros((9, 3), np.float32)}
        save_arrays(run.string_measure_file("m", one), arrays, {"measured": record})
    for level, model in itertools.product((0.5, 0.1), (0, 1)):
        record = dict.fromkeys(MODEL_COLUMNS) | {
            "measures": "m", "level": level, "model": model, "largest": 10 / level + model,
            "trace": 3.0, "smallest": -0.1, "steps": None if model else 2, "gradient": 0.01,
        }  # fmt: skip
        nodes, weights = np.array([[0.0, 9.0], [1.0, 9.0]]), np.array([[0.8, 0.2], [0.6, 0.4]])
        arrays = {} if model else {"spectrum.nodes": nodes, "spectrum.weights": weights}
        save_arrays(run.model_measure_file("m", level, model), arrays, {"measured": record})


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
    assert sharp["largest"] == {"mean": 100.5, "se": pytest.approx(0.5), "n": 2}
    assert set(found["claims"][0]["curvier"]) >= {"shortened length − 1", "total curvature"}
    text = page_of(run)
    assert "At the kinks of rectified units there are none" in text and "6 on a slope" in text
    assert "Spectrum of the Hessian at model 0" in text and "Shortening settled on 12 of 12" in text
    lines = list(
        csv.DictReader((run.directory / "figures/spectrum-0.csv").read_text().splitlines())
    )
    shares = [float(line["share"]) for line in lines if line["level"] == "0.1"]
    assert sum(shares) == pytest.approx(1) and shares[-1] == pytest.approx(0.3)


def tables(text):
    """The page's tables: a list of columns' names, and a row as a dictionary of them, each."""
    found = []
    for one in re.findall(r"<table>(.*?)</table>", text, re.DOTALL):
        head = re.findall(r"<th(?: [^>]*)?>(.*?)</th>", one)
        lines = [re.findall(r"<td[^>]*>(.*?)</td>", line) for line in one.split("<tr>")[2:]]
        found.append((head, [dict(zip(head, line, strict=True)) for line in lines]))
    return found


def test_every_length_is_on_the_page(run):
    """Over its own chord, as found and shortened, with its error, its count and the share."""
    save(run, [*ALL[:-1], ALL[-1] | {"status": "STUCK"}])
    measured(run, ALL[:-1])
    text = page_of(run)
    (low,) = (
        line
        for head, lines in tables(text)
        for line in lines
        if "function-space, absolute, shortened" in head and line["level"] == "0.1"
    )
    assert low["measured of connected"] == "5 of 5/6"
    assert low["Euclidean, as found"] == "1.2 ± 0" and low["Euclidean, shortened"] == "1.1 ± 0"
    assert low["scale-normalised, as found"] == "1.5 ± 0"
    assert low["scale-normalised, shortened"] == "1.3 ± 0"
    assert low["function-space, as found"] == "8 ± 0"
    assert low["function-space, shortened"] == "6 ± 0"
    assert low["function-space, absolute, shortened"] == "0.6 ± 0"
    assert "√JSD" in text and "Open markers: as found; filled: shortened." in text
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
    assert any(line.get("scale-normalised, shortened") == "1.3 ± 0 (of 5)" for line in rows)
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
    (minima,) = (line for line in rows if "models" in line)
    assert minima["largest eigenvalue"] == "20.50 ± .50" and minima["gradient norm"] == "0.01 ± 0"
    lines = (run.directory / "figures/smallest-dss-1.csv").read_text().splitlines()
    assert lines[0].startswith("level,a,b,at,loss") and len(lines) == 1 + 12 * 2


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
        for path in one.directory.glob("measures/m/strings/*/*/*"):
            arrays, record = load_arrays(path)
            if one is other:  # as where nothing of the second order was asked for
                arrays = {name: a for name, a in arrays.items() if not name.startswith("beads.")}
            else:
                arrays["beads.normal_spread"] = np.zeros(2)  # two parameters: one direction
            save_arrays(path, arrays, record)
    page_of(run, other)
    names = {path.stem for path in (run.directory / "figures").glob("*.csv")}
    assert {"smallest-dss-1-digits-12345678", "normal-spread"} <= names
    assert "smallest-dss-1-toy-12345678" not in names


def test_strings_that_are_not_drawn_are_told_of(run):
    save(run, ALL)
    assert "1 of 12 strings are drawn here. lscape report RUN --pairs" in page_of(run)
    pairs = [(0, b) for b in (1, 2, 3)] + [(1, 2)]
    write_html([run], report([run]), run.report_file, pairs)
    text = run.report_file.read_text()
    assert "6 of 12 strings are drawn here, 8 as files under pictures/" in text
    assert len(list((run.directory / "pictures").glob("dss-1/*/*/string.gif"))) == 8


def test_levels_that_are_measured_in_part_are_no_evidence(run):
    save(run, ALL)
    measured(run, ALL[:8])
    (claim,) = report([run])["claims"]
    assert claim["curvier"]["total curvature"]["levels"] == [0.5]
    assert "4 models, 5 are needed" in claim["sentences"][-1]
    assert claim["curvier"]["total curvature"]["models"] == 4

"""Ours beside published figures."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from landscape.report import read_published, report, write_html
from landscape.report.data.wording import compared
from landscape.store.files import RunError
from tests.pages import ALL, row, save

pytestmark = pytest.mark.usefixtures("unpainted")

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


@pytest.mark.painted
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
    assert compared(record, [record])[5:7] == ["–", "–"]
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

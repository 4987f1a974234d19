"""A journal of rows: read once, torn at its end at worst, refused by line where it is damaged."""

import logging

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from landscape.report import report
from landscape.store.files import RunError
from landscape.store.journal import Journal
from landscape.store.records.models import Line
from landscape.store.run import create_run, open_run
from tests.pages import CONFIG, row, save

LINES = st.lists(st.builds(Line, model=st.integers(0, 3), step=st.integers(0, 9), value=st.floats(
    allow_nan=False, allow_infinity=False
)), min_size=1, max_size=8)  # fmt: skip


def by_model(line):
    return line.model


def latest(lines):
    return list({line.model: line for line in lines}.values())


@pytest.fixture
def journal(tmp_path):
    return Journal(tmp_path / "rows.jsonl", Line, by_model)


@settings(deadline=None)  # the disk may take its time
@given(LINES, st.data())
def test_the_last_of_a_key_counts_however_it_was_appended(tmp_path_factory, lines, data):
    path = tmp_path_factory.mktemp("journal") / "rows.jsonl"
    writer, reader = (Journal(path, Line, by_model) for _ in range(2))
    cut = data.draw(st.integers(0, len(lines)))
    writer.append(lines[:cut])
    assert reader.records() == latest(lines[:cut])
    writer.append(lines[cut:])
    assert reader.records() == Journal(path, Line, by_model).records() == latest(lines)


@settings(deadline=None)  # the disk may take its time
@given(LINES, st.data())
def test_cut_anywhere_it_has_the_whole_lines_before(tmp_path_factory, lines, data):
    """A crash in the middle of an append: what was whole is kept, and appending goes on there."""
    path = tmp_path_factory.mktemp("journal") / "rows.jsonl"
    Journal(path, Line, by_model).append(lines)
    whole = path.read_bytes()
    cut = data.draw(st.integers(0, len(whole)))
    path.write_bytes(whole[:cut])
    kept = lines[: whole[:cut].count(b"\n")]
    assert Journal(path, Line, by_model).records() == latest(kept)
    Journal(path, Line, by_model).append(lines[-1:])
    assert Journal(path, Line, by_model).records() == latest([*kept, lines[-1]])
    assert len(path.read_text().splitlines()) == len(kept) + 1


def test_a_torn_line_is_said(journal, caplog):
    lines = [Line(model=model, step=0, value=0.5) for model in range(3)]
    journal.append(lines[:2])
    with journal.path.open("r+b") as file:
        file.truncate(journal.path.stat().st_size - 5)
    assert journal.records() == lines[:1] and not caplog.records
    journal.append(lines[2:])
    (said,) = caplog.records
    assert said.levelno == logging.WARNING and str(journal.path) in said.getMessage()
    assert journal.records() == [lines[0], lines[2]]


@pytest.mark.parametrize("damage", [b"", b"{}", b"\xff", b"x" * 200])
def test_a_damaged_line_is_refused_by_its_number(journal, damage):
    journal.append([Line(model=model, step=0, value=0.5) for model in range(3)])
    first, second, third = journal.path.read_bytes().splitlines(keepends=True)
    changed = damage + b"\n" if damage else second.replace(b"0.5", b"0.4")
    journal.path.write_bytes(first + changed + third)
    with pytest.raises(RunError, match=r"rows\.jsonl:2: does not match its checksum"):
        journal.records()


def test_only_what_is_new_is_read(journal, monkeypatch):
    from landscape.store import journal as module

    parsed = []
    monkeypatch.setattr(
        module, "checked", lambda kind, value, place: parsed.append(place) or Line(**value)
    )
    for number in range(5):
        journal.append([Line(model=number, step=0, value=0.5)])
        assert len(journal.records()) == number + 1
    assert len(parsed) == 5


def test_a_row_belongs_to_its_set_and_its_string(run):
    save(run, [row(0, 1), row(0, 2)])
    first, second = run.rows()
    run.append_rows([row(0, 1, string=second.string, max_loss=0.2)])
    (changed, _) = run.rows()
    assert changed.max_loss == 0.2
    run.append_rows([row(0, 1, string="0" * 64)])
    with pytest.raises(RunError, match=r"0/1\.safetensors: not the string of its row"):
        run.load_connection(run.rows()[0])
    run.rows_file("dss-1").rename(run.rows_file("dss-1").parent.parent / "rows.jsonl")
    other = run.set_directory("other")
    other.mkdir()
    (other.parent / "rows.jsonl").rename(other / "rows.jsonl")
    with pytest.raises(RunError, match=r"other/rows\.jsonl:1: .* is of another place"):
        run.rows()
    assert first.string


def test_a_string_without_a_row_was_not_searched(run):
    """The crash between the two: the string is written again, the same."""
    points, profile = {"w": np.zeros((2, 3), np.float32)}, np.array([[0, 0.5], [1, 0.5]])
    kept = run.save_string(row(0, 1), points, profile, {})
    assert open_run(run.directory).rows() == []
    assert run.save_string(row(0, 1), points, profile, {}) == kept
    run.append_rows([kept])
    assert open_run(run.directory).rows() == [kept]


def test_a_run_is_reported_while_a_process_holds_it(run):
    with run.stage("connect dss-1"):
        save(run, [row(0, 1)])
        with run.rows_file("dss-1").open("ab") as file:
            file.write(b'{"task": "dig')  # a row on its way
        found = report([open_run(run.directory)])
        assert found["runs"][0]["stages"]["connect dss-1"] == "running"
        assert found["levels"][0]["pairs"] == 1


def test_a_run_of_an_older_format_is_refused(tmp_path):
    made = create_run(tmp_path / "old", CONFIG, {})
    made.update_meta(format=1)
    with pytest.raises(RunError, match="an older lscape"):
        open_run(made.directory)

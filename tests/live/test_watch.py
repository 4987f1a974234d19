"""lscape watch, lscape report --follow and the page of a run that is being made."""

import time

from tests.cli.commands import lscape

REFRESH = '<meta http-equiv="refresh"'


def test_watch_prints_a_line_a_pair_and_level_and_ends_where_nobody_works(searched):
    run = searched[0]
    result = lscape("watch", str(run.directory))
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    rows = run.rows()
    assert len(lines) == len(rows)
    for line, row in zip(lines, rows, strict=True):
        assert line.startswith(f"{row.set}, level {row.level:g}, {row.a}-{row.b}: {row.status}")
        assert f"{row.grad_evals:,} gradients" in line


def test_watch_of_what_is_no_run_is_a_message(tmp_path):
    result = lscape("watch", str(tmp_path))
    assert result.exit_code == 2
    assert "not a run directory" in result.stderr


def test_the_page_of_a_run_loads_itself_again_while_a_process_holds_it(searched, monkeypatch):
    run, pages = searched[0], []
    holder = run.stage("looked")

    def slept(seconds):
        pages.append(run.report_file.read_text())
        if len(pages) == 2:
            holder.__exit__(None, None, None)

    monkeypatch.setattr(time, "sleep", slept)
    holder.__enter__()
    result = lscape("report", str(run.directory), "--follow", "-q")
    assert result.exit_code == 0, result.output
    assert [REFRESH in page for page in pages] == [True, True]
    assert REFRESH not in run.report_file.read_text()

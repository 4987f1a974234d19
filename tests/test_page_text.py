"""What a report's page says, whole. Other tests of pages look at numbers, not at words.

After a change that is meant, this test with LSCAPE_WRITE_PAGE=1 in the environment writes the text
anew; read its difference before it is committed.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.pages import ALL, measured, page_of, prose, row, save

pytestmark = pytest.mark.usefixtures("unpainted")
KEPT = Path(__file__).parent / "page.txt"


def test_the_page_says_what_it_said(run, monkeypatch):
    """Connected pairs, one that failed, and what was measured."""
    failed = row(2, 3, 0.1, "NOT_FOUND", reason="max_rounds (10) spent; worst 0.2 at 0.5", length=2)
    rows = [*ALL[:-1], failed]
    save(run, rows)
    measured(run, rows[:-1])
    monkeypatch.chdir(run.directory.parent)
    said = prose(page_of(run)).replace(str(run.directory.parent), "runs")
    if os.environ.get("LSCAPE_WRITE_PAGE"):
        KEPT.write_text(said)
    assert said == KEPT.read_text()

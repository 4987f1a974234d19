"""What fuzzing has found before, and a little more of it, for every reader of strangers' files."""

from __future__ import annotations

import pytest

from tests.faults.fuzz import kept_of, shape_of, tried
from tests.faults.readers import READERS

A_LITTLE, MUCH = 200, 4_000


def new_ends(name, number, seed, folder):
    """The ends of so many mutations that were not known, each with what a file of it ends in when
    it is read again; what must not be is raised."""
    reader, (_, corpus) = READERS[name], kept_of(name)
    found = tried(reader, corpus, number, seed)
    return {end: shape_of(reader.run(content, folder)) for end, content in found.items()}


@pytest.mark.parametrize("name", READERS)
def test_a_reader_reads_or_refuses_by_name(name, tmp_path):
    found = new_ends(name, A_LITTLE, f"quick {name}", tmp_path)
    assert [*found] == [*found.values()]


@pytest.mark.faults
@pytest.mark.parametrize("name", READERS)
def test_a_reader_does_so_many_times(name, tmp_path):
    found = new_ends(name, MUCH, f"long {name}", tmp_path)
    assert [*found] == [*found.values()]


def test_a_million_were_tried():
    assert sum(kept_of(name)[0] for name in READERS) >= 1_000_000

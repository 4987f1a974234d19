"""What fuzzing has found before, and a little more of it, for every reader of strangers' files."""

from __future__ import annotations

import pytest

from tests.faults.fuzz import kept_of, shape_of, tried
from tests.faults.readers import READERS

A_LITTLE, MUCH = 200, 4_000


def ends_as_before(name, number, seed, folder):
    """No mutation ends in a way that must not be (`tried` raises), and each ends the same again."""
    reader, (_, corpus) = READERS[name], kept_of(name)
    for end, content in tried(reader, corpus, number, seed).items():
        assert shape_of(reader.run(content, folder)) == end


@pytest.mark.parametrize("name", READERS)
def test_a_reader_reads_or_refuses_by_name(name, tmp_path):
    ends_as_before(name, A_LITTLE, f"quick {name}", tmp_path)


@pytest.mark.faults
@pytest.mark.parametrize("name", READERS)
def test_a_reader_does_so_many_times(name, tmp_path):
    ends_as_before(name, MUCH, f"long {name}", tmp_path)


def test_a_million_were_tried():
    assert sum(kept_of(name)[0] for name in READERS) >= 1_000_000

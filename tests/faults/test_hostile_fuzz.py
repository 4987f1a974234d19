"""What fuzzing has found before, and a little more of it, for every reader of strangers' files."""

from __future__ import annotations

import pytest

from tests.faults.fuzz import kept_of, tried
from tests.faults.readers import READERS

A_LITTLE, MUCH = 200, 4_000


@pytest.mark.parametrize("name", READERS)
def test_a_reader_reads_or_refuses_by_name(name):
    _, corpus = kept_of(name)
    tried(READERS[name], corpus, A_LITTLE, f"quick {name}")


@pytest.mark.faults
@pytest.mark.parametrize("name", READERS)
def test_a_reader_does_so_many_times(name):
    _, corpus = kept_of(name)
    tried(READERS[name], corpus, MUCH, f"long {name}")


def test_a_million_were_tried():
    assert sum(kept_of(name)[0] for name in READERS) >= 1_000_000

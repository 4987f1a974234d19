"""Every kind of file of a run, damaged in every way: refused by name, harmless, or said."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from landscape.stages.checkpoints import Checkpoints
from landscape.store.files import write_records
from landscape.store.records.models import FinalStateRecord, LowerBoundRecord
from landscape.store.records.planes import PlaneRecord
from landscape.store.run import open_run
from tests.faults.damage import ALL, SAMPLE, copied, damages, files_of, outcome, what_is_read
from tests.runs_of_old.make import HERE
from tests.test_records import END, PLANE, WALLS, kept

LATEST = max(HERE.glob("format-*"))


@pytest.fixture
def runs(tmp_path):
    """A run of each kind, and one with the kinds of files that none of them has."""
    found = copied(LATEST, tmp_path / "runs")
    run = open_run(next(path for path in found if path.name == "measured"))
    with run.stage("plane pair-0-1-0.1"):
        axis = {name: np.arange(3.0) for name in ("x", "y")}
        arrays = {**axis, "loss": np.ones((3, 3)), "models": np.ones((2, 2))}
        drawn = kept(PlaneRecord, PLANE | {"level": 0.1, "strings": []})
        run.save_plane("pair-0-1-0.1", arrays, drawn)
        rows = {"rows": [np.arange(3.0)], "of": "0" * 64}
        Checkpoints(run.plane_checkpoint("random-0-0.1")).keep(lambda: rows, now=True)
        write_records(run.final_states_file, [kept(FinalStateRecord, END)])
        write_records(run.lower_bounds_file, kept(list[LowerBoundRecord], WALLS))
    return found


def tried(runs: list[Path], extent: tuple[int, int]):
    """Each (run, file, damage, outcome); one file of a kind is damaged, and a second where bits are
    many."""
    done: set[str] = set()
    kinds = {run: files_of(run) for run in runs}
    for run in runs:
        before = what_is_read(run)
        for kind, paths in kinds[run].items():
            if kind in done:
                continue
            done.add(kind)
            others = [
                kinds[other][kind][0] for other in runs if other != run and kind in kinds[other]
            ]
            sibling = next(iter(paths[1:]), None)
            for damage in damages(paths[0], sibling, next(iter(others), None), extent):
                yield (
                    kind,
                    paths[0].relative_to(run),
                    damage,
                    outcome(run, paths[0], damage, before),
                )
        assert what_is_read(run) == before


def judged(found):
    """No outcome is anything but refused, harmless or said; the counts, by kind."""
    counts: dict[str, Counter[str]] = {}
    wrong = []
    for kind, file, damage, how in found:
        known = how in ("refused", "harmless", "said")
        counts.setdefault(kind, Counter())[how if known else "wrong"] += 1
        if not known:
            wrong.append(f"{file}, {damage.of}: {how}")
    assert not wrong, "\n".join(
        [f"{len(wrong)} of {sum(map(Counter.total, counts.values()))}", *wrong[:60]]
    )
    return counts


def test_a_sample_of_what_can_happen_to_every_kind_of_file(runs):
    counts = judged(tried(runs, SAMPLE))
    assert len(counts) >= 20


@pytest.mark.faults
def test_all_that_can_happen_to_every_kind_of_file(runs):
    counts = judged(tried(runs, ALL))
    total = sum(counts.values(), Counter())
    print(f"\n{total.total()} cases: {dict(total)}")
    for kind, own in sorted(counts.items()):
        print(f"{kind}: {dict(own)}")
    assert total.total() >= 5_000

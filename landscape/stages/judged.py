"""A path on disk, judged again on a finer grid."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from landscape.analysis.topology import Certified, upper_bound
from landscape.core.alignment import Align
from landscape.core.certificate import certify
from landscape.core.grid import SETTLED_CHANGE
from landscape.core.landscape import Landscape
from landscape.core.segments import SegmentEvaluator
from landscape.stages.alignments import change_of
from landscape.stages.build import check_and_cast_params
from landscape.store.files import Arrays, RunError, load_arrays, save_arrays
from landscape.store.records.base import OPTIONAL, Record, names
from landscape.store.records.measures import DOWNGRADED, StringMeasure
from landscape.store.records.strings import RAISED, BarrierRecord, SnapshotRecord, StringRecord
from landscape.store.run import Run

BASIS = 50  # the grid that certificates are taken for which chose their points


class Kept(NamedTuple):
    """A path on disk: its record, in which its certificate is, and the files of its two ends.

    basis: the grid of the search that found it, or what it was made of; section: the record's name
    in the file (a row is in no file); prefix: of the names of the path's arrays; align: by what the
    second end is permuted.
    """

    kind: str
    name: str
    file: Path
    ends: tuple[Path, Path]
    record: Certified
    basis: int
    section: str = ""
    prefix: str = ""
    align: Align | None = None

    @property
    def grid(self) -> int:
        """What the path is certified on."""
        return self.record.grid or BASIS

    @property
    def limit(self) -> float | None:
        """What the path is said to stay below; None where only its bound is known."""
        record = self.record
        if isinstance(record, StringMeasure):
            return record.limit
        if isinstance(record, BarrierRecord) or record.status != "CONNECTED":
            return None
        return record.limit

    def lost(self, is_finite: bool) -> dict[str, str]:
        """The record's word for what is known of the path, where that does not hold; a bound alone
        has none."""
        if isinstance(self.record, StringMeasure):
            return {"shortening": DOWNGRADED}
        if isinstance(self.record, BarrierRecord):
            return {"status": RAISED}
        status = "NOT_FOUND" if is_finite else "NON_FINITE"
        return {} if self.limit is None else {"status": status}


@dataclass(frozen=True, kw_only=True)
class Verdict(Record):
    """On a path that was judged again.

    Attributes:
        kind: `strings`, those CONNECTED; `snapshots`, the models' own paths; `barriers`, lowered;
            `shortened`, the measured strings; and `failed`, strings that are not CONNECTED but hold
            the disconnectivity graph together.
        name: Of the path.
        set: Of a string; None of other paths, as method, level, a and b.
        method: Of the string's search.
        level: The string's.
        a: The model that the string begins at.
        b: The model that it ends at.
        grid: Points a segment.
        max_loss: The highest loss found.
        limit: What the path must stay below, or the bound that was known.
        agreed: Whether it does.
        reason: Why not.
    """

    kind: str
    name: str
    set: str | None = field(default=None, metadata=OPTIONAL)
    method: str | None = field(default=None, metadata=OPTIONAL)
    level: float | None = field(default=None, metadata=OPTIONAL)
    a: int | None = field(default=None, metadata=OPTIONAL)
    b: int | None = field(default=None, metadata=OPTIONAL)
    grid: int
    max_loss: float
    limit: float
    agreed: bool
    reason: str


def judged_again(
    run: Run, kept: Kept, landscape: Landscape, evaluate: SegmentEvaluator, grid: int
) -> tuple[Verdict, Certified | None]:
    """The verdict on a path, and its record where that must be another now."""
    arrays, _ = load_arrays(kept.file)
    points = _path(run, kept, arrays, landscape)
    bound = upper_bound(kept.record)
    known = bound + SETTLED_CHANGE * abs(bound)
    limit = known if kept.limit is None else kept.limit
    found = certify(points, evaluate, limit)
    agreed, finite, reason = found.holds(limit), bool(np.isfinite(found.maximum)), ""
    certificate: dict[str, float | str | None] = {
        "max_loss": found.maximum if finite else None,
        "barrier": found.barrier if finite else None,
        "max_at": found.max_at,
        "last_change": found.last_change,
        "resolution": found.resolution,
        "rounding": found.rounding,
        "verified": grid,
    }
    known_of = names(type(kept.record))
    changes = {key: value for key, value in certificate.items() if key in known_of}
    if not agreed:
        above = f"{limit:.6g}" if kept.limit is not None else f"the {bound:.6g} known"
        reason = (
            f"verify at grid {grid} found {found.maximum:.6g} at {found.max_at:.4f} "
            f"of the path, above {above}"
        )
        before = kept.record.reason if kept.limit is None else ""
        changes["reason"] = "; ".join(filter(None, [before, reason]))
        changes |= kept.lost(finite)
    again = None if agreed and found.holds(known) else replace(kept.record, **changes)
    is_string = isinstance(kept.record, StringRecord | StringMeasure)
    keys = ("set", "method", "level", "a", "b") if is_string else ()
    verdict = Verdict(
        kind=kept.kind,
        name=kept.name,
        **{key: getattr(kept.record, key) for key in keys},
        grid=grid,
        max_loss=found.maximum,
        limit=bound if kept.limit is None else limit,
        agreed=agreed,
        reason=reason,
    )
    return verdict, again


def keep(run: Run, kept: Kept, again: Certified) -> None:
    """Keep what a path's record is now."""
    if isinstance(again, StringRecord):
        run.append_rows([again])
        return
    arrays, header = load_arrays(kept.file)
    save_arrays(kept.file, arrays, {**header, kept.section: again})


def _path(run: Run, kept: Kept, arrays: Arrays, landscape: Landscape) -> Arrays:
    """The path's arrays, if its ends are the run's own models bit for bit, the second permuted
    where it was aligned. Raises RunError."""
    points = {}
    for end, model in zip((0, -1), kept.ends, strict=True):
        own = check_and_cast_params(load_arrays(model)[0], landscape, model)
        of = kept.record
        if end and kept.align is not None and not isinstance(of, SnapshotRecord):
            level = of.matched_at if isinstance(of, BarrierRecord) else of.level
            assert level is not None, "an aligned path says which matching it is of"
            own = change_of(run, landscape, kept.align, level, (of.a, of.b)).of(own)
        for name, leaf in own.items():
            points[name] = arrays.get(kept.prefix + name)
            kind = leaf.dtype if points[name] is None else points[name].dtype
            if points[name] is None or not np.array_equal(points[name][end], leaf.astype(kind)):
                raise RunError(f"{kept.file}: its end {name} is not that of {model}")
    return {name: points[name].astype(leaf.dtype) for name, leaf in landscape.shapes.items()}

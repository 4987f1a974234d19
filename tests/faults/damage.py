"""What can happen to the bytes of a run, and what is read of it afterwards."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from landscape.report import report
from landscape.stages.checkpoints import Checkpoints, KeptPlane, kept
from landscape.store.comparisons import compared_rows, comparisons_of
from landscape.store.files import RunError, digest, load_arrays
from landscape.store.listing import list_runs
from landscape.store.run import Run, open_run

ALL = 20, 200  # places where a file is cut, bits that are flipped
SAMPLE = 3, 1
Outcome = Literal["refused", "harmless", "said"]
WORDS = ("notes", "missing")


@dataclass(frozen=True)
class Damage:
    """of: what is done, as `bit 7 flipped`; do: does it to a file; other: what it changes too."""

    of: str
    do: Callable[[Path], object]
    other: Path | None = None


def damages(
    path: Path, sibling: Path | None, stranger: Path | None, extent: tuple[int, int]
) -> list[Damage]:
    """All that is done to a file, the same each time; sibling: a file of the same kind in this run,
    stranger: one in another; extent: how many cuts and flipped bits."""
    most, flips = extent
    content = path.read_bytes()
    drawn = random.Random(f"{path.name} {len(content)}")
    cuts = sorted({drawn.randrange(1, max(len(content), 2)) for _ in range(most)})
    bits = sorted(drawn.sample(range(8 * len(content)), min(flips, 8 * len(content))))

    def cut(size: int) -> Callable[[Path], object]:
        return lambda at: at.write_bytes(content[:size])

    def flip(bit: int) -> Callable[[Path], object]:
        changed = bytearray(content)
        changed[bit // 8] ^= 1 << bit % 8
        return lambda at: at.write_bytes(changed)

    def double(at: Path) -> None:
        at.with_name(f"copy-of-{at.name}").write_bytes(content)

    found = [
        Damage("deleted", lambda at: at.unlink()),
        Damage("emptied", lambda at: at.write_bytes(b"")),
        Damage("twice in itself", lambda at: at.write_bytes(2 * content)),
        Damage("doubled beside itself", double),
        *(Damage(f"cut to {size} bytes", cut(size)) for size in cuts),
        *(Damage(f"bit {bit} flipped", flip(bit)) for bit in bits),
    ]
    if sibling is not None:
        found.append(Damage("swapped within its run", lambda at: _swap(at, sibling), sibling))
    if stranger is not None:
        other = stranger.read_bytes()
        found.append(Damage("swapped with another run's", lambda at: at.write_bytes(other)))
    return found


def _swap(one: Path, other: Path) -> None:
    first, second = one.read_bytes(), other.read_bytes()
    one.write_bytes(second)
    other.write_bytes(first)


def what_is_read(directory: Path) -> tuple[Any, list[str]]:
    """All numbers that any reader has of a run, as JSON, and all that is said beside them.

    Raises RunError, as the readers do.
    """
    run = open_run(directory)
    found = report([run])
    said = [json.dumps(found.pop(part)) for part in WORDS]
    listing = list_runs(directory.parent)
    listed = [
        (one.name, one.status, one.stage, one.levels, one.searches)
        for one in listing.runs
        if one.directory == directory
    ]
    said += [why for path, why in listing.left_out if path == directory]
    for status in found["runs"]:  # what it was made with is not a number that it found
        status.pop("directory")
    begun = [kept(Checkpoints(path), KeptPlane) for path in directory.glob("planes/*.partial")]
    said.append(f"begun: {begun}")  # without it, a plane is computed from its first row on
    numbers = [found, listed, [*_arrays(run)], [(a.model, a.step, a.value) for a in run.history()]]
    return json.loads(json.dumps(numbers, default=str)), said


def _arrays(run: Run) -> Iterator[str]:
    """Checksums of all arrays, read as figures, `lscape verify` and later searches read them."""
    for row in run.rows():
        run.settings_text(run.settings_file(row.set))
        string, profile, history = run.load_connection(row)
        yield digest({**string, "profile": profile, **history})
        yield digest({"profile": run.load_profile(row), **run.load_search_history(row)})
    for model in run.models():
        for entry in model.levels:
            if entry.status == "REACHED":
                path = run.model_file(model.model, entry.level)
                yield digest(load_arrays(path)[0]) if path.exists() else f"{path.name}: none"
    for record in [*run.string_measures(), *run.model_measures()]:
        yield digest(run.load_measures(record))
    for record in run.string_measures():
        yield digest(run.load_numbers(record))
    places = ("snapshots/*/*", "barriers/*/*", "barriers/*/*/*")
    for path in sorted(
        path for place in places for path in run.directory.glob(f"{place}.safetensors")
    ):
        points, profile, _ = run.load_path(path)
        yield digest({**points, "profile": profile})
    for one in run.alignments():
        run.load_alignment(one.align, one.level, one.a, one.b)
    for name in run.planes():
        arrays, record = run.load_plane(name)
        yield f"{record} {digest(arrays)}"
    for name in run.sets():
        yield str(run.tree(name))
    yield str(run.final_states()) + str(run.lower_bounds())
    for record in comparisons_of(run):
        for row, anytime, length in compared_rows(run, record):
            yield f"{row} {digest({'anytime': anytime})} {length}"


def outcome(run: Path, file: Path, damage: Damage, before: tuple[Any, list[str]]) -> Outcome | str:
    """What the readers make of a damaged file; a sentence for what must not be."""
    near = [*file.parent.iterdir(), *filter(None, [damage.other])]
    touched = {path: path.read_bytes() for path in near if path.is_file()}
    damage.do(file)
    try:
        numbers, said = what_is_read(run)
    except RunError as error:
        return "refused" if str(run) in str(error) else f"refused without a name: {error}"
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    finally:
        for path in file.parent.iterdir():
            if path.is_file() and path not in touched:
                path.unlink()
        for path, content in touched.items():
            if not path.exists() or path.read_bytes() != content:
                path.write_bytes(content)
    if numbers == before[0]:
        return "harmless"
    return "said" if said != before[1] else f"changed without a word: {_first(before[0], numbers)}"


def _first(before: Any, after: Any, place: str = "") -> str:
    """Where two values differ first."""
    if type(before) is type(after) and isinstance(before, dict) and before.keys() == after.keys():
        inside = [(f"{place}.{key}", before[key], after[key]) for key in before]
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        inside = [(f"{place}[{n}]", a, b) for n, (a, b) in enumerate(zip(before, after))]  # noqa: B905
    else:
        return f"{place}: {str(before)[:80]} → {str(after)[:80]}"
    return next((_first(a, b, where) for where, a, b in inside if a != b), place)


def files_of(run: Path) -> dict[str, list[Path]]:
    """The files of a run by their kind: the folder and what kind of name they have."""
    found: dict[str, list[Path]] = {}
    for path in sorted(run.rglob("*")):
        if path.is_file() and path.name != "lock":
            found.setdefault(kind_of(path.relative_to(run)), []).append(path)
    return found


def kind_of(path: Path) -> str:
    """`sets/rows.jsonl`, `sets/.safetensors`."""
    named = path.suffix in (".safetensors", ".partial") or path.parts[0] == "comparisons"
    below = path.parts[2:3] if path.parts[0] == "measures" and named else ()
    return "/".join(
        [*path.parts[:1][: len(path.parts) - 1], *below, path.suffix if named else path.name]
    )


def copied(runs: Path, place: Path) -> list[Path]:
    """Copies of the runs of a folder."""
    for run in sorted(runs.iterdir()):
        if run.is_dir():
            shutil.copytree(run, place / run.name)
    return sorted(place.iterdir())

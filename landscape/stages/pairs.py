"""Search pairs at a level: in groups, kept and resumed, each judged and written when it ends."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from landscape.core import trees
from landscape.core.level import LevelSpec
from landscape.core.status import Status
from landscape.core.trees import Params
from landscape.search.driver import chained, judge, restore_ends, start, steps
from landscape.search.history import anytime_of, search_history
from landscape.search.state import Search, String
from landscape.stages.build import Fact, Progress
from landscape.stages.checkpoints import Checkpoints, KeptSearch, Plain, kept, packed, unpacked
from landscape.stages.context import ConnectContext, Pair
from landscape.stages.met import file_of
from landscape.store.files import finite
from landscape.store.records.base import made
from landscape.store.records.models import why_missed
from landscape.store.records.strings import StringRecord


class Link(NamedTuple):
    """A pair that was missed at a level, and its string of another level to begin from."""

    missed: StringRecord
    found: StringRecord


def connect_level(
    context: ConnectContext, level: float, pairs: Sequence[Pair], progress: Progress
) -> None:
    """Search the pairs that have no row at a level yet; first what was interrupted."""
    at = context.level_spec(level)
    for search in _interrupted(context, level, pairs):
        _search_group(context, at, search, len(search.strings), 0, progress)
    done = {(row.a, row.b) for row in context.rows.known() if row.level == level}
    ready, missed = [], []
    for a, b in sorted(set(pairs) - done):
        if all(context.end_points.reached(model, level) for model in (a, b)):
            ready.append((a, b))
        else:
            missed.append(_unreached(context, level, a, b))
    context.rows.add(missed)
    context.rows.tell([_verdict_event(row) for row in missed])
    for first in range(0, len(ready), context.group):
        group = ready[first : first + context.group]
        search = Search([_begin(context, level, pair) for pair in group])
        _search_group(context, at, search, len(ready), first, progress)


def _interrupted(context: ConnectContext, level: float, pairs: Sequence[Pair]) -> Iterator[Search]:
    """The groups that were interrupted, as they were."""
    for first, path in context.run.search_files(context.name, level).items():
        if context.others_too or first in pairs:
            before = kept(Checkpoints(path), KeptSearch)
            assert before is not None
            yield unpacked(before)


def _begin(context: ConnectContext, level: float, pair: Pair) -> String:
    """The string of a pair, from the path that was given or the straight line."""
    name = "-".join(map(str, pair))
    if (level, pair) in context.start_paths:
        return String(name, context.start_paths[level, pair])
    return start(name, *context.ends(level, pair))


def chain(context: ConnectContext, links: Sequence[Link], progress: Progress) -> None:
    """Start the pairs of a level that were missed again, from a string of another level; their
    rows replace the old ones and include what those took."""
    if not links:
        return
    level = links[0].missed.level
    for first in range(0, len(links), context.group):
        strings = []
        for missed, found in links[first : first + context.group]:
            a, b = missed.a, missed.b
            points = context.run.load_connection(found)[0]
            string = chained(f"{a}-{b}", *context.ends(level, (a, b)), points, found.level)
            string.grad_evals, string.loss_evals = missed.grad_evals, missed.loss_evals
            string.seconds = missed.seconds or 0.0
            strings.append(string)
        at = context.level_spec(level)
        _search_group(context, at, Search(strings), len(links), first, progress)


def _search_group(
    context: ConnectContext,
    at: LevelSpec,
    search: Search,
    total: int,
    before: int,
    progress: Progress,
) -> None:
    """Search, judge, keep. The rows of a group are written only when all of it is decided,
    so that a resumed group has the same strings in its batches."""
    stage, run = f"connecting at {at.level:g}", context.run
    first = _pair(search.strings[0])
    checkpoints = Checkpoints(run.search_file(context.name, at.level, *first))

    def state() -> Plain:
        return packed(search)

    told = {string.name: len(string.history) for string in search.strings}
    progress(stage, before, total)
    for _ in steps(context.tight_stepper(at), search):
        _tell_rounds(context, at, search, told)
        checkpoints.keep(state)
        ended = [s for s in search.strings if s.ended is not None]
        progress(
            stage,
            before + min(len(ended), len(search.strings) - 0.01),
            total,
            **_facts(search, before, total),
        )
    checkpoints.keep(state, now=True)
    connected, rows = 0, []
    for number, string in enumerate(search.strings):
        a, b = context.ends(at.level, _pair(string))
        restore_ends(string, a, b)
        connection = judge(string, context.problem.evaluate, at, context.config.connect.length_over)
        known = {"limit": at.limit, **connection.record(), **_geodesic(context, at, a, b)}
        row = _row(context, at.level, _pair(string), known)
        profile = connection.certificate.profile
        rounds = search_history(string, connection.certificate, at.level)
        if context.problem.budget is not None:
            certificate, evaluate = connection.certificate, context.problem.evaluate
            rounds["anytime"] = anytime_of(string, certificate, evaluate, at.limit)
            if connection.status is Status.CONNECTED and context.function_length is not None:
                whole = context.function_length(string.points)
                rounds["functions"] = np.array([whole.length, whole.chord])
        rows.append(run.save_string(row, string.points, profile, rounds))
        connected += connection.status is Status.CONNECTED
        progress(
            stage,
            before + number + 1,
            total,
            pairs=f"{before + number + 1}/{total}",
            connected=connected,
            beads=max(trees.count(s.points) for s in search.strings),
        )
    context.rows.add(rows)
    context.rows.tell([*map(_verdict_event, rows)])
    checkpoints.drop()


def _geodesic(context: ConnectContext, at: LevelSpec, a: Params, b: Params) -> dict[str, float]:
    """What no path between two models is shorter than, where the landscape says it of lengths over
    all parameters."""
    known = context.landscape.geodesic
    if known is None or context.config.connect.length_over != "*":
        return {}
    return finite({"geodesic": float(known(a, b, at.limit))})


def _tell_rounds(
    context: ConnectContext, at: LevelSpec, search: Search, told: dict[str, int]
) -> None:
    events = []
    for string in search.strings:
        if len(string.history) == told[string.name]:
            continue
        told[string.name] = len(string.history)
        last = string.history[-1]
        own = string.segments.own if string.segments else {}
        events.append(
            {
                "event": "round",
                "level": at.level,
                "pair": string.name,
                "round": _whole(last.number),
                "instantaneous_level": last.level,
                "beads": trees.count(string.points),
                "grad_evals": string.grad_evals,
                "highest": last.highest,
                "highest_at": last.at,
            }
            | {name: _whole(numbers.max()) for name, numbers in own.items()}
        )
    context.rows.tell([finite(event) for event in events])


def _unreached(context: ConnectContext, level: float, a: int, b: int) -> StringRecord:
    """The row of a pair that no path was sought for, whose file is there."""
    missed = [model for model in (a, b) if not context.end_points.reached(model, level)]
    who = " and ".join(f"model {model}" for model in missed)
    records = [context.end_points.records[model] for model in missed]
    files = [file_of(model, context.config) for model in missed]
    why = "; ".join(
        f"model {record.model}: {why_missed(record, file)}"
        for record, file in zip(records, files, strict=True)
    )
    row = _row(
        context,
        level,
        (a, b),
        {
            "status": Status.LEVEL_NOT_REACHED,
            "grad_evals": 0,
            "loss_evals": 0,
            "reason": f"{who} did not reach the level ({why})",
        },
    )
    shapes = context.landscape.shapes.items()
    no_beads = {name: np.zeros((0, *shape.shape), shape.dtype) for name, shape in shapes}
    return context.run.save_string(row, no_beads, np.zeros((0, 2)), {})


def _facts(search: Search, before: int, total: int) -> dict[str, Fact]:
    ended = [s for s in search.strings if s.ended is not None]
    seen = [upper for s in search.active if s.segments for upper in s.segments.upper]
    worst = [float(upper) for upper in seen if np.isfinite(upper)]
    facts: dict[str, Fact] = {
        "pairs": f"{before + len(ended)}/{total}",
        "connected": sum(s.ended == Status.CONNECTED for s in ended),
        "beads": max(trees.count(s.points) for s in search.strings),
    }
    tight = [s.tightening for s in search.strings if s.tightening]
    if tight and not search.active:
        facts["tight"] = f"{sum(one.ended is not None for one in tight)}/{len(tight)}"
    return facts | ({"worst": max(worst)} if worst else {})


def _whole(number: float) -> int | None:
    return int(number) if np.isfinite(number) else None


def _pair(string: String) -> Pair:
    a, b = map(int, string.name.split("-"))
    return a, b


def _row(
    context: ConnectContext, level: float, pair: Pair, known: Mapping[str, object]
) -> StringRecord:
    config, (a, b) = context.config, pair
    task, method = config.task.name or config.task.factory, config.connect.finder.name
    of = {"task": task, "method": method, "set": context.name, "level": level, "a": a, "b": b}
    return made(StringRecord, **of, align=config.connect.align, **known)


def _verdict_event(row: StringRecord) -> dict[str, object]:
    keys = (
        "level", "a", "b", "status", "reason", "beads", "rounds", "grad_evals", "loss_evals",
        "max_loss",
    )  # fmt: skip
    facts = {} if row.facts is None else {"facts": row.facts}
    return {"event": "verdict", **{key: getattr(row, key) for key in keys}, **facts}

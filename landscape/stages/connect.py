"""The second stage: a path below the level for every pair and level, and its verdict."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from landscape.config.load import Config, changes, dump_section, revised, set_name
from landscape.config.sections import pair_list
from landscape.core import devices, trees
from landscape.core.certificate import memoized, segment_evaluator
from landscape.core.devices import each
from landscape.core.level import LevelSpec
from landscape.core.status import Status
from landscape.core.task import Landscape
from landscape.methods import HYPOTHESES, METHODS
from landscape.methods.constructions.curves import warm_start
from landscape.search.driver import Connection, chained, judge, start, steps
from landscape.search.history import search_history
from landscape.search.state import Method, Search, String
from landscape.stages.build import (
    Progress,
    bead_optimizer,
    build_beads,
    build_landscape,
    check_and_cast_params,
    check_hypotheses,
    config_of,
    log,
    silent,
)
from landscape.stages.checkpoints import Checkpoints, Searching, kept, packed, unpacked
from landscape.stages.start_path import given_paths
from landscape.stages.tree import connect_tree, tree_is_complete
from landscape.store.files import Arrays, Row, RunError, finite, load_arrays, write_bytes
from landscape.store.records import COLUMNS, EndPoint, why_missed
from landscape.store.run import Run

SHARE_OF_STRINGS = 2  # memory's part for strings searched together, at their longest

Pair = tuple[int, int]


def connect(
    run: Run,
    overrides: Sequence[str] = (),
    levels: Sequence[float] | None = None,
    progress: Progress = silent,
) -> list[Row]:
    """Search a path for every pair and level of a trained run; returns the rows asked for: with
    `pairs: tree`, those there are (`Run.tree` has why there are no more).

    overrides: `connect.key=value` over the run's config; other settings are another set of rows
    beside the first (those of `compute` are not). Rows that are there already are not searched
    again; an unfinished search is resumed with the same result. Raises ConfigError, RunError
    (training not finished, damaged files, a task that no longer gives the recorded losses, a run in
    use), OSError (disk).
    """
    own = config_of(run)
    config = revised(own, overrides)
    settings, name = config.connect, set_name(config.connect)
    pairs = pair_list(settings.pairs, config.train.models)
    chosen = config.chosen_levels(levels)
    if run.stage_status("train") != "done":
        raise RunError(f"{run.directory}: training is not finished; `lscape train` resumes it")
    asked = {(level, *pair) for level in chosen for pair in pairs}

    def wanted(rows: list[Row]) -> list[Row]:
        return [r for r in rows if r["set"] == name and (r["level"], r["a"], r["b"]) in asked]

    if settings.pairs == "tree":
        complete = tree_is_complete(run, config, chosen)
    else:
        complete = len(wanted(run.rows())) == len(asked) and not _links(run, config, chosen, pairs)
    if complete and not _unfinished(run, name, chosen):
        log.info(f"{run.directory}: {name} is already finished for these pairs, nothing to do")
        return wanted(run.write_results())
    with run.stage(f"connect {name}"):
        run.keep_changes(name, changes(own, config, "connect"))
        context = ConnectContext(run, config, name, progress)
        used = settings.model_copy(update={"optimizer": context.optimizer})
        write_bytes(run.settings_file(name), dump_section(used).encode())
        context.given = given_paths(config, context.landscape, context.ends, chosen, pairs)
        if settings.pairs == "tree":
            connect_tree(context, chosen, progress)
        else:
            for level in chosen:
                context.connect_level(level, pairs, progress)
                context.chain(_links(run, config, [level], pairs, below=False), progress)
            for level in reversed(chosen):
                context.chain(_links(run, config, [level], pairs), progress)
        rows = run.write_results()
    return wanted(rows)


def tree_of(
    run: Run, overrides: Sequence[str] = (), levels: Sequence[float] | None = None
) -> list[dict[str, Any]]:
    """With `pairs: tree`, the records of the levels asked for of the set that `connect` made: what
    was searched and joined (`topology.tree_record`). Otherwise []. Raises ConfigError, RunError."""
    config = revised(config_of(run), overrides)
    chosen = config.chosen_levels(levels)
    records = run.tree(set_name(config.connect)) if config.connect.pairs == "tree" else []
    return [record for record in records if record["level"] in chosen]


def _unfinished(run: Run, name: str, levels: Sequence[float]) -> bool:
    return any(run.search_file(name, level).exists() for level in levels)


class Link(NamedTuple):
    """A pair that was missed at a level, and its string of another level to begin from."""

    missed: Row
    found: Row


def _links(
    run: Run, config: Config, levels: Sequence[float], pairs: Sequence[Pair], below: bool = True
) -> list[Link]:
    """What `connect.chain` has still to do: each pair missed begins anew from its string at the
    nearest level above that has one; if that misses as well, or there is none, from below."""
    settings = config.connect
    if not settings.chain or settings.method != "dss":
        return []
    name = set_name(settings)
    rows = {(r["a"], r["b"], r["level"]): r for r in run.rows() if r["set"] == name}
    links = []
    for level, (a, b) in itertools.product(levels, pairs):
        row = rows.get((a, b, level))
        if row is None or row["status"] not in (Status.NOT_FOUND, Status.STUCK):
            continue
        found = [
            r for key, r in rows.items() if key[:2] == (a, b) and r["status"] == Status.CONNECTED
        ]
        above = [r for r in found if r["level"] > level and row["chained_from"] is None]
        under = [r for r in found if r["level"] < level and (row["chained_from"] or level) >= level]
        if above:
            links.append(Link(row, min(above, key=lambda r: r["level"])))
        elif under and below:
            links.append(Link(row, max(under, key=lambda r: r["level"])))
    return links


def group_size(parameters: int, config: Config) -> int:
    """How many strings are searched together, so that memory does not grow with the pairs."""
    scalar = 8 if config.compute.precision == "float64" else 4
    return max(
        1, devices.memory() // SHARE_OF_STRINGS // (parameters * scalar * config.connect.max_beads)
    )


class ConnectContext:
    """What is compiled once for a set: the descender and the profiler.

    landscape: the config's, where it is built already.
    """

    def __init__(
        self,
        run: Run,
        config: Config,
        name: str,
        progress: Progress,
        landscape: Landscape | None = None,
    ) -> None:
        self.run, self.config, self.name = run, config, name
        self.settings = settings = config.connect
        self.landscape = landscape = landscape or build_landscape(config, progress)
        if not trees.matching(landscape.shapes, settings.length_over):
            allowed = ", ".join(landscape.shapes)
            raise config.problem(
                "connect.length_over", f"'{settings.length_over}' matches none of: {allowed}"
            )
        check_hypotheses(config, landscape)
        self.optimizer = bead_optimizer(config, landscape)
        self.descend = functools.cache(build_beads(config, landscape, self.optimizer))
        self.peaks = memoized(segment_evaluator(landscape, settings.grid))
        self.seed = config.seed if settings.seed is None else settings.seed
        self.ends = Ends(run, config, landscape)
        self.given: Mapping[tuple[float, Pair], Arrays] = {}
        self.group = group_size(trees.size(landscape.shapes), config)

    def method(self, at: LevelSpec, max_rounds: int | None = None) -> Method:
        """The search at a level; max_rounds over the settings' own."""
        find = self._bound(self.settings.method, at, max_rounds)
        if self.settings.start in HYPOTHESES:
            return warm_start(self._bound(self.settings.start, at), find)
        return find

    def _bound(self, name: str, at: LevelSpec, max_rounds: int | None = None) -> Method:
        return METHODS[name](
            landscape=self.landscape,
            grid=self.settings.grid,
            descend=self.descend,
            peaks=self.peaks,
            band=at,
            seed=self.seed,
            insert=self.settings.insert,
            first_midpoint=self.settings.first_midpoint,
            max_rounds=self.settings.max_rounds if max_rounds is None else max_rounds,
            max_beads=self.settings.max_beads,
            jitter=self.settings.jitter,
            retries=self.settings.retries,
            zeta=self.settings.zeta,
            kappa=self.settings.kappa,
        )

    def band(self, level: float) -> LevelSpec:
        return LevelSpec(level, self.settings.target, self.settings.tolerance)

    def connect_level(self, level: float, pairs: Sequence[Pair], progress: Progress) -> None:
        at = self.band(level)
        checkpoints = Checkpoints(self.run.search_file(self.name, level))
        before = kept(checkpoints, Searching)
        if before is not None:  # a group that was interrupted is finished first, as it was
            search = unpacked(before)
            self._search_group(at, search, checkpoints, len(search.strings), 0, progress)
        done = {
            (a, b) for a, b in pairs if self.run.connection_file(self.name, level, a, b).exists()
        }
        ready = []
        for a, b in sorted(set(pairs) - done):
            if self.ends.reached(a, level) and self.ends.reached(b, level):
                ready.append((a, b))
            else:
                self._save_unreached(level, a, b)
        for first in range(0, len(ready), self.group):
            group = ready[first : first + self.group]
            search = Search([self._begin(level, pair) for pair in group])
            self._search_group(at, search, checkpoints, len(ready), first, progress)

    def _begin(self, level: float, pair: Pair) -> String:
        """The string of a pair, from the path that was given or the straight line."""
        name = "-".join(map(str, pair))
        if (level, pair) in self.given:
            return String(name, self.given[level, pair])
        return start(name, *(self.ends.params(model, level) for model in pair))

    def chain(self, links: list[Link], progress: Progress) -> None:
        """Begin the pairs of a level that were missed anew, from a string of another level; their
        rows replace the old ones and include what those took."""
        if not links:
            return
        level = links[0].missed["level"]
        checkpoints = Checkpoints(self.run.search_file(self.name, level))
        for first in range(0, len(links), self.group):
            strings = []
            for missed, found in links[first : first + self.group]:
                a, b = missed["a"], missed["b"]
                points = self.run.load_connection(found)[0]
                ends = self.ends.params(a, level), self.ends.params(b, level)
                string = chained(f"{a}-{b}", *ends, points, found["level"])
                string.grad_evals, string.seconds = missed["grad_evals"], missed["seconds"]
                strings.append(string)
            search = Search(strings)
            self._search_group(self.band(level), search, checkpoints, len(links), first, progress)

    def _search_group(
        self,
        at: LevelSpec,
        search: Search,
        checkpoints: Checkpoints,
        total: int,
        before: int,
        progress: Progress,
    ) -> None:
        """Search, judge, keep. The rows of a group are written only when all of it is decided,
        so that a resumed group has the same strings in its batches."""
        stage = f"connecting at {at.level:g}"

        def state() -> dict[str, Any]:
            return packed(search)

        method = self.method(at)
        told = {string.name: len(string.frames) for string in search.strings}
        progress(stage, before, total)
        for stepped in steps(method, search):
            search = stepped
            self._tell_rounds(at, search, told)
            checkpoints.keep(state)
            ended = [s for s in search.strings if s.ended is not None]
            progress(
                stage,
                before + min(len(ended), len(search.strings) - 0.01),
                total,
                **_facts(search, before, total),
            )
        checkpoints.keep(state, now=True)
        connected = 0
        for number, string in enumerate(search.strings):
            self._give_back_ends(string, at.level)
            connection = judge(string, self.peaks, at, self.settings.length_over)
            row = _row(self.config, self.name, at, connection)
            profile = connection.certificate.profile
            frames = search_history(string, connection.certificate, at.level)
            self.run.save_connection(row, string.points, profile, frames)
            self.run.append_events(self.name, [_verdict_event(row)])
            connected += connection.status is Status.CONNECTED
            progress(
                stage,
                before + number + 1,
                total,
                pairs=f"{before + number + 1}/{total}",
                connected=connected,
                beads=max(trees.count(s.points) for s in search.strings),
            )
        self.run.write_results()
        checkpoints.drop()

    def _give_back_ends(self, string: String, level: float) -> None:
        """Whatever a method has made of them, the string is judged between the models."""
        for end, model in zip((0, -1), string.name.split("-"), strict=True):
            params = self.ends.params(int(model), level)
            if any(not np.array_equal(leaf[end], params[k]) for k, leaf in string.points.items()):
                string.points = {name: np.array(leaf) for name, leaf in string.points.items()}
                for name, leaf in string.points.items():
                    leaf[end] = params[name]

    def _tell_rounds(self, at: LevelSpec, search: Search, told: dict[str, int]) -> None:
        events = []
        for string in search.strings:
            if len(string.frames) != told[string.name]:
                told[string.name] = len(string.frames)
                number, level, highest, place = map(float, string.frames[-1]["facts"])
                persisted = string.known.get("persisted")
                events.append(
                    {
                        "event": "round",
                        "level": at.level,
                        "pair": string.name,
                        "round": _whole(number),
                        "instantaneous_level": level,
                        "beads": trees.count(string.points),
                        "grad_evals": string.grad_evals,
                        "highest": highest,
                        "highest_at": place,
                    }
                    | ({} if persisted is None else {"persisted": _whole(persisted.max())})
                )
        self.run.append_events(self.name, [finite(event) for event in events])

    def _save_unreached(self, level: float, a: int, b: int) -> None:
        missed = [model for model in (a, b) if not self.ends.reached(model, level)]
        who = " and ".join(f"model {model}" for model in missed)
        records = [self.ends.records[model] for model in missed]
        why = "; ".join(
            f"model {r['model']}: {why_missed(r['steps'], r['value'])}" for r in records
        )
        row = _empty_row(self.config, self.name, level, a, b)
        row |= {
            "status": Status.LEVEL_NOT_REACHED,
            "grad_evals": 0,
            "reason": f"{who} did not reach the level in training ({why})",
        }
        shapes = self.landscape.shapes.items()
        no_beads = {name: np.zeros((0, *shape.shape), shape.dtype) for name, shape in shapes}
        self.run.save_connection(row, no_beads, np.zeros((0, 2)), {})
        self.run.append_events(self.name, [_verdict_event(row)])


class Ends:
    """The end points of a run, read once, checked against the losses recorded for them."""

    def __init__(self, run: Run, config: Config, landscape: Landscape) -> None:
        self._run, self._landscape = run, landscape
        self.records = {record["model"]: record for record in run.models()}
        self._reached = {
            (record["model"], entry["level"])
            for record in self.records.values()
            for entry in record["levels"]
            if entry["status"] == "REACHED"
        }
        self._files: dict[tuple[int, float], Arrays] = {}
        self._check(config)

    def reached(self, model: int, level: float) -> bool:
        return (model, level) in self._reached

    def levels(self, model: int) -> list[float]:
        """The levels that a model met."""
        return [level for m, level in self._reached if m == model]

    def params(self, model: int, level: float) -> Arrays:
        path = self._run.model_file(model, level)
        return check_and_cast_params(load_arrays(path)[0], self._landscape, path)

    def _check(self, config: Config) -> None:
        """The task must still give what it gave in training: code and data can change."""
        level_of = each(self._landscape.level)
        for model in range(config.train.models):
            mine = sorted(self.levels(model))
            if not mine:
                continue
            path = self._run.model_file(model, mine[0])
            arrays, record = load_arrays(path, EndPoint)
            params = check_and_cast_params(arrays, self._landscape, path)
            value = float(level_of(trees.stack([params]))[0])
            if not np.isclose(value, record["value"], rtol=1e-3, atol=1e-6):
                raise RunError(
                    f"{path}: the task now gives {value:.6g} where {record['value']:.6g} was "
                    "recorded: its code or data have changed since training"
                )


def _facts(search: Search, before: int, total: int) -> dict[str, Any]:
    ended = [s for s in search.strings if s.ended is not None]
    seen = [upper for s in search.active for upper in s.known.get("upper", ())]
    worst = [float(upper) for upper in seen if np.isfinite(upper)]
    facts: dict[str, Any] = {
        "pairs": f"{before + len(ended)}/{total}",
        "connected": sum(s.ended == Status.CONNECTED for s in ended),
        "beads": max(trees.count(s.points) for s in search.strings),
    }
    return facts | ({"worst": max(worst)} if worst else {})


def _whole(number: float) -> int | None:
    return int(number) if np.isfinite(number) else None


def _empty_row(config: Config, name: str, level: float, a: int, b: int) -> Row:
    row: Row = dict.fromkeys(COLUMNS)
    task = config.task.name or config.task.factory
    known = {"task": task, "method": config.connect.method, "level": level, "a": a, "b": b}
    return row | known | {"set": name, "reason": ""}


def _row(config: Config, name: str, at: LevelSpec, connection: Connection) -> Row:
    string = connection.string
    a, b = map(int, string.name.split("-"))
    return _empty_row(config, name, at.level, a, b) | {"limit": at.limit} | connection.record()


def _verdict_event(row: Row) -> dict[str, Any]:
    keys = ("level", "a", "b", "status", "reason", "beads", "rounds", "grad_evals", "max_loss")
    facts = {"facts": row["facts"]} if "facts" in row else {}
    return {"event": "verdict", **{key: row[key] for key in keys}, **facts}

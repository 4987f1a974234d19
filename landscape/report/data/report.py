"""What was found in run directories: a summary by level, as data, as CSV and as a page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from statistics import fmean
from typing import Any

from landscape.analysis.summary import UNREACHED
from landscape.analysis.topology import describe
from landscape.report.data.against import Published, compare
from landscape.report.data.alignments import alignments_of
from landscape.report.data.comparisons import comparison_records
from landscape.report.data.costs import costs_of
from landscape.report.data.known import Known, best_known_of, by_place, known_of, levels_of
from landscape.report.data.measured import measures_of
from landscape.report.data.missing import gone_said, missing_of, missing_said
from landscape.report.data.verdicts import claims_of
from landscape.store.files import table_text
from landscape.store.records.models import WIDER, ModelRecord
from landscape.store.records.strings import StringRecord, between_models
from landscape.store.run import Run

STRAIGHT = "straight"  # the method


def report(
    runs: Sequence[Run],
    published: Sequence[Published] = (),
    known_paths: Sequence[Sequence[Known]] | None = None,
) -> dict[str, Any]:
    """{runs, levels, alignments, best_known, claims, costs, comparisons, topology, measured,
    missing, against, notes} of runs, as strict JSON data.

    runs: one record a run, its directory, task, metric, split, levels, models and meta.json's
    facts; levels: `levels_of`'s records, alignments: `alignments_of`'s, best_known:
    `best_known_of`'s, claims: `claims_of`'s, costs: `costs_of`'s, comparisons:
    `comparison_records`'s, topology: `landscape.analysis.topology.describe`'s, with the same of
    all rows, those of aligned pairs among them, as `modulo_permutations`, None without such, and
    there by what they are aligned, as `aligned_by`: by `weights-and-scales`, signs and scales of
    units are changed, too;
    measured: `measures_of`'s, missing: `missing_of`'s, each with its `run`; against: `compare`'s,
    with the published figures of the task that a run's config is named after; notes: what could
    mislead a reader.
    known_paths: `known_of` each run, where that is read already.
    Raises RunError for damaged or altered files.
    """
    counts = Counter(run.directory.name for run in runs)
    described, levels, alignments, best, claims, costs = [], [], [], [], [], []
    comparisons = []
    topologies, missing, notes = [], [], []
    measured: dict[str, list[Any]] = {
        kind: [] for kind in ("strings", "minima", "parts", "top", "also")
    }
    for run, known in zip(runs, known_paths or map(known_of, runs), strict=True):
        name = run.directory.name
        name = name if counts[name] == 1 else str(run.directory)
        rows = run.rows()
        about = _about(run, name)
        described.append(about)
        alignments += [{"run": name, **one} for one in alignments_of(run.alignments())]
        between = between_models(rows)
        topology = describe(_trained(run), between, run.snapshots(), run.barriers())
        is_aligned = len(between) < len(rows)
        modulo = _modulo_permutations(run, rows) if is_aligned else None
        topologies.append({"run": name, **topology, "modulo_permutations": modulo})
        levels += [{"run": name, **level} for level in levels_of(rows, known)]
        best += [{"run": name, **record} for record in best_known_of(known)]
        unaligned = [one for one in known if one.align is None]
        claims += [{"run": name, **c} for c in claims_of(unaligned, topology)]
        costs += [{"run": name, **c} for c in costs_of(rows, run.string_measures())]
        comparisons += [{"run": name, **one} for one in comparison_records(run)]
        for kind, records in measures_of(run, by_place(known)).items():
            measured[kind] += [{"run": name, **record} for record in records]
        prefix = f"{name}: " if len(runs) > 1 else ""
        lost = missing_of(run)
        missing += [{"run": name, **record} for record in lost]
        said = [*map(missing_said, lost), *gone_said(run), *_notes(run, about, rows, topology)]
        notes += [prefix + note for note in said]
    configs = {about["run"]: about["config"] for about in described}
    against = compare(levels, [configs[level["run"]] for level in levels], published)
    unmatched = {about["config"] for about in described} - {r["published"] for r in against}
    if published and unmatched:
        known = ", ".join(sorted({theirs["task"] for theirs in published}))
        notes.append(
            f"nothing published for the levels of {', '.join(sorted(unmatched))} (tasks: {known})"
        )
    for key in ("task", "metric", "split"):
        found = sorted({str(about[key]) for about in described})
        if len(found) > 1:
            notes.append(f"these runs differ in {key}: {', '.join(found)}")
    return {
        "runs": described, "levels": levels, "alignments": alignments, "best_known": best,
        "claims": claims, "costs": costs, "comparisons": comparisons, "topology": topologies,
        "measured": measured, "missing": missing, "against": against, "notes": notes,
    }  # fmt: skip


def _modulo_permutations(run: Run, rows: Sequence[StringRecord]) -> dict[str, Any]:
    """The topology of networks modulo symmetries: a path to an aligned model joins what it was
    before that, too."""
    barriers = [*run.barriers(), *run.aligned_barriers()]
    found = describe(_trained(run), rows, run.snapshots(), barriers)
    return found | {"aligned_by": sorted({row.align for row in rows if row.align is not None})}


def _trained(run: Run) -> list[ModelRecord]:
    """The records of the models, where training has written any."""
    return run.models() if run.stage_status("train") == "done" else []


def _about(run: Run, name: str) -> dict[str, Any]:
    config = run.config()
    task, meta = config["task"], run.meta()
    facts = ("status", "stages", "device", "versions", "commit", "command", "parameters")
    return {
        "run": name,
        "directory": str(run.directory),
        "config": run.directory.name.rpartition("-")[0],
        "task": task.get("name") or task.get("factory"),
        "metric": config["levels"]["metric"],
        "split": config["levels"]["split"],
        "levels": config["levels"]["values"],
        "models": config["train"]["models"],
        **{fact: getattr(meta, fact) for fact in facts},
    }


STATE = {
    "recompute": "are recomputed at every point of a path, from {samples:,} training samples",
    "stored": "are those of the networks' own files",
    "interpolate": "are interpolated between the ends, as if they were parameters",
}
SHOWN = 8  # networks of which it is said how they were compared


def _state_notes(run: Run, metric: str) -> list[str]:
    """Where running statistics come from, and what networks trained elsewhere lose by that."""
    notes, state = [], run.meta().state
    if state is not None:
        said = STATE[state.policy].format(samples=state.samples)
        notes.append(f"running statistics {said} (task.state: {state.policy})")
    given = [model.given for model in run.models() if model.given is not None]
    notes += [one.said(metric) for one in given[:SHOWN]]
    if len(given) > SHOWN:
        notes.append(f"{len(given) - SHOWN} more networks were compared (models.json)")
    return notes


def _notes(
    run: Run,
    about: dict[str, Any],
    rows: Sequence[StringRecord],
    topology: dict[str, Any],
) -> list[str]:
    notes = []
    for stage, status in about["stages"].items():
        if status != "done":
            notes.append(f"{stage} is {status}; the same command resumes it")
    if about["stages"].get("train") != "done":
        return notes
    notes += _state_notes(run, about["metric"])
    missed: Counter[float] = Counter()
    for model in run.models():
        missed.update(e.level for e in model.levels if e.status != "REACHED")
    for level, count in missed.items():
        notes.append(f"{count} of {about['models']} models did not reach {level:g}")
    lost = [model.steps for model in run.models() if model.status == "NON_FINITE"]
    if lost:
        count = f"{len(lost)} of {about['models']} models became non-finite"
        notes.append(f"{count} in training, the first by step {min(lost)}: {WIDER}")
    if any(row.status == UNREACHED for row in rows):
        notes.append("pairs of models that did not reach a level are left out of its share")
    if coinciding := sum(row.chord == 0 for row in rows):
        notes.append(
            f"{coinciding} strings have ends that coincide: they have no normalised length"
        )
    for name in run.sets():
        over = run.length_over(name)
        if over != "*":
            notes.append(f"{name}: lengths and chords are over the parameters {over} only")
    said_of = {row.level for row in rows} | {level["level"] for level in topology["levels"]}
    for name in run.sets():
        if tree := run.tree(name):
            said_of |= {record.level for record in tree}
            searched, pairs = sum(one.searched for one in tree), sum(one.pairs for one in tree)
            notes.append(
                f"{name}: pairs were chosen to connect what was not yet ({searched} of {pairs} "
                "pairs and levels searched): shares, lengths and beads are of these, not of all"
            )
    notes += _on_straight_lines(rows, about["metric"])
    if not rows:
        notes.append("no pair has been tried yet; `lscape connect` does")
    elif not any(row.status == "CONNECTED" for row in rows):
        notes.append("no pair was connected: there are no lengths and no curvatures")
    untried = [level for level in about["levels"] if level not in said_of]
    if rows and untried:
        levels = ", ".join(f"{level:g}" for level in untried)
        notes.append(f"no pair has been tried at {levels}, of which nothing is said")
    if len(about["levels"]) == 1:
        notes.append("one level only: nothing can be set against the level")
    same = sum(row.status == "CONNECTED" and row.chord == 0 for row in rows)
    if same:
        notes.append(
            f"the ends of {same} connected pairs and levels coincide: they are in no mean of "
            "normalised lengths"
        )
    loose = sorted({(row.level, row.limit) for row in rows if row.limit is not None})
    if any(limit > level for level, limit in loose):
        limits = ", ".join(f"{limit:g} at {level:g}" for level, limit in reversed(loose))
        notes.append(f"tolerance is above 1: a path may rise above its level, to {limits}")
    return notes + _verified(run, rows)


def _on_straight_lines(rows: Sequence[StringRecord], metric: str) -> list[str]:
    """How high the metric is on the straight lines between models, where `straight` has looked."""
    highest: dict[float, dict[tuple[int, int], StringRecord]] = {}
    for row in between_models(rows):
        looked = row.max_loss is not None and row.barrier is not None
        if row.method == STRAIGHT and row.beads == 2 and looked:
            highest.setdefault(row.level, {}).setdefault((row.a, row.b), row)
    said = []
    for level, own in highest.items():
        losses, barriers = (
            [getattr(one, key) for one in own.values()] for key in ("max_loss", "barrier")
        )
        mean = f"{fmean(losses):.4g}" + f" on average ({len(own)} pairs)" * (len(own) > 1)
        most = f", at most {max(losses):.4g}" * (len(own) > 1)
        said.append(f"{mean}{most}, a barrier of {fmean(barriers):.4g}, at {level:g}")
    return [f"on straight lines the {metric} rises to {'; '.join(said)}"] * bool(said)


def _verified(run: Run, rows: Sequence[StringRecord]) -> list[str]:
    """What `lscape verify` found that does not hold, and what is left out."""
    barriers = [*run.barriers(), *run.aligned_barriers()]
    judged = {"strings": rows, "models' own paths": run.snapshots(), "barriers": barriers}
    counts = {
        what: sum("verify at grid" in record.reason for record in records)
        for what, records in judged.items()
    }
    lost = ", ".join(f"{count} {what}" for what, count in counts.items() if count)
    notes = [f"lscape verify downgraded {lost} on a finer grid"] * bool(lost)
    for why, count in run.measures_left_out().items():
        notes.append(f"what was measured of {count} strings is left out: {why}")
    return notes


def levels_csv(report: dict[str, Any]) -> str:
    """The report's levels as CSV, one line a level; a mean and its errors are spread over
    columns."""
    lines = []
    for level in report["levels"]:
        line = {key: value for key, value in level.items() if not isinstance(value, dict | list)}
        line["share_low"], line["share_high"] = level["share_interval"]
        for key in ("normalized_length", "beads"):
            own = dict(level[key])
            for part, value in own.pop("method_error", {}).items():
                own[f"method_error_{part}"] = value
            line |= {f"{key}_{part}": value for part, value in own.items()}
        line["statuses"] = " ".join(f"{n} {name}" for name, n in level["statuses"].items())
        lines.append(line)
    return table_text(list(lines[0]) if lines else ["level"], lines)

"""A sweep: every combination its own run, resumed, and reported together."""

# pyright: reportArgumentType=false, reportCallIssue=false, reportOptionalOperand=false
# a number that a record leaves out fails a test without that

import csv
import io
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from landscape.config.load import ConfigError, load_config, load_sweep, run_name, sweep_name
from landscape.config.naming import set_name
from landscape.measures.lanczos import CLOSE
from landscape.report.data import sweep as sweep_module
from landscape.report.data.series import rates_of
from landscape.report.data.sweep import sweep_report
from landscape.report.page.sweep_page import rates_said, sweep_csv, sweep_table, write_sweep_html
from landscape.stages import sweep
from landscape.stages.build import build_landscape
from landscape.stages.check import check_sweep
from landscape.store.files import RunError, load_arrays
from landscape.store.records.base import made
from landscape.store.records.models import BoundRankOne, FinalStateRecord, Side
from landscape.store.records.runs import Combination, SweepRecord
from landscape.store.records.strings import BarrierRecord
from landscape.store.run import open_run
from landscape.store.sweeps import open_sweep
from tests import pages

TEXT = """\
task: {factory: "ring_task:ring"}
train: {models: 3, learning_rate: 1e-2, max_steps: 3000}
levels: {values: [0.1, 0.01]}
connect: {max_steps_per_bead: 500}
sweep:
  over:
    task.radius: [0.5, 1.0, 2.0]
    connect.method: [straight, dss]
  measures: [share, excess, final_loss, reached]
  rate: true
"""


@pytest.fixture
def config(workplace):
    def write(text=TEXT):
        (workplace / "rings.yaml").write_text(text)
        return workplace / "rings.yaml"

    return write


def record_of(directory):
    found = open_sweep(directory)
    assert found is not None
    return found


def test_the_grid_is_every_combination_in_order(config):
    found = load_sweep(config())
    assert found is not None and [values for values, _ in found.runs] == [
        {"task.radius": radius, "connect.method": method}
        for radius in (0.5, 1.0, 2.0)
        for method in ("straight", "dss")
    ]
    for values, own in found.runs:
        assert own.task.keys["radius"] == values["task.radius"]
        assert own.connect.method == values["connect.method"]
    names = [run_name(own) for _, own in found.runs]
    assert names[0] == names[1] and len(set(names)) == 3  # a search is no part of a run's name
    assert names[0].startswith("radius-0.5-")
    only = load_sweep(config(), ["connect.grid=20"])
    assert only is not None and sweep_name(only) == sweep_name(found)
    assert load_sweep(config(TEXT[: TEXT.index("sweep:")])) is None


@pytest.mark.parametrize(
    ("text", "overrides", "words"),
    [
        (TEXT.replace("radius: [0.5", "radius: [a"), (), "rings.yaml:7: sweep.over: task.radius"),
        (TEXT.replace("task.radius", "task.radios"), (), "did you mean 'radius'"),
        (TEXT.replace("[0.5, 1.0, 2.0]", "[]"), (), "rings.yaml:7: sweep.over.task.radius"),
        (TEXT.replace("[0.5, 1.0, 2.0]", "[1.0, 1.0]"), (), "more than once"),
        (TEXT.replace("rate: true", "rites: true"), (), "unknown key; did you mean 'rate'"),
        (TEXT, ("task.radius=3",), "task.radius is swept over"),
        (TEXT.replace("max_steps: 3000", "max_step: 3"), (), "rings.yaml:2: train.max_step"),
    ],
)
def test_mistakes_name_their_place(config, text, overrides, words):
    with pytest.raises(ConfigError, match=words.replace("(", r"\(")):
        load_sweep(config(text), overrides)


def test_a_mistake_of_some_combinations_names_one_of_them(config):
    text = TEXT.replace("connect.method: [straight, dss]", "connect.pairs: [all, 0-7, disjoint]")
    with pytest.raises(
        ConfigError, match=r"no pair 0-7.*\(in the combination radius 0.5, pai"
    ) as e:
        load_sweep(config(text))
    assert len(e.value.problems) == 1 and "and 2 more" in e.value.problems[0]


def test_every_combination_is_checked(config):
    found = load_sweep(config())
    assert found is not None
    checked = check_sweep(found)
    assert [one["values"] for one in checked] == [values for values, _ in found.runs]
    trained = [one["train_seconds"] > 0 for one in checked]
    assert trained == [True, False] * 3  # the straight line and the search share their end points
    wrong = load_sweep(config(TEXT.replace("dss]", "linear-network]")))
    assert wrong is not None
    with pytest.raises(ConfigError, match=r"^radius 0\.5, method linear-network: .*dense layers"):
        check_sweep(wrong)


def test_other_commands_say_that_these_are_several_runs(config):
    with pytest.raises(ConfigError, match=r"rings\.yaml:5: sweep: these are several runs"):
        load_config(config())
    assert load_config(config(), ["sweep=null"]).name == "rings"


def test_a_sweep_is_run_resumed_and_reported(config, monkeypatch):
    found = load_sweep(config())
    assert found is not None
    made, stages = [], []
    original = sweep.train

    def interrupted(own, *arguments):
        made.append(own.name)
        if len(made) == 4:
            raise KeyboardInterrupt
        return original(own, *arguments)

    monkeypatch.setattr(sweep, "train", interrupted)
    with pytest.raises(KeyboardInterrupt):
        sweep.sweep(found)
    begun = open_sweep(sweep_name(found))
    assert begun is not None
    report = sweep_report(*begun)
    assert len(report["notes"]) == 3 and "task" not in report["notes"][0]
    assert "radius 1.0, method dss: unfinished" in report["notes"][0]
    assert "radius 2.0, method straight: not run yet" in report["notes"][1]

    def progress(stage, done, total, **facts):
        stages.append(stage)

    directory, rows = sweep.sweep(found, progress=progress)
    assert len(rows) == 6 * 2 * 3
    assert not any(stage.startswith("1/6 training") for stage in stages)  # it was finished
    assert any(stage.startswith("5/6 training") for stage in stages)
    before = {path: path.read_bytes() for path in directory.rglob("*.safetensors")}
    sweep.sweep(found)
    assert {path: path.read_bytes() for path in directory.rglob("*.safetensors")} == before

    assert not [*directory.rglob("lower_bounds.json")], "the theory was not asked for"
    report = sweep_report(*record_of(directory))
    assert len(report["records"]) == 6 * 2
    for record in report["records"]:
        own = open_run(directory / record["run"])
        (entry,) = (own_ for values, own_ in found.runs if values == record["values"])
        assert record["set"] == set_name(entry.connect)
        mine = [
            row for row in own.rows() if (row.set, row.level) == (record["set"], record["level"])
        ]
        measures = record["measures"]
        assert measures["share"]["mean"] == np.mean([row.status == "CONNECTED" for row in mine])
        above = [row.max_loss - max(row.loss_a, row.loss_b) for row in mine]
        assert measures["excess"]["mean"] == pytest.approx(np.mean(above))
        assert measures["reached"]["mean"] == 1 and measures["reached"]["n"] == 3
        ends = [model.value for model in own.models()]
        assert measures["final_loss"]["mean"] == pytest.approx(np.mean(ends))

    lines = list(csv.DictReader(io.StringIO(sweep_csv(report))))
    assert len(lines) == 12 and lines[0]["task.radius"] == "0.5"
    assert float(lines[0]["share_low"]) < 1 and lines[0]["tried"] == "3"
    assert json.loads(json.dumps(report, allow_nan=False)) == report
    page = write_sweep_html(directory, report).read_text()
    assert page.count("<svg") == 4 and "task.radius" in page


def test_rates_are_the_slopes_of_the_logarithms():
    def record(width, inputs):
        gap = {"mean": 3 * width ** (-1 / inputs), "se": None, "n": 1, "clustered": None}
        values = {"task.hidden": [width], "task.inputs": inputs}
        return {"values": values, "level": 0.1, "measures": {"excess": gap}}

    over = {"task.hidden": [[2], [4], [8], [16]], "task.inputs": [2, 4]}
    records = [record(w[0], n) for w in over["task.hidden"] for n in over["task.inputs"]]
    report = {"over": over, "records": records, "measures": ["excess"]}
    found = rates_of(report, "excess")
    assert [(r["line"], round(r["rate"], 9)) for r in found] == [
        ("inputs 2", -0.5),
        ("inputs 4", -0.25),
    ]
    assert rates_said({"rates": found})[0].startswith("excess ∝ hidden^(-0.50 ± 0.00) for inputs 2")


def test_a_measure_that_no_run_has(config):
    found = load_sweep(config(TEXT.replace("final_loss", "lenght")), ["train.max_steps=10"])
    assert found is not None
    small = type(found)(found.name, found.sweep, found.runs[:1])
    directory, _ = sweep.sweep(small)
    with pytest.raises(RunError, match=r"measure 'lenght' \(allowed: beads, bound"):
        sweep_report(*record_of(directory))


SWAPPED = """\
task: {name: regression, target: rectified-inputs, inputs: 2, outputs: 2, design: circle,
       samples: 100}
train: {models: 4, learning_rate: 1e-2, max_steps: 3000, endpoints: permuted,
        permute: {units: [1, 0], axes: {Dense_0.kernel: 1, Dense_1.kernel: 0}}}
levels: {values: [0.6, 0.2]}
connect: {pairs: disjoint, max_rounds: 3, max_steps_per_bead: 200}
measure: {shorten: false, hessian: false, steps: 100}
compute: {precision: float64}
sweep:
  over:
    task.hidden, train.permute.units: [[[2], [1, 0]], [[3], [1, 0, 2]]]
  measures: [lowest_max, gap, lowered_gap, poor, minima, share]
  theory: swapped-teacher
"""


def test_what_the_theory_proves_and_what_is_measured(config):
    found = load_sweep(config(SWAPPED))
    assert found is not None
    unmeasured = sweep.sweep(found, measured=False)[0]
    assert all(r["measures"]["minima"] is None for r in report_of(unmeasured)["records"])
    directory, _ = sweep.sweep(found)
    report = report_of(directory)
    two = [r for r in report["records"] if r["values"]["task.hidden"] == [2]]
    assert {r["level"] for r in two} == {0.6, 0.2}
    assert all(r["apart"] is None for r in report["records"] if r not in two)
    for record in two:
        apart = record["apart"]
        assert apart["name"] == "rank one" and apart["height"] == pytest.approx(0.3987, abs=2e-3)
        assert apart["pairs"] == 2 and apart["below"] == 0 and apart["shortfall"] == 0
        assert record["measures"]["lowest_max"]["mean"] >= apart["height"]
        gap, lowered = (record["measures"][key]["mean"] for key in ("gap", "lowered_gap"))
        assert gap >= lowered > apart["height"] - 0.2  # above ends that are at most at .2
    page = write_sweep_html(directory, report).read_text()
    assert "What was found" in page and "the least of the scan" in page


def report_of(directory):
    return sweep_report(*record_of(directory))


def test_where_training_ended(config):
    text = SWAPPED.replace("[0.6, 0.2]", "[0.6, 1e-12]").replace("max_steps: 3000", "max_steps: 50")
    found = load_sweep(config(text))
    assert found is not None
    directory, _ = sweep.sweep(type(found)(found.name, found.sweep, found.runs[:1]))
    run = open_run(directory / report_of(directory)["records"][0]["run"])
    ends = run.final_states()
    assert [end.model for end in ends] == [0, 2]  # twins are no models of their own
    own = found.runs[0][1]
    landscape = build_landscape(own)
    for end in ends:
        params, record = load_arrays(run.last_file(end.model))
        assert end.value == pytest.approx(record["value"])
        names = sorted(params)

        def flat(x, params=params, names=names):
            sizes = np.cumsum([params[name].size for name in names])[:-1]
            parts = jnp.split(x, sizes)
            shaped = {n: p.reshape(params[n].shape) for n, p in zip(names, parts, strict=True)}
            return landscape.level(shaped)

        x = np.concatenate([params[name].ravel() for name in names])
        assert end.size == pytest.approx(np.linalg.norm(x))
        assert end.gradient == pytest.approx(np.linalg.norm(jax.grad(flat)(x)))
        values = np.linalg.eigvalsh(jax.hessian(flat)(x))
        assert end.smallest == pytest.approx(values[0], abs=1e-6 * values[-1])
        assert end.largest == pytest.approx(values[-1])
        values, vectors = np.linalg.eigh(jax.hessian(flat)(x))
        parts = np.square(vectors.T @ np.asarray(jax.grad(flat)(x)))
        curved = values > CLOSE * values[-1]
        assert curved.any() and not curved.all()
        newton = (parts[curved] / (2 * values[curved])).sum()  # ½gᵀH⁺g
        rest = np.sqrt(parts[~curved].sum()) * end.size
        assert end.gain == pytest.approx(newton + rest, rel=1e-4)


def test_the_threshold_of_the_hessian_is_the_reports():
    """Which does not import JAX."""
    assert sweep_module.CLOSE == CLOSE


@pytest.mark.parametrize(
    ("smallest", "error", "gain", "minimum"),
    [
        (-0.9e-3, 2e-4, 0.9e-2, True),
        (-1.3e-3, 2e-4, 0.9e-2, False),  # with its error below −CLOSE of the largest
        (-1.3e-3, 2e-3, 0.9e-2, False),  # not resolved to CLOSE of the largest
        (0.0, 2e-4, 1.1e-2, False),  # more than STILL of what the best is lower is left to fall
        (0.0, 2e-4, 0.9e-2, True),
    ],
)
def test_a_minimum_is_judged_by_two_thresholds(smallest, error, gain, minimum):
    end = made(
        FinalStateRecord, model=3, value=1.5, gain=gain, smallest=smallest, smallest_error=error,
        largest=10.0,
    )  # fmt: skip
    judged = sweep_module._judged(end, best=0.5)
    assert judged["minimum"] is minimum and judged["model"] == 3
    assert judged["bent"] == pytest.approx((smallest + error) / 10)


def test_a_share_is_of_the_pairs_that_were_tried():
    rows = [pages.row(0, 1, 0.1, status) for status in ("CONNECTED", "NOT_FOUND", "NOT_FOUND")]
    nothing = dict.fromkeys(("loss_a", "loss_b", "max_loss", "limit"))
    missed = pages.row(0, 1, 0.1, "LEVEL_NOT_REACHED", **nothing)
    level = {"beads": None}
    share = sweep_module._of_level(level, [*rows, missed, missed], [])["share"]
    assert share["mean"] == pytest.approx(1 / 3) and share["n"] == 3
    z = 1.959964
    middle, wide = (1 / 3 + z * z / 6) / (1 + z * z / 3), np.sqrt(2 / 27 + z * z / 36)
    reach = z * wide / (1 + z * z / 3)
    assert share["interval"] == pytest.approx([middle - reach, middle + reach], rel=1e-4)
    assert sweep_module._of_level(level, [missed], [])["share"] is None


def test_every_string_across_a_wall_is_held_to_it():
    """Also those that were not found connected, and lowered barriers."""
    sides = [Side(model=m, level=0.2, side=1 if m % 2 else -1) for m in range(4)]
    wall = BoundRankOne(height=0.4, facts={"angles": [], "scan": []}, sides=sides)

    def row(a, b, highest, status="NOT_FOUND"):
        return pages.row(a, b, 0.2, status, max_loss=highest, resolution=0.01 * highest)

    rows = [row(0, 1, 0.39), row(2, 3, 0.45), row(0, 2, 0.1, "CONNECTED")]
    apart = sweep_module._apart([wall], rows, [])
    assert apart is not None and (apart["pairs"], apart["below"], apart["connected"]) == (2, 1, 0)
    assert apart["shortfall"] == pytest.approx(0.01) and apart["lowest_max"] == 0.39
    assert apart["resolution"] == pytest.approx(0.0039)
    lowered = made(BarrierRecord, a=0, b=3, level_a=0.2, level_b=0.2, max_loss=0.38)
    apart = sweep_module._apart([wall], rows[1:], [lowered])
    assert apart is not None and apart["below"] == 0 and apart["shortfall"] == pytest.approx(0.02)


def test_a_sweeps_lengths_are_best_known_ones_beside_their_method_errors(run):
    """Of two searches of a pair the shorter path counts for both, and by how much the other is
    longer is its method error."""
    other = {"method": "bezier", "set": "bezier-1"}
    rows = [pages.row(0, 1, length=1.3), pages.row(2, 3, length=1.2)]
    pages.save(run, [*rows, pages.row(0, 1, length=1.25, **other)])
    entry = Combination(values={"task.hidden": [8]}, directory=run.directory.name, set="dss-1")
    made_of = SweepRecord(
        format=1, name="s", over={"task.hidden": [[8]]}, measures=["normalized_length", "share"],
        chart="lines", rate=False, theory=None, runs=[entry],
    )  # fmt: skip
    found = sweep_report(run.directory.parent, made_of)
    (record,) = found["records"]
    length = record["measures"]["normalized_length"]
    assert length["mean"] == pytest.approx((1.25 + 1.2) / 2)
    assert length["method_error"] == {
        "mean": pytest.approx(0.05), "largest": pytest.approx(0.05), "n": 1, "of": 2
    }  # fmt: skip
    (line,) = csv.DictReader(io.StringIO(sweep_csv(found)))
    assert float(line["normalized_length_method_error_mean"]) == pytest.approx(0.05)
    head, (cells,) = sweep_table(found)
    assert head.index("method error") == head.index("normalized_length") + 1
    assert cells[head.index("method error")] == "0.05 (1 of 2 pairs)"

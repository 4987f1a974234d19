"""Measure a run: what is kept, that it resumes, what is not measured again, and what goes wrong."""

# pyright: reportOptionalOperand=false, reportOperatorIssue=false
# a number that a record leaves out fails a test without that

import functools
import shutil
from dataclasses import replace

import jax
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree
from safetensors.numpy import save_file

from landscape.config.load import ConfigError
from landscape.core import paths
from landscape.report import report, write_html
from landscape.stages.build import build_landscape, config_of
from landscape.stages.connect import connect
from landscape.stages.measure.run import measure
from landscape.stages.train import train
from landscape.store.files import RunError, load_arrays
from landscape.store.records.base import as_dict, columns
from landscape.store.records.measures import ModelMeasure, PartMeasure, StringMeasure, TopMeasure
from landscape.store.run import Run

pytestmark = pytest.mark.usefixtures("unpainted")

FEW = {"train": {"models": 3}, "levels": {"values": [0.1, 0.01]}}
PAIR = {"train": {"models": 2}, "levels": {"values": [0.1, 0.01]}}
QUICK = {"tolerance": 0.01, "probes": 32, "points": 2, "barriers": False}


@pytest.fixture
def connected(ring, staged):
    return staged(ring(measure=QUICK, **FEW), connect)


def zigzag(points, beads=40):
    """Along a string on the ring, now inside the unit circle and now outside it."""
    moved = paths.at(points, np.linspace(0, 1, beads))["x"]
    moved /= np.linalg.norm(moved, axis=1, keepdims=True)
    moved *= np.where(np.arange(beads) % 2, 0.95, 1.05)[:, None].astype(moved.dtype)
    moved[[0, -1]] = points["x"][[0, -1]]
    return {"x": moved}


def timeless(rows):
    return [{k: v for k, v in as_dict(row).items() if k != "seconds"} for row in rows]


def test_a_ring_is_measured(connected, caplog):
    caplog.set_level("INFO", logger="lscape")
    run = connected
    found = measure(run)
    strings, models = found.strings, found.models
    assert len(strings) == 2 * 3 and len(models) == 2 * 3
    for row in strings:
        assert row.shortening == "CONVERGED" and row.length_change < 0.01
        assert row.length <= row.length_found * (1 + 1e-6) and row.length >= row.chord
        arrays = run.load_measures(row)
        points = {"x": arrays["shortened.x"]}
        assert paths.length(points) == pytest.approx(row.length)
        radius = np.linalg.norm(points["x"], axis=1)
        assert ((radius**2 - 1) ** 2 <= row.level + 1e-6).all()
        assert np.array_equal(points["x"][0], load_arrays(run.model_file(row.a, row.level))[0]["x"])
        assert arrays["turning"][:, 1].sum() == pytest.approx(row.total_curvature)
        assert arrays["history"][0].tolist()[2:] == [row.beads_found, row.length_found, 1]
        defined = arrays["beads.level_curvature"][np.isfinite(arrays["beads.level_curvature"])]
        assert len(arrays["beads.at"]) <= 3 and len(defined) == row.level_curvature_points
        # on the inner wall it bends away from the string, by its radius
        assert (((defined > -1.3) & (defined < -0.9)) | ((defined > 0.8) & (defined < 1))).all()
        assert row.hessian_of == "loss" and "derivatives" in row.hessian_by
        _is_the_first_with_a_spectrum(row, arrays)
        assert row.function_length is None and "function space" in row.reason
        scaled = row.scaled_length, row.scaled_chord
        assert scaled[0] >= scaled[1] - 1e-6 and scaled[1] <= np.pi + 0.1
    for row in models:
        x = load_arrays(run.model_file(row.model, row.level))[0]["x"]
        square = float(x @ x)
        dense = 8 * np.outer(x, x) + 4 * (square - 1) * np.eye(2)
        ends = np.linalg.eigvalsh(dense)
        assert [row.smallest, row.largest] == pytest.approx(ends, rel=1e-3, abs=1e-3)
        assert abs(row.trace - ends.sum()) <= 4 * row.trace_error + 1e-4
        assert (row.trace_error, row.probes) == (0, 1), "two parameters: all products"
        weights = run.load_measures(row).get("spectrum.weights")
        assert (weights is not None) == (row.model == 0)
    assert run.string_measures() == strings and run.model_measures() == models
    folder = run.latest_measures_directory
    assert (folder / "strings.csv").read_text().splitlines()[0] == ",".join(columns(StringMeasure))
    assert len((folder / "models.csv").read_text().splitlines()) == 1 + 6
    assert run.meta().stages["measure"] == "done"
    assert not list(folder.glob("shortening-*"))

    before = {f: f.stat().st_mtime_ns for f in folder.glob("**/*.safetensors")}
    assert measure(run) == found and "nothing to do" in caplog.text
    assert before == {f: f.stat().st_mtime_ns for f in folder.glob("**/*.safetensors")}


def _is_the_first_with_a_spectrum(row, arrays):
    """Of each level 0-1 has one, whose extremes are those of Lanczos in two dimensions."""
    if (row.a, row.b) != (0, 1):
        assert row.steps is row.peak_trace is None and "spectrum.nodes" not in arrays
        return
    nodes, weights, traces = (
        arrays[n] for n in ("spectrum.nodes", "spectrum.weights", "beads.trace")
    )
    assert nodes.shape == weights.shape == (len(arrays["beads.at"]), row.probes, row.steps)
    np.testing.assert_allclose(weights.sum(axis=2), 1, rtol=1e-6)
    np.testing.assert_allclose(nodes.max(axis=2).mean(1), arrays["beads.largest"], rtol=1e-3)
    sums = arrays["beads.smallest"] + arrays["beads.largest"]
    assert (np.abs(traces - sums) <= 4 * arrays["beads.trace_error"] + 1e-3).all()
    assert row.peak_trace == traces[-1]


def test_an_interrupted_measure_resumes_to_the_same_result(ring, tmp_path, monkeypatch):
    """Cut while a string is shortened, and in every part after that."""
    whole = train(ring(measure={**QUICK, "barriers": True}, **PAIR))
    connect(whole)
    cut = Run(shutil.copytree(whole.directory, tmp_path / "cut"))
    wanted = measure(whole)
    assert [row.status for row in wanted.barriers] == ["TIGHT"]
    assert len(whole.snapshots()) == 2

    def measure_until(part, times=1):
        calls = iter(range(times))

        def stop(stage, done, total, **facts):
            if stage.startswith(part) and next(calls) == times - 1:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            measure(cut, progress=stop)
        assert cut.meta().status == "interrupted"

    with monkeypatch.context() as patch:
        patch.setenv("LSCAPE_CHECKPOINT_SECONDS", "0")
        measure_until("shortening", times=3)
    assert list(cut.directory.glob("measures/*/shortening-*.safetensors"))
    for part in ("measuring models", "models' own paths", "lowering barriers"):
        measure_until(part)
    found = measure(cut)
    for kind, rows in vars(wanted).items():
        assert timeless(getattr(found, kind)) == timeless(rows)
    for row in found.strings:
        mine, other = cut.load_measures(row), whole.load_measures(row)
        assert mine.keys() == other.keys() and "spectrum.nodes" in mine
        for name in mine:
            assert np.array_equal(mine[name], other[name], equal_nan=True), name


def test_the_first_string_of_a_level_has_a_spectrum_whenever_it_came(ring):
    def with_spectrum():
        return {(r.level, r.a, r.b) for r in measure(run).strings if r.steps}

    run = train(ring(measure=QUICK, **FEW))
    connect(run, ["connect.pairs=0-2"])
    assert with_spectrum() == {(0.1, 0, 2), (0.01, 0, 2)}
    connect(run)
    both = {(0.1, 0, 1), (0.01, 0, 1), (0.1, 0, 2), (0.01, 0, 2)}
    assert with_spectrum() == both
    for row in run.rows():
        if row.a == 0 and row.level == 0.1:
            run.save_connection(replace(row, status="NOT_FOUND"), *run.load_connection(row))
    assert with_spectrum() == {(0.1, 1, 2), (0.01, 0, 1), (0.01, 0, 2)}


def test_an_interrupted_measure_has_the_same_spectra(ring):
    run = train(ring(measure=QUICK, **FEW))
    connect(run)

    def stop(stage, done, total, **facts):
        if stage == "measuring strings":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measure(run, progress=stop)
    assert len(run.string_measures()) == 1, "one string, and its group is taken up again"
    found = measure(run).strings
    assert [(r.a, r.b) for r in found if r.steps] == [(0, 1)] * 2 and len(found) == 6


def test_no_spectra_are_kept_where_none_are_asked_for(ring):
    run = train(ring(measure={**QUICK, "spectrum": 0, "shorten": False}, **PAIR))
    connect(run)
    found = measure(run)
    for row in (*found.strings, *found.models):
        assert row.steps is None and "spectrum.nodes" not in run.load_measures(row)
        assert isinstance(row, ModelMeasure) == (getattr(row, "trace", None) is not None)


NET = """
import jax
import jax.numpy as jnp

from landscape import Task


def net(width: int = 6) -> Task:
    x = jnp.linspace(-1, 1, 40)[:, None]
    y = jnp.sin(3 * x)

    def init(key):
        a, b = jax.random.split(key)
        return {
            "first": {"w": jax.random.normal(a, (1, width)), "b": jnp.zeros(width)},
            "second": {"w": jax.random.normal(b, (width, 1))},
        }

    def mse(p, data):
        x, y = data
        hidden = jnp.tanh(x @ p["first"]["w"] + p["first"]["b"][None])
        return jnp.mean((hidden @ p["second"]["w"] - y) ** 2)

    def loss(p, carry, data, key):
        return mse(p, data), carry

    return Task(init, loss, {"loss": mse}, {"train": (x, y)}, sample_means=("loss",))
"""
GENEROUS = {
    "train": {"models": 2},
    "levels": {"values": [20.0]},
    "compute": {"precision": "float64"},
}


@pytest.mark.parametrize("probes", [1, 32])
def test_subsets_and_top_eigenvalues_are_those_of_the_dense_hessian(
    ring, workplace, float64, probes
):
    """By Lanczos, and exactly where as many products are taken for the trace."""
    (workplace / "net_task.py").write_text(NET)
    asked = {"shorten": False, "barriers": False, "steps": 17, "probes": probes, "top": 4}
    asked |= {"over": ["first.*", "second.w"], "spectrum": 0}
    run = train(ring(task={"factory": "net_task:net"}, measure=asked, **GENEROUS))
    connect(run, ["connect.method=straight"])
    found = measure(run)
    assert found.parts == run.model_parts() and found.top == run.top_eigenvalues()
    folder = run.latest_measures_directory
    assert (folder / "parts.csv").read_text().splitlines()[0] == ",".join(columns(PartMeasure))
    assert (folder / "top.csv").read_text().splitlines()[0] == ",".join(columns(TopMeasure))
    landscape = build_landscape(config_of(run))
    for row in found.models:
        params = load_arrays(run.model_file(row.model, row.level))[0]
        names = {n: np.asarray(leaf) for n, leaf in params.items() if n in landscape.shapes}
        flat, unravel = ravel_pytree(names)
        level = functools.partial(lambda to, x: landscape.level(to(x)), unravel)
        dense = np.asarray(jax.hessian(level)(flat))
        truth = np.linalg.eigvalsh(dense)
        assert row.parameters == len(dense) == 18
        for key, at in (("smallest", 0), ("largest", -1)):
            assert (
                abs(getattr(row, key) - truth[at])
                <= getattr(row, f"{key}_error")
                < (0.1 if probes == 1 else 1e-9)
            )
        top = [r for r in found.top if r.model == row.model]
        assert [r.rank for r in top] == [1, 2, 3, 4]
        for r in top:
            assert abs(r.value - truth[-r.rank]) <= r.error < (0.1 if probes == 1 else 1e-9)
        belongs = np.concatenate(
            [np.full(names[n].size, n.startswith("first.")) for n in sorted(names)]
        )
        parts = [r for r in found.parts if r.model == row.model]
        assert [(r.over, r.parameters) for r in parts] == [("first.*", 12), ("second.w", 6)]
        for r, chosen in zip(parts, (belongs, ~belongs), strict=True):
            block = dense[np.ix_(chosen, chosen)]
            ends = np.linalg.eigvalsh(block)
            assert abs(r.smallest - ends[0]) <= r.smallest_error
            assert abs(r.largest - ends[-1]) <= r.largest_error
            if probes == 32:
                assert r.trace == pytest.approx(np.trace(block)) and r.trace_error == 0
                assert r.smallest_status in ("CONVERGED", "ROUNDING")


CONE = """
import jax
import jax.numpy as jnp

from landscape import energy_task


def cone():
    return energy_task(lambda x: jnp.sqrt(jnp.sum(x**2)), lambda key: jnp.ones(3))
"""


def test_a_hessian_that_is_not_finite_is_told(ring, workplace):
    """At the tip of a cone."""
    (workplace / "cone_task.py").write_text(CONE)
    for name, end in (("a", np.zeros(3)), ("b", np.ones(3))):
        save_file({"params": end.astype(np.float32)}, f"{name}.safetensors")
    run = train(
        ring(
            task={"factory": "cone_task:cone"},
            train={"endpoints": ["a.safetensors", "b.safetensors"], "models": 2},
            levels={"values": [2.0]},
            measure={"shorten": False, "barriers": False, "over": "params", "top": 2},
        )
    )
    connect(run, ["connect.method=straight"])
    found = measure(run)
    tip, slope = found.models
    assert (tip.smallest, tip.smallest_error, tip.steps) == (None, None, None)
    assert tip.smallest_status == tip.largest_status == "NON_FINITE"
    assert slope.largest == pytest.approx(1 / np.sqrt(3)) and slope.gradient == pytest.approx(1)
    assert found.parts[0].smallest is None and found.top[0].status == "NON_FINITE"
    write_html([run], report([run]), run.report_file)


def test_a_subset_of_nothing_is_refused_before_anything_is_trained(ring):
    with pytest.raises(ConfigError, match=r"measure\.over: 'Dense\*' matches none of: x"):
        train(ring(measure={"over": "Dense*"}, **PAIR))
    run = train(ring(measure={"over": "x"}, **PAIR))
    connect(run)
    with pytest.raises(ConfigError, match=r"measure\.over: 'Dense\*' matches none of: x"):
        measure(run, ["measure.over=[x, 'Dense*']"])


def test_barriers_are_of_no_one_level_and_name_no_measures(ring, caplog):
    caplog.set_level("INFO", logger="lscape")
    run = train(ring(measure={"shorten": False, "hessian": False, "barriers": False}, **PAIR))
    connect(run)
    assert measure(run).barriers == [] == run.barriers() == run.snapshots()
    lowers = ["measure.barriers=true"]
    assert measure(run, lowers, levels=[0.1]).barriers == [] == run.barriers()
    name, strings = run.latest_measures(), run.string_measures()
    assert caplog.text.count("nothing to do") == 1
    found = measure(run, lowers)
    assert found.barriers == run.barriers() and len(run.barriers()) == 1
    assert (run.latest_measures(), found.strings) == (name, strings)
    assert caplog.text.count("nothing to do") == 1
    measure(run, lowers)
    assert caplog.text.count("nothing to do") == 2


def test_other_settings_are_other_measures_and_a_level_can_be_asked_for(connected):
    run = connected
    row = next(row for row in run.rows() if row.level == 0.1)
    points, profile, film = run.load_connection(row)
    run.save_connection(row, zigzag(points), profile, film)  # most of its beads are superfluous
    off = ["measure.shorten=false", "measure.hessian=false"]
    found = measure(run, off, levels=[0.1])
    assert {row.level for row in found.strings} == {0.1} and not found.models
    assert max(row.beads for row in found.strings) == 40
    for row in found.strings:
        assert row.shortening == "OFF" and row.length == row.length_found
        assert row.beads == row.beads_found and row.length_change is None
        assert row.max_loss <= row.limit and row.sweeps == 0
        assert row.hessian_of is None and row.total_curvature == row.total_curvature_found
    first = run.latest_measures()
    measure(run, ["measure.hessian=false"], levels=[0.1])
    assert run.latest_measures() != first and len(run.string_measures(first)) == 3


def test_what_is_no_longer_connected_is_left_out(connected):
    run = connected
    measure(run, ["measure.hessian=false"], levels=[0.1])
    row = run.string_measures()[0]
    (old,) = (
        r
        for r in run.rows()
        if all(getattr(r, k) == getattr(row, k) for k in ("set", "level", "a", "b"))
    )
    points, profile, film = run.load_connection(old)
    run.save_connection(replace(old, status="NOT_FOUND"), points, profile, film)
    assert len(run.string_measures()) == 2
    run.save_connection(old, {"x": points["x"] * np.float32(1.001)}, profile, film)
    assert len(run.string_measures()) == 2, "measured of another string"


def test_mistakes_and_what_is_missing(ring, caplog):
    run = train(ring(**FEW))
    with pytest.raises(RunError, match="nothing to measure yet"):
        measure(run)
    for row in connect(run):
        points, profile, film = run.load_connection(row)
        run.save_connection(replace(row, status="NOT_FOUND"), points, profile, film)
    with pytest.raises(ConfigError, match="only keys of `measure`"):
        measure(run, ["train.models=3"])
    with pytest.raises(ConfigError, match=r"measure\.beads: unknown"):
        measure(run, ["measure.beads=3"])
    with pytest.raises(ConfigError, match=r"0\.5 is not a level"):
        measure(run, levels=[0.5])
    found = measure(run, levels=[0.01])
    assert not found.strings and len(found.models) == 3
    assert "no CONNECTED strings; only the models" in caplog.text

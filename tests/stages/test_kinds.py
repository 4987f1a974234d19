"""Every floating type, shape and name of parameters through all stages; models that become NaN;
ends that are one point."""

# pyright: reportOptionalOperand=false, reportArgumentType=false, reportCallIssue=false
# a number that a record leaves out fails a test without that

import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import save_file

from landscape.config.load import config_from
from landscape.core.landscape import bind
from landscape.report import report, write_html
from landscape.report.figures.plane import write_plane
from landscape.stages.connect import connect
from landscape.stages.measure.run import measure
from landscape.stages.plane import plane
from landscape.stages.train import train
from landscape.stages.verify import verify

pytestmark = pytest.mark.usefixtures("unpainted")

SOURCE = '''
import jax
import jax.numpy as jnp

from landscape import Outputs, Task


def kinds(*, types: list, tree: str = "plain", start: float = 1.0, blows: float = 0.0) -> Task:
    """A ring in all of a tree's parameters, of these types in turn; inside 1.7 NaN where the
    first is above `blows`."""

    def init(key):
        shapes = {
            "plain": {"w": (2, 3), "b": (3,)},
            "odd": {"a/b. ж 字": (2, 2), "film": {"beads": [(3,), ((), None)]}, "none": (0, 3),
                    "deep": (1, 2, 1, 2, 1)},
        }[tree]
        leaves, form = jax.tree.flatten(shapes, is_leaf=lambda x: type(x) is tuple and None not in x
                                        and all(type(n) is int for n in x))
        drawn = [jax.random.normal(k, s) for k, s in zip(jax.random.split(key, 9), leaves)]
        size = jnp.sqrt(sum(jnp.sum(x**2) for x in drawn))
        typed = [(2 * start * x / size).astype(types[n % len(types)]) for n, x in enumerate(drawn)]
        return jax.tree.unflatten(form, typed)

    def predict(params, data):
        leaves = jax.tree.leaves(params)
        for n, leaf in enumerate(leaves):
            assert leaf.dtype == types[n % len(types)], "the task is given its own types"
        return sum(jnp.sum(x * x) for x in leaves) * data.astype(leaves[0].dtype)

    def loss(params, data):
        first = jax.tree.leaves(params)[0].ravel()[0]
        square = jnp.mean(predict(params, data))
        broken = (first > blows) & (square < 1.7**2) if blows else False
        return jnp.where(broken, jnp.nan, (square - 1) ** 2)

    return Task(
        init=init,
        loss=lambda params, carry, batch, key: (loss(params, batch), carry),
        metrics={"loss": loss},
        data={"train": jnp.ones(2)},
        outputs=Outputs(predict, "l2"),
    )
'''
EVERY = [
    (["float32"], "plain"),
    (["float32"], "odd"),
    (["bfloat16"], "plain"),
    (["float16"], "odd"),
    (["float16", "float32", "bfloat16"], "odd"),
    (["float64", "bfloat16", "float32"], "odd"),
]


@pytest.fixture
def job(factory):
    module = factory(SOURCE)

    def make(**sections):
        task = {"factory": f"{module}:kinds", **sections.pop("task")}
        mapping = {
            "task": task,
            "train": {"models": 3, "learning_rate": 1e-2, "max_steps": 600},
            "levels": {"values": [1.0, 0.1]},
            "connect": {"max_steps_per_bead": 2000},
            "measure": {"max_beads": 17, "points": 1, "steps": 5, "probes": 2, "tolerance": 0.03},
            "plane": {"filters": {"*": -1}},  # no data are multiplied with these arrays
        }
        for name, section in sections.items():
            mapping[name] = {**mapping.get(name, {}), **section}
        return config_from(mapping, name="kinds")

    return make


@pytest.mark.parametrize(
    "types, tree",
    # one of each tree here, the others with the slow ones: each goes through all stages
    [pytest.param(*case, marks=[pytest.mark.slow] * (n not in (0, len(EVERY) - 1)))
     for n, case in enumerate(EVERY)],
    ids=lambda case: "-".join(case) * (case != "odd"),
)  # fmt: skip
def test_every_type_and_shape_goes_through_all_stages(job, float64, types, tree):
    precision = "float64" if "float64" in types else "float32"
    run = train(job(task={"types": types, "tree": tree}, compute={"precision": precision}))
    rows = connect(run)
    assert [row.status for row in rows] == ["CONNECTED"] * 6 and not any(r.reason for r in rows)
    points = run.load_connection(rows[-1])[0]
    assert {leaf.dtype.name for leaf in points.values()} == {precision}
    if tree == "odd":
        assert points.keys() == {
            "a/b. ж 字", "deep", "film.beads.0", "film.beads.1.0", "none"
        } and points["none"].shape == (rows[-1].beads, 0, 3)  # fmt: skip
    found = measure(run)
    assert len(found.strings) == 6 and len(found.models) == 6 and len(found.barriers) >= 2
    for row in found.strings:
        assert row.shortening in ("CONVERGED", "BUDGET", "STALLED")
        assert row.length <= row.length_found * (1 + 1e-6) and row.function_length > 0
    assert all(np.isfinite(row.trace) for row in found.models)
    coarse = 4 * max(float(jnp.finfo(kind).eps) for kind in types)
    for record in verify(run):  # a loss in steps: a finer grid can find a higher one
        assert record.agreed or record.max_loss <= (1 + coarse) * record.limit
    write_plane(run, plane(run, models=(0, 1, 2), grid=3))
    write_plane(run, plane(run, random=0, grid=3))
    write_html([run], report([run]), run.report_file)


def test_ends_are_read_from_bfloat16(job, tmp_path):
    for number, sign in enumerate((1, -1)):
        w = np.full((2, 3), sign * 0.3)
        ends = {"w": w.astype(jnp.bfloat16), "b": np.full(3, 0.2, jnp.bfloat16)}
        save_file(ends, f"{number}.safetensors")
    files = {"endpoints": ["0.safetensors", "1.safetensors"], "models": 2}
    (row,) = connect(
        train(job(task={"types": ["bfloat16"]}, train=files, levels={"values": [0.5]}))
    )
    assert row.status == "CONNECTED"
    chord = 2 * float(jnp.bfloat16(0.3)) * np.sqrt(6)
    assert row.chord == pytest.approx(chord, rel=1e-6), "what a bfloat16 is, a float32 is"


def test_the_loss_is_that_of_the_rounded_parameters():
    from landscape import energy_task

    task = energy_task(lambda x: jnp.sum(x), lambda key: jnp.zeros(2, jnp.bfloat16))
    landscape = bind(task)
    near = {"params": jnp.array([1.0, 1.001])}
    assert landscape.level(near) == landscape.level({"params": jnp.ones(2)}) == 2
    assert landscape.level(near).dtype == jnp.float32
    with pytest.raises(TypeError, match="there are no parameters"):
        bind(energy_task(lambda x: 0.0, lambda key: jnp.zeros((0, 3))))


def test_models_that_become_nan_are_told_with_their_step_and_what_may_help(job, caplog):
    asked = {"levels": {"values": [0.1, -1.0]}, "connect": {"target": 1.0}}
    run = train(job(task={"types": ["float32"], "blows": 1e-6}, **asked))
    lost = [model for model in run.models() if model.status == "NON_FINITE"]
    assert 0 < len(lost) < 3
    first = min(model.steps for model in lost)
    assert f"non-finite by step {first}; a smaller train.learning_rate" in caplog.text
    assert "after 600 steps; more train.max_steps" in caplog.text
    rows = [row for row in connect(run) if row.status == "LEVEL_NOT_REACHED"]
    for row in rows:
        for model in lost:
            if model.model in (row.a, row.b):
                assert f"model {model.model}: non-finite by step {model.steps}" in row.reason
    notes = "\n".join(report([run])["notes"])
    assert (
        f"{len(lost)} of 3 models became non-finite in training, the first by step {first}" in notes
    )
    assert "wider types" in notes


def test_ends_that_are_one_point(job):
    """At 0, where the parameters have no norm either, in every metric."""
    run = train(job(task={"types": ["float32"], "start": 0.0}, levels={"values": [4.0, 1.0]}))
    rows = connect(run)
    for row in rows:
        assert (row.status, row.length, row.chord) == ("CONNECTED", 0, 0)
        assert row.normalized_length is None and "the ends coincide" in row.reason
    found = measure(run)
    ratios = (
        "normalized_length", "normalized_length_found", "length_change", "curvature_density",
        "curvature_middle", "level_curvature_mean",
    )  # fmt: skip
    for row in found.strings:
        assert all(getattr(row, key) is None for key in ratios)
        zero = "length", "scaled_length", "scaled_chord", "function_length", "function_chord"
        assert all(getattr(row, key) == 0 for key in zero) and "the ends coincide" in row.reason
        assert row.peak_verdict == "unknown" and "(no tangent)" in row.reason
    assert all(record.agreed for record in verify(run))
    write_plane(run, plane(run, random=0, grid=3))
    told = report([run])
    assert "6 strings have ends that coincide" in "\n".join(told["notes"])
    (claim,) = told["claims"]
    assert (
        "or only between ends that coincide" in claim["curvier"]["best known length − 1"]["reason"]
    )
    write_html([run], told, run.report_file)

"""What a search leaves behind may be anything: the pair says so, and the rest goes on."""

import json

import jax.numpy as jnp
import numpy as np
import pytest

from landscape.core import paths
from landscape.core.certificate import segment_evaluator
from landscape.core.landscape import bind
from landscape.core.level import LevelSpec
from landscape.core.status import Status
from landscape.core.task import energy_task
from landscape.methods.dss import DSS
from landscape.report import report, write_html
from landscape.search.driver import judge, start
from landscape.search.history import search_history
from landscape.search.state import Search, Segments
from landscape.search.strings import evaluate_new_segments, record_round, replace_beads
from landscape.stages.connect import connect
from landscape.stages.measure.run import measure
from landscape.stages.plane import plane
from landscape.stages.train import train
from landscape.stages.verify import verify
from landscape.store.files import load_arrays, save_arrays
from landscape.store.records.base import as_dict
from tests.analytic import RING

pytestmark = pytest.mark.usefixtures("unpainted")

BAD = {"nan": np.nan, "infinite": np.inf, "minus infinite": -np.inf, "huge": 1e30}
CLAIMS = [Status.CONNECTED, Status.NOT_FOUND, Status.STUCK, Status.NON_FINITE]
PEAKS = segment_evaluator(
    bind(energy_task(lambda p: RING.energy(p["x"]), lambda key: {"x": jnp.ones(2)})), 20
)
QUICK = {"shorten": False, "points": 1, "steps": 2, "spectrum": 0, "probes": 1}


def spoil(array, rng):
    spoilt = np.array(array, float if array.dtype.kind != "f" else array.dtype)
    which = rng.random(spoilt.shape) < 0.5
    spoilt[which] = rng.choice([*BAD.values()], size=int(which.sum()))
    return spoilt


def changed(segments, change):
    own = {name: change(numbers) for name, numbers in segments.own.items()}
    known = segments.upper, segments.place, segments.ts, segments.values
    upper, place, ts, values = map(change, known)
    return Segments(upper, place, ts, values, own)


def ruin(string, rng):
    """Spoil what a search leaves, wherever the generator says: always a bead, and what is known of
    segments, the rounds and the positions left."""
    beads = len(string.points["x"])
    if beads == 2:
        string.points = {"x": np.insert(string.points["x"], 1, 0.5, axis=0)}
        string.ids = np.array([0, 9, 1])
        string.segments = changed(string.segments, lambda part: np.repeat(part, 2, axis=0))
    points = string.points["x"].copy()
    points[rng.integers(1, max(2, beads - 1))] = rng.choice([*BAD.values()])
    string.points = {"x": points}
    string.segments = changed(string.segments, lambda part: spoil(part, rng))
    for one in string.history:
        facts = (one.number, one.level, one.highest, one.at)
        one.number, one.level, one.highest, one.at = map(float, spoil(np.array(facts), rng))
        one.places, one.profile = spoil(one.places, rng), spoil(one.profile, rng)
    if string.left:
        string.left = {"x": spoil(string.left["x"], rng)}
    string.ended = rng.choice(CLAIMS)


def ruins(stepper, seed, ruined):
    """A stepper that spoils what its search leaves of these pairs, sometimes their ends, too."""
    rng = np.random.default_rng(seed)

    def step(search: Search) -> None:
        going = {string.name for string in search.active}
        stepper(search)
        for string in search.strings:
            if string.name in going & ruined and string.ended is not None:
                ruin(string, rng)
                if seed:
                    string.points["x"][-1] = np.nan

    return step


def without_time(rows):
    return [{k: v for k, v in as_dict(row).items() if k != "seconds"} for row in rows]


@pytest.mark.parametrize("seed", range(2))
def test_whatever_a_search_leaves_the_pair_is_non_finite_and_everything_else_as_before(
    ring, tmp_path, monkeypatch, seed
):
    config = ring(levels={"values": [1.0, 0.1]}, measure=QUICK)
    sound = train(config, "sound")
    before = without_time(connect(sound))
    ruined = {"0-1"} if seed % 2 else {"0-2", "1-3"}
    bind = DSS.bind
    monkeypatch.setattr(DSS, "bind", lambda *given: ruins(bind(*given), seed, ruined))

    run = train(config, "ruined")
    rows = without_time(connect(run))
    for row, expected in zip(rows, before, strict=True):
        if f"{row['a']}-{row['b']}" in ruined:
            assert row["status"] == Status.NON_FINITE and "not finite" in row["reason"]
            assert all(np.isfinite(v) for v in row.values() if isinstance(v, float))
        else:
            assert row == expected
    assert without_time(connect(run)) == rows
    measure(run)
    assert all(string.agreed for string in verify(run, grid=60))
    again = without_time(run.rows())
    assert [row["status"] for row in again] == [row["status"] for row in rows]
    found = report([run])
    json.dumps(found, allow_nan=False)
    write_html([run], found, run.report_file, [(0, 1), (0, 2), (1, 3), (2, 3)])
    plane(run, models=(0, 1, 2), grid=3)
    lines = (run.set_directory(run.sets()[0]) / "events.jsonl").read_text().splitlines()
    assert len([json.loads(line, parse_constant=pytest.fail) for line in lines]) > len(rows)


@pytest.mark.filterwarnings("ignore:overflow|invalid value:RuntimeWarning")
@pytest.mark.parametrize("seed", range(100))
def test_the_judge_and_the_film_live_with_anything(seed):
    rng = np.random.default_rng(seed)
    beads = int(rng.integers(2, 9))
    string = start("0-1", {"x": np.array([-1, 0], np.float32)}, {"x": np.array([1, 0], np.float32)})
    string.points = {"x": rng.normal(size=(beads, 2)).astype(np.float32)}
    string.ids = np.arange(beads)
    evaluate_new_segments([string], PEAKS, 1.0)
    record_round(string, 1.0)
    if beads > 2:
        replace_beads(string, np.array([1]), {"x": np.zeros((1, 2), np.float32)})
        evaluate_new_segments([string], PEAKS, 1.0)
        record_round(string, 1.0)
    ruin(string, rng)
    found = judge(string, PEAKS, LevelSpec(1e6))
    assert found.status == Status.NON_FINITE
    json.dumps(found.record(), allow_nan=False)
    frames = search_history(found.string, found.certificate, 1.0)
    assert np.isfinite(frames["beads"]).all() and np.isfinite(frames["places"]).all()
    assert len(frames["beads"]) == len(frames["places"]) == frames["bead_counts"].sum()
    assert (paths.finite_beads(found.string.points)).all()


NORM = '''
import jax
import jax.numpy as jnp
from landscape import energy_task


def norm():
    """Finite everywhere, but its gradient at 0 is NaN in JAX."""
    return energy_task(lambda x: (jnp.linalg.norm(x) - 1) ** 2,
                       lambda key: jax.random.normal(key, (2,)))


def variance():
    """A mean and a variance: below 0 the second has no value."""
    return energy_task(lambda p: (p["w"] ** 2 - 1) ** 2 + jnp.sqrt(p["v"] ** 3),
                       lambda key: {"w": jnp.sign(jax.random.normal(key, ())),
                                    "v": jnp.array(0.01)})
'''


def test_a_gradient_that_is_nan_costs_its_own_pair_alone(ring, workplace):
    (workplace / "norm_task.py").write_text(NORM)
    ends = {"left": (-1.0, 0.0), "right": (1.0, 0.0), "up": (0.6, 0.8)}
    for name, end in ends.items():
        file = workplace / f"{name}.safetensors"
        save_arrays(file, {"params": np.array(end, np.float32)}, {})
    run = train(
        ring(
            task={"factory": "norm_task:norm"},
            train={"models": 3, "endpoints": [f"{name}.safetensors" for name in ends]},
            levels={"values": [0.5, 0.1]},
            measure=QUICK,
        )
    )
    found = {(row.a, row.b, row.level): row.status for row in connect(run)}
    assert all(found[0, 1, level] == Status.NON_FINITE for level in (0.5, 0.1))
    assert all(found[a, 2, level] == Status.CONNECTED for a in (0, 1) for level in (0.5, 0.1))
    measure(run)
    write_html([run], report([run]), run.report_file)


def test_beads_of_a_variance_that_falls_below_zero(ring, workplace):
    (workplace / "norm_task.py").write_text(NORM)
    run = train(
        ring(
            task={"factory": "norm_task:variance"},
            train={"learning_rate": 1e-3, "max_steps": 500},
            levels={"values": [0.5, 0.1]},
            measure={**QUICK, "barriers": True},
        )
    )
    rows = connect(run)
    signs = [float(_model(run, number)["w"]) for number in range(4)]
    for row in rows:
        apart = signs[row.a] * signs[row.b] < 0
        assert row.status == (Status.NON_FINITE if apart else Status.CONNECTED)
    measure(run)
    verify(run, grid=60)
    write_html([run], report([run]), run.report_file)


def _model(run, number):
    return load_arrays(run.model_file(number, 0.5))[0]

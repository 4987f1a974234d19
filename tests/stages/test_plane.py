"""The loss on planes of a finished run: its values, its strings, resuming, and what goes wrong."""

import csv
import xml.dom.minidom
from dataclasses import replace

import numpy as np
import pytest
from safetensors.numpy import save_file

from landscape.config.load import ConfigError, config_from
from landscape.core import paths, trees
from landscape.measures.planes import through
from landscape.report import report, write_html
from landscape.report.figures.plane import plane_figure, write_plane
from landscape.stages.connect import connect
from landscape.stages.plane import plane
from landscape.stages.train import train
from landscape.store.files import RunError, load_arrays


@pytest.fixture
def finished(ring, staged):
    return staged(ring(), connect)


def model(run, number, level=0.01):
    return load_arrays(run.model_file(number, level))[0]


def test_three_models_of_two_parameters(finished):
    """Their plane is all there is: the loss is known, and no string leaves it."""
    name = plane(finished, models=(0, 1, 2), grid=9)
    assert name == "models-0-1-2-0.01" and finished.planes() == [name]
    arrays, record = finished.load_plane(name)
    flat = through(*(model(finished, m) for m in (0, 1, 2)))
    x, y = np.meshgrid(arrays["x"], arrays["y"])
    points = flat.origin["x"] + x[..., None] * flat.u["x"] + y[..., None] * flat.v["x"]
    known = ((points**2).sum(-1) - 1) ** 2
    assert arrays["loss"] == pytest.approx(known, rel=1e-3, abs=1e-4)
    assert (record.level, record.metric) == (0.01, "train loss")
    pairs = [(one.a, one.b) for one in record.strings]
    assert pairs == [(0, 1), (0, 2), (1, 2)]
    for number, one in enumerate(record.strings):
        string = arrays[f"string.{number}"]
        assert one.distance < 1e-5
        ends = arrays["models"][[one.a, one.b]]
        assert string[[0, -1], :2] == pytest.approx(ends, abs=1e-6)
        assert string[[0, -1], 2] == pytest.approx([0, 1])
        low = string[:, :2].min(0), string[:, :2].max(0)
        assert arrays["x"][0] < low[0][0] and arrays["y"][-1] > low[1][1]


def test_a_pair_and_its_highest_point(finished):
    rows = [r for r in finished.rows() if (r.a, r.b, r.level) == (0, 1, 0.01)]
    points, _, _ = finished.load_connection(rows[0])
    name = plane(finished, pair=(1, 0), level=0.01, grid=5)
    arrays, record = finished.load_plane(name)
    assert record.models == [1, 0] and record.strings[0].a == 0
    one = record.strings[0]
    assert one.chord == pytest.approx(paths.chord(points)) and one.distance < 1e-5
    assert len(arrays["string.0"]) == trees.count(points)
    assert arrays["models"][0] == pytest.approx(arrays["string.0"][-1, :2], abs=1e-6)


def test_random_directions_are_the_same_every_time(finished):
    arrays, record = finished.load_plane(plane(finished, random=2, level=0.1, grid=5))
    assert arrays["x"].tolist() == [-1, -0.5, 0, 0.5, 1] and record.strings == []
    at = next(e for m in finished.models() if m.model == 2 for e in m.levels[1:2])
    assert arrays["loss"][2, 2] == pytest.approx(at.value, rel=1e-4)
    finished.plane_file("random-2-0.1").unlink()
    again, _ = finished.load_plane(plane(finished, random=2, level=0.1, grid=5))
    assert np.array_equal(arrays["loss"], again["loss"])


def test_a_plane_is_computed_once_and_anew_on_another_grid(finished):
    told = []

    def progress(stage, done, total, **facts):
        told.append((stage, done, total))

    plane(finished, models=(0, 1, 2), grid=4, progress=progress)
    assert told[-1] == ("plane", 4, 4)
    told.clear()
    plane(finished, models=(0, 1, 2), grid=4, progress=progress)
    assert not told
    name = plane(finished, models=(0, 1, 2), grid=5, progress=progress)
    assert finished.load_plane(name)[0]["loss"].shape == (5, 5)


def test_an_interrupted_plane_is_resumed_with_the_same_result(finished):
    whole, _ = finished.load_plane(plane(finished, models=(0, 1, 2), grid=6))
    finished.plane_file("models-0-1-2-0.01").unlink()

    def stop(stage, done, total, **facts):
        if (stage, done) == ("plane", 3):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        plane(finished, models=(0, 1, 2), grid=6, progress=stop)
    assert finished.stage_status("plane models-0-1-2-0.01") == "interrupted"
    assert any("is interrupted" in note for note in report([finished])["notes"])
    told = []

    def tell(stage, done, total, **facts):
        told.append(done)

    name = plane(finished, models=(0, 1, 2), grid=6, progress=tell)
    assert told == [3, 4, 5, 6]
    assert np.array_equal(finished.load_plane(name)[0]["loss"], whole["loss"])
    assert not finished.plane_checkpoint(name).exists()


@pytest.mark.parametrize(
    "asked, said",
    [
        ({"models": (0, 1)}, "3 different models are needed; .*its models are 0 to 3"),
        ({"models": (0, 1, 1)}, "3 different models are needed"),
        ({"models": (0, 1, 7)}, "no model 7; .*its models are 0 to 3"),
        ({"random": -1}, "no model -1"),
        ({"random": 0, "level": 0.3}, r"0\.3 is not a level \(allowed: 1, 0\.1, 0\.01\)"),
    ],
)
def test_bad_requests(finished, asked, said):
    with pytest.raises(RunError, match=said):
        plane(finished, **asked)
    assert finished.planes() == []


def test_a_range_is_that_of_the_plane(finished):
    name = plane(finished, models=(0, 1, 2), grid=5)
    whole, _ = finished.load_plane(name)
    span = (-0.5, 0.5, 0.0, 2.0)
    assert plane(finished, models=(0, 1, 2), grid=5, span=span) == name
    arrays, record = finished.load_plane(name)
    assert record.span == [*span]
    assert arrays["x"].tolist() == [-0.5, -0.25, 0, 0.25, 0.5]
    assert arrays["y"].tolist() == [0, 0.5, 1, 1.5, 2]
    flat = through(*(model(finished, m) for m in (0, 1, 2)))
    x, y = np.meshgrid(arrays["x"], arrays["y"])
    points = flat.origin["x"] + x[..., None] * flat.u["x"] + y[..., None] * flat.v["x"]
    assert arrays["loss"] == pytest.approx(((points**2).sum(-1) - 1) ** 2, rel=1e-3, abs=1e-4)
    assert "are outside its range" in plane_figure(finished, name, name).caption
    plane(finished, models=(0, 1, 2), grid=5)
    assert np.array_equal(finished.load_plane(name)[0]["loss"], whole["loss"])
    with pytest.raises(ConfigError, match=r"--range 1,0,0,1: each axis goes"):
        plane(finished, models=(0, 1, 2), span=(1, 0, 0, 1))


def test_an_interrupted_plane_of_another_range_is_not_gone_on_with(finished):
    def stop(stage, done, total, **facts):
        if (stage, done) == ("plane", 2):
            raise KeyboardInterrupt

    whole, _ = finished.load_plane(plane(finished, models=(0, 1, 2), grid=4, span=(-1, 1, 0, 2)))
    with pytest.raises(KeyboardInterrupt):
        plane(finished, models=(0, 1, 2), grid=4, span=(-1, 1, -2, 0), progress=stop)
    name = plane(finished, models=(0, 1, 2), grid=4, span=(-1, 1, 0, 2.5))
    name = plane(finished, models=(0, 1, 2), grid=4, span=(-1, 1, 0, 2))
    assert np.array_equal(finished.load_plane(name)[0]["loss"], whole["loss"])


LAYOUTS = """
import jax.numpy as jnp
import numpy as np
from landscape import Task

rng = np.random.default_rng(9)
x, y = (jnp.asarray(rng.normal(size=(20, n)), jnp.float32) for n in (5, 3))


def make_task(layout: str, told: bool = False) -> Task:
    def loss(p, data):
        if layout == "flax":
            out = jnp.tanh(x @ p["0.w"] + p["0.b"][None]) @ p["1.w"]
        elif layout == "torch":
            out = jnp.tanh(x @ p["0.w"].T + p["0.b"][None]) @ p["1.w"].T
        else:
            out = x @ jnp.tanh(p["0.w"].T @ p["1.w"].T) + p["0.b"].sum()
        return jnp.mean((out - y) ** 2)

    shapes = {"0.w": (5, 4), "1.w": (4, 3)}
    if layout != "flax":
        shapes = {name: shape[::-1] for name, shape in shapes.items()}
    return Task(
        init=lambda key: {**{n: jnp.zeros(s) for n, s in shapes.items()}, "0.b": jnp.zeros(4)},
        loss=lambda p, carry, batch, key: (loss(p, batch), carry),
        metrics={"loss": loss},
        filters={"*.w": 0} if told else {},
    )
"""


@pytest.fixture
def layout(factory):
    module = factory(LAYOUTS)

    def make(kind, **keys):
        for number in (0, 1):
            drawn = np.random.default_rng(number)
            scale = np.array([10.0, 1.0, 0.1, 0.01])
            arrays = {
                "0.w": drawn.normal(size=(5, 4)) * scale,
                "0.b": drawn.normal(size=4),
                "1.w": drawn.normal(size=(4, 3)) * scale[:3],
            }
            if kind != "flax":
                arrays |= {name: arrays[name].T.copy() for name in ("0.w", "1.w")}
            save_file({n: a.astype(np.float32) for n, a in arrays.items()}, f"{number}.safetensors")
        return config_from(
            {
                "task": {"factory": f"{module}:make_task", "layout": kind, **keys},
                "train": {"endpoints": ["0.safetensors", "1.safetensors"]},
                "levels": {"values": [1e6]},
            },
            name=kind,
        )

    return make


def test_the_same_network_in_two_layouts_has_the_same_plane(layout):
    losses = []
    for kind, axis in (("flax", 1), ("torch", 0)):
        run = train(layout(kind))
        arrays, record = run.load_plane(plane(run, random=0, grid=5))
        assert record.filters == {"0.w": [axis], "1.w": [axis]}
        losses.append(arrays["loss"])
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_filters_that_cannot_be_told_are_asked_for(layout):
    run = train(layout("product"))
    with pytest.raises(ConfigError, match=r"plane\.filters: 0\.w, of shape \(4, 5\): which of its"):
        plane(run, random=0, grid=3)
    name = plane(run, random=0, grid=3, overrides=['plane.filters={"*.w": 0}'])
    first, record = run.load_plane(name)
    assert record.filters == {"0.w": [0], "1.w": [0]}
    plane(run, random=0, grid=3, overrides=['plane.filters={"0.w": [], "1.w": null}'])
    other, record = run.load_plane(name)
    assert record.filters == {"0.w": [], "1.w": None}
    assert not np.array_equal(first["loss"], other["loss"])
    for wrong, said in (
        ('plane.filters={"2*": 0}', "'2\\*' matches none of: 0.b, 0.w, 1.w"),
        ('plane.filters={"*": 2}', "0.w, of shape \\(4, 5\\), has no axis 2"),
        ("connect.grid=3", "only keys of `plane` can be changed here"),
    ):
        with pytest.raises(ConfigError, match=said):
            plane(run, random=0, grid=3, overrides=[wrong])


def test_a_task_declares_its_filters(layout):
    run = train(layout("product", told=True))
    record = run.load_plane(plane(run, random=0, grid=3))[1]
    assert record.filters == {"0.w": [0], "1.w": [0]}


def test_without_strings(ring):
    run = train(ring(levels={"values": [1.0, 0.1]}))
    assert run.load_plane(plane(run, models=(0, 1, 2), grid=3))[1].strings == []
    with pytest.raises(RunError, match=r"no string between 0, 1 at 0\.1; `lscape connect`"):
        plane(run, pair=(0, 1))


def test_a_straight_string_spans_no_plane(ring):
    run = train(ring(levels={"values": [1.0]}))
    connect(run, ["connect.method=straight"])
    with pytest.raises(RunError, match="the string is straight, and spans no plane"):
        plane(run, pair=(0, 1))


def test_a_level_that_was_not_reached(ring):
    run = train(ring(train={"max_steps": 100}, levels={"values": [4.0, 1e-9]}))
    with pytest.raises(RunError, match="model 0 did not reach 1e-09"):
        plane(run, random=0, level=1e-9)


def test_no_level_that_was_reached(ring):
    run = train(ring(train={"max_steps": 10}, levels={"values": [1e-9]}))
    with pytest.raises(RunError, match="model 0 did not reach any of the run's levels"):
        plane(run, random=0)
    with pytest.raises(RunError, match="models 0, 1, 2 did not reach any of the run's levels"):
        plane(run, models=(2, 0, 1))


def test_pictures_and_numbers(finished):
    """Also of a string that was downgraded since and losses that are not finite; on the page."""
    name = plane(finished, models=(0, 1, 2), grid=5)
    arrays, record = finished.load_plane(name)
    arrays["loss"][0, 0] = np.inf
    finished.save_plane(name, arrays, record)
    (row,) = (r for r in finished.rows() if (r.a, r.b, r.level) == (0, 1, 0.01))
    finished.save_connection(replace(row, status="STUCK"), *finished.load_connection(row))
    files = write_plane(finished, name)
    folder = finished.directory / "planes"
    svg, pdf, table = (folder / f"{name}.{kind}" for kind in ("svg", "pdf", "csv"))
    assert sorted(files) == sorted(map(str, (svg, pdf, table)))
    xml.dom.minidom.parse(str(svg))
    assert pdf.read_bytes().startswith(b"%PDF")
    lines = list(csv.DictReader(table.read_text().splitlines()))
    assert sum(line["what"] == "grid" for line in lines) == 25
    assert float(lines[1]["loss"]) == pytest.approx(arrays["loss"][0, 1])
    assert sum(line["what"] == "string 0-1" for line in lines) == len(arrays["string.0"])
    write_html([finished], report([finished]), finished.report_file)
    text = finished.report_file.read_text()
    assert "train loss on the plane through models 0, 1, 2 at level 0.01" in text
    assert "(dss" in text and "STUCK) leaves the plane by at most" in text
    assert (finished.directory / f"figures/plane-{name}.pdf").is_file()

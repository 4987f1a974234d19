"""Runs as the stages leave them, for tests of what is read from them."""

from __future__ import annotations

import html
import itertools
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from matplotlib.figure import Figure

from landscape.report import report, write_html
from landscape.report.data.measured import ALONG
from landscape.store.files import read_contents, save_arrays
from landscape.store.records.base import made
from landscape.store.records.measures import ModelMeasure, PartMeasure, StringMeasure, TopMeasure
from landscape.store.records.models import Line, Met, ModelRecord
from landscape.store.records.strings import StringRecord
from landscape.store.run import create_run

CONFIG = """\
task: {name: digits}
train: {models: 4}
levels: {metric: loss, split: train, values: [0.5, 0.1]}
"""


def row(a, b, level=0.5, status="CONNECTED", length=1.2, beads=5, **more):
    known = {
        "task": "digits", "method": "dss", "set": "dss-1", "level": level, "a": a, "b": b,
        "status": status, "beads": beads, "length": 2 * length, "chord": 2.0,
        "normalized_length": length, "max_loss": 0.99 * level, "barrier": 0.01, "rounds": 2,
        "grad_evals": 100, "loss_evals": 400, "seconds": 0.5, "limit": level,
        "loss_a": level, "loss_b": level,
        "max_at": 0.3, "last_change": 0.0, "resolution": 0.005, "grid": 50, "reason": "",
    }  # fmt: skip
    return made(StringRecord, **known | more)


def model(number, levels):
    """A model of models.json."""
    return ModelRecord(model=number, status="TRAINED", steps=100, value=0.05, levels=levels)


def film(row):
    """A straight line, and the same with a bead in its middle."""
    level, high = row.level, row.max_loss or np.inf
    profiles = [[0, level], [0.5, 3 * level], [1, level]], [[0, level], [0.5, high], [1, level]]
    return {
        "facts": np.array([[0, level, 3 * level, 0.5], [1, level, high, 0.5]]),
        "beads": np.array([[-1, 0, 0], [1, 0, 0], [-1, 0, 0], [0, 1, 0], [1, 0, 0]], np.float32),
        "places": np.array([0, 1, 0, 0.5, 1], np.float32),
        "bead_counts": np.array([2, 3]),
        "profile": np.concatenate(profiles).astype(np.float32),
        "profile_counts": np.array([3, 3]),
        "variance": np.array([0.75, 0.25, 0.0]),
    }


def save(run, rows, length_over="*"):
    for one in rows:
        settings = f"method: dss\nlength_over: '{length_over}'\n"
        run.write_settings(run.settings_file(one.set), settings)
        loss = [[0, one.level], [0.5, (one.max_loss or np.inf)], [1, one.level]]
        run.save_connection(one, {"w": np.zeros((2, 3), np.float32)}, np.array(loss), film(one))
    run.write_results()


@pytest.fixture
def run(tmp_path):
    run = create_run(tmp_path / "digits-12345678", CONFIG, {"device": "1 × cpu", "command": "x"})
    levels = [Met(level=level, status="REACHED", step=10, value=0.1) for level in (0.5, 0.1)]
    with run.stage("train"):
        run.write_models([model(m, levels) for m in range(4)])
        run.append_history(
            [Line(model=m, step=s, value=1 / (s + 1)) for m in range(4) for s in (*range(8), 100)]
        )
    return run


@pytest.fixture
def unpainted(request, monkeypatch):
    """Figures are plotted, but not laid out and painted, which is most of a page's time; painted
    all the same in tests marked `painted`."""
    if request.node.get_closest_marker("painted"):
        return

    def savefig(figure, content, **how):
        content.write(b'<svg width="1" height="1"></svg>')

    monkeypatch.setattr(Figure, "savefig", savefig)


def measured(run, rows, **more):
    """Records of measures as `lscape measure` leaves them, with what the report reads."""
    run.update_meta(measures="m")
    for one in rows:
        path = run.connection_file(one.set, one.level, one.a, one.b)
        known = {
            "measures": "m", "shortening": "CONVERGED", "peak_verdict": "on a slope",
            "source": read_contents(path).arrays_sha256, "hessian_of": "train loss",
            "hessian_by": "derivatives, one-sided at kinks", "total_curvature": 1 + one.level,
            "length_found": 2.4, "length": 2.2, "chord": 2.0,
            "normalized_length_found": 1.2, "normalized_length": 1.1, "level_curvature_mean": 0.5,
            "scaled_length_found": 3.0, "scaled_length": 2.6, "scaled_chord": 2.0,
            "function_length_found": 0.8, "function_length": 0.6, "function_chord": 0.1,
            "function_metric": "jsd", "length_change": 0.001 * one.b, "beads": 9,
            "peak_gradient": 0.25, "peak_smallest": -0.5, "peak_smallest_error": 0.001,
            "peak_largest": 7.0, "peak_largest_error": 0.002, "max_loss": 0.99 * one.level,
            "limit": one.level, "beads_found": 5, "sweeps": 20, "grad_evals": 100,
            "loss_evals": 300,
            "seconds": 0.5, "grid": 50, "reason": "",
            **{key: getattr(one, key) for key in ("set", "method", "level", "a", "b")}, **more,
        }  # fmt: skip
        # a right angle at a quarter of the length, a fraction of one near the end
        arrays = {"turning": np.array([[0, 0], [0.25, np.pi / 2], [0.96, one.a], [1, 0]])}
        at, numbers = np.array([0.5, 0.75]), np.array([1.0, np.nan])
        named = (*ALONG, "normal_mean", "normal_spread")
        arrays |= {f"beads.{name}": numbers for name in named}
        arrays |= {"beads.at": at, "shortened.w": np.zeros((9, 3), np.float32)}
        if (one.a, one.b) == (0, 1):
            known |= {"steps": 2, "probes": 2, "peak_trace": 2.5}
            nodes = np.array([[-1.0, 9.0], [1.0, 9.0]])
            arrays["spectrum.nodes"] = np.stack([nodes, nodes - one.level])
            arrays["spectrum.weights"] = np.tile([0.75, 0.25], (2, 2, 1))
        record = {"measured": made(StringMeasure, **known)}
        save_arrays(run.string_measure_file("m", one), arrays, record)
    for level, model in itertools.product((0.5, 0.1), (0, 1)):
        known = {
            "measures": "m", "level": level, "model": model, "largest": 10 / level + model,
            "value": 0.1, "seconds": 0.5, "source": "0" * 64, "reason": "",
            "trace": 3.0, "smallest": -0.1, "steps": None if model else 2, "gradient": 0.01,
            "largest_error": 0.01, "smallest_error": 0.02,
        }  # fmt: skip
        nodes, weights = np.array([[0.0, 9.0], [1.0, 9.0]]), np.array([[0.8, 0.2], [0.6, 0.4]])
        arrays = {} if model else {"spectrum.nodes": nodes, "spectrum.weights": weights}
        record = {
            "measured": made(ModelMeasure, **known),
            "parts": parts(level, model),
            "top": top(level, model),
        }
        save_arrays(run.model_measure_file("m", level, model), arrays, record)


def parts(level, model):
    """Of two subsets; the smallest eigenvalue of the first model's second is not resolved."""
    return [
        PartMeasure(
            level=level, model=model, over=over, parameters=3, gradient=0.01,
            smallest=-0.1, smallest_error=0.3 if over == "b*" and model == 0 else 0.01,
            smallest_status="BUDGET", largest=2.0, largest_error=1e-6,
            largest_status="CONVERGED", products=10, trace=2.5, trace_error=0.1, probes=8,
        )
        for over in ("w*", "b*")
    ]  # fmt: skip


def top(level, model):
    return [
        TopMeasure(
            level=level, model=model, rank=rank, value=10 / rank + model, error=0.01,
            status="CONVERGED", products=30,
        )
        for rank in (1, 2)
    ]  # fmt: skip


def prose(text):
    """What a page says, a block a line: without its style and its pictures."""
    text = re.sub(r"<(style|svg|head)\b.*?</\1>", "", text, flags=re.DOTALL)
    text = re.sub(
        r"</?(p|h\d|li|tr|dt|dd|figcaption|summary|section|header|table)\b[^>]*>", "\n", text
    )
    text = html.unescape(re.sub(r"<[^>]+>", " ", text))
    lines = (" ".join(line.split()) for line in text.splitlines())
    return "\n".join(line for line in lines if line) + "\n"


class Page(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.ids = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        self.ids += [value for name, value in attrs if name == "id"]


def page_of(run, *others):
    runs = [run, *others]
    write_html(runs, report(runs), run.report_file)
    return run.report_file.read_text()


ALL = [row(a, b, level) for level in (0.5, 0.1) for a, b in itertools.combinations(range(4), 2)]


def tables(text):
    """The page's tables: a list of columns' names, and a row as a dictionary of them, each."""
    found = []
    for one in re.findall(r"<table>(.*?)</table>", text, re.DOTALL):
        head = re.findall(r"<th(?: [^>]*)?>(.*?)</th>", one)
        lines = [re.findall(r"<td[^>]*>(.*?)</td>", line) for line in one.split("<tr>")[2:]]
        found.append((head, [dict(zip(head, line, strict=True)) for line in lines]))
    return found

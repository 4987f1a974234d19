"""Measures from outside, beside those that are always taken."""

import numpy as np
import pytest

from landscape.config.load import ConfigError
from landscape.measures import registry
from landscape.measures.base import Measure, Quantity
from landscape.report import report, write_html
from landscape.stages.connect import connect
from landscape.stages.measure.run import measure
from landscape.stages.train import train
from landscape.store.files import read_table

pytestmark = pytest.mark.usefixtures("unpainted")

FEW = {"train": {"models": 2}, "levels": {"values": [0.1, 0.01]}}
QUICK = {"shorten": False, "hessian": True, "points": 1, "spectrum": 0, "barriers": False}


class Norms(Measure):
    """The norm of a model times a factor; a model without a number has none."""

    name = "norms"
    of = "model"
    factor: float = 1.0

    def check(self, landscape):
        if "z" in landscape.shapes:
            raise ValueError("not for z")

    def bind(self, landscape):
        def measure(subject):
            (point,) = subject.points["x"]
            return {"norm": Quantity(self.factor * float(np.linalg.norm(point)), 0.5),
                    "none": Quantity(None), "lost": Quantity(float("nan"))}  # fmt: skip

        return measure


@pytest.fixture
def norms(monkeypatch):
    monkeypatch.setitem(registry.MEASURES.built_in, "norms", f"{__name__}:Norms")


@pytest.fixture
def run(ring, norms):
    also = ["array-lengths", {"name": "norms", "factor": 2}]
    run = train(ring(measure={**QUICK, "also": also}, **FEW))
    connect(run)
    return run


def test_paths_and_models_are_measured_with_the_given_settings(run):
    found = measure(run)
    lengths = [row for row in found.also if row.measure == "array-lengths"]
    assert len(lengths) == len(found.strings) == 2
    for row in lengths:
        whole = next(s for s in found.strings if (s.level, s.a, s.b) == (row.level, row.a, row.b))
        assert row.quantity == "x" and row.model is None
        assert row.value == pytest.approx(whole.normalized_length, rel=1e-6)
    norms = [row for row in found.also if row.measure == "norms"]
    assert len(norms) == 3 * len(found.models) == 12
    assert {(row.set, row.a, row.b) for row in norms} == {(None, None, None)}
    for row in norms:
        assert (row.value is None) is (row.quantity != "norm")
        if row.quantity == "norm":
            assert row.value == pytest.approx(2, abs=0.4) and row.error == 0.5


def test_they_are_in_the_table_the_report_and_the_page(run):
    measure(run)
    rows = read_table(run.latest_measures_directory / "also.csv")
    assert len(rows) == 2 + 12 and {row["measure"] for row in rows} == {"array-lengths", "norms"}
    found = report([run])
    (norm,) = (r for r in found["measured"]["also"] if (r["quantity"], r["level"]) == ("norm", 0.1))
    assert norm["measured"] == norm["value"]["n"] == 2 and norm["largest_error"] == 0.5
    write_html([run], found, run.report_file)
    assert "array-lengths" in run.report_file.read_text()


def test_other_settings_are_other_measures(run):
    measure(run)
    first = run.latest_measures()
    measure(run, ["measure.also=[norms]"])
    assert run.latest_measures() != first and len(run.measures()) == 2


@pytest.mark.parametrize(
    ("also", "said"),
    [
        (["nomrs"], "unknown measure 'nomrs'"),
        ([{"name": "norms", "fctor": 2}], r"norms\.fctor: .*allowed: factor"),
        ([{"name": "norms", "factor": "two"}], r"norms\.factor: "),
        ([{"name": "norms", "factor": "3"}], r"norms\.factor: "),
        ([{"factor": 2}], "an entry is a name"),
        (["no_such_module:Norms"], "no module 'no_such_module'"),
        (["numpy:array"], "'numpy:array' is no measure"),
        (["landscape:Measure"], "'landscape:Measure' must define bind"),
    ],
)
def test_a_mistake_is_named(ring, norms, also, said):
    with pytest.raises(ConfigError, match=f"measure.also: .*{said}"):
        ring(measure={"also": also})


def test_a_measure_that_refuses_the_task_is_named_before_anything_is_measured(run):
    with pytest.raises(ConfigError, match=r"measure.also\[0\]: over: 'y' matches none of: x"):
        measure(run, ['measure.also=[{"name": "array-lengths", "over": "y"}]'])
    assert run.latest_measures() is None

"""lscape compare, as data and as a table."""

import json
from pathlib import Path

from click.testing import CliRunner

from tests.cli.commands import main
from tests.cli.test_symmetries import config, said  # noqa: F401  (a fixture)


def test_a_run_is_compared(config):  # noqa: F811
    run = said("train", config).strip()
    asked = ["compare", run, "--methods", "dss, {method: bezier, points: 4}", "--budget", "300"]
    found = json.loads(said(*asked, "--json"))
    first, other = found["records"]
    assert (first["method"], other["method"]) == ("dss", "bezier")
    assert first["budget"] == other["budget"] == 300 and first["pairs"] == other["pairs"] == 1
    assert first["cost"]["difference"] is None and other["cost"]["difference"]["n"] == 1
    assert all(one["function_length"]["n"] == one["connected"] for one in found["records"])
    assert first["connected"] == 0 or first["function_length"]["mean"] >= 1
    bracketed = [
        text.replace("dss, {method: bezier, points: 4}", "[dss, {method: bezier, points: 4}]")
        for text in asked
    ]
    assert json.loads(said(*bracketed, "--json")) == found, "brackets around all of it"
    table = said(*asked)
    assert "dss" in table and "bezier" in table
    (figure,) = (line for line in table.splitlines() if line.startswith("figure: "))
    assert Path(figure.removeprefix("figure: ")).exists()


def test_mistakes_are_named(config):  # noqa: F811
    run = said("train", config).strip()
    for methods, word in (("dss,bezir", "bezir"), ("{points: 4}", "methods"), ("[", "--methods")):
        done = CliRunner().invoke(main, ["compare", run, "--methods", methods, "--budget", "9"])
        assert done.exit_code == 2 and word in done.output

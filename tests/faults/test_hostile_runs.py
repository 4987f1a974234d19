"""Run directories from strangers: what leads out, what lies, what is absurd, what a name may do."""

from __future__ import annotations

import json
import os
import re
import struct

import pytest

from landscape.report import report, write_html
from landscape.report.page.html import POLICY
from landscape.store.files import RunError, load_arrays, load_some, place_of
from landscape.store.journal import sealed
from landscape.store.listing import list_runs
from landscape.store.run import create_run, open_run
from tests.cli.commands import lscape
from tests.pages import ALL, CONFIG, Page, measured, model, row, save
from tests.test_browser import browse, needs_browser

EVIL = "<script>document.title='sprung'</script>\"'><img src=x onerror=\"document.title='sprung'\">"
ESCAPES = "\x1b[2J\x1b]0;sprung\x07\x9b31m\u202e\udc80"


@pytest.mark.parametrize("name", ["lock", "history.jsonl", "models.json", "sets", "figures"])
def test_a_link_out_of_the_run_is_refused(run, tmp_path, name):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").write_text("precious")
    place = run.directory / name
    if place.exists():
        place.unlink()
    place.symlink_to(outside if name in ("sets", "figures") else outside / "precious")
    with pytest.raises(RunError, match=f"{name}: a link that leads out of the run"):
        open_run(run.directory)
    assert [path.read_text() for path in outside.iterdir()] == ["precious"]
    assert "leads out" in str(list_runs(run.directory.parent).left_out)


def test_a_link_inside_the_run_is_none_of_these(run):
    (run.directory / "latest").symlink_to("models.json")
    assert open_run(run.directory).directory == run.directory


def test_a_pipe_is_not_waited_for(run):
    os.mkfifo(run.directory / "final_states.json")
    with pytest.raises(RunError, match=r"final_states\.json: neither a file nor a folder"):
        open_run(run.directory)


def header(claims, size=None):
    text = json.dumps(claims).encode()
    return struct.pack("<Q", len(text) if size is None else size) + text


TERABYTES = {"dtype": "F64", "shape": [2**20, 2**20], "data_offsets": [0, 2**43]}
LIES = {
    "terabytes": header({"w": TERABYTES}) + b"\0" * 64,
    "no data": header({"w": {"dtype": "F32", "shape": [2**61], "data_offsets": [0, 2**63 - 1]}}),
    "a long header": header({}, 2**63 - 1),
    "another shape": header({"w": {"dtype": "F32", "shape": [3], "data_offsets": [0, 4]}})
    + b"1234",
    "overlapping": header(
        {name: {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]} for name in "ab"}
    ) + b"1234",
    "an unknown type": header({"w": {"dtype": "F8_E4M3", "shape": [1], "data_offsets": [0, 1]}})
    + b"1",
    "negative": header({"w": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]}}) + b"1234",
    "nested": header({}, 10**5) + b"[" * 10**5,
    "none": b"",
}  # fmt: skip


@pytest.mark.parametrize("lie", LIES)
def test_a_lying_header_is_refused(run, lie):
    path = run.model_file(0, 0.5)
    path.parent.mkdir(parents=True)
    path.write_bytes(LIES[lie])
    for read in (load_arrays, lambda at: load_some(at, lambda name: True)):
        with pytest.raises(RunError, match=r"0\.5\.safetensors"):
            read(path)


DEEP = b"[" * 10**5 + b"]" * 10**5
ABSURD = {
    "deep": DEEP,
    "infinite": b'{"model": 0, "step": 1, "value": 1e400}',
    "not a number": b'{"model": 0, "step": 1, "value": NaN}',
    "many digits": b'{"model": 0, "step": ' + b"9" * 5000 + b', "value": 1}',
    "a large step": b'{"model": 0, "step": 1e3, "value": 1}',
    "bytes": b'{"model": 0, "step": 1, "value": "\xff"}',
    "a list": b"[1]",
    "deep inside": b'{"model": 0, "step": 1, "value": ' + DEEP + b"}",
    "long": b'{"model": 0, "step": 1, "value": "' + b"x" * 10**8 + b'"}',
}
LINES = [pytest.param(name, marks=[pytest.mark.faults] * (name == "long")) for name in ABSURD]


@pytest.mark.parametrize("absurd", LINES)
def test_an_absurd_line_is_refused_with_its_number(run, absurd):
    path = run.directory / "history.jsonl"
    path.write_bytes(sealed(ABSURD[absurd], place_of(path)) + b"\n")
    with pytest.raises(RunError, match=r"history\.jsonl:1: ") as caught:
        open_run(run.directory).history()
    assert len(str(caught.value)) < 1_000


@pytest.mark.parametrize("absurd", LINES)
@pytest.mark.parametrize("name", ["models.json", "meta.json"])
def test_absurd_json_is_refused(run, absurd, name):
    path = run.directory / name
    path.write_bytes(ABSURD[absurd])
    with pytest.raises(RunError) as caught:
        open_run(run.directory).models()
    assert str(run.directory) in str(caught.value) and len(str(caught.value)) < 1_000


@pytest.mark.parametrize(
    "config", ["{}", "task: 1", "task: {}\nlevels: 3\ntrain: {models: 1}", "- 1"]
)
def test_a_config_that_is_none_is_refused(tmp_path, config):
    run = create_run(tmp_path / "runs" / "r", config, {})
    with pytest.raises(RunError, match=r"config\.yaml"):
        report([run])
    assert list_runs(run.directory.parent).left_out


# -- names ----------------------------------------------------------------------------------------


def named(folder, name, shown):
    """A run in which every text is a name, or what is shown where names have no control characters
    in them."""
    levels = {"metric": shown, "split": shown, "values": [0.5, 0.1]}
    config = {"task": {"name": shown}, "train": {"models": 4}, "levels": levels}
    facts = {"device": name, "command": name, "versions": {name: name}, "commit": name}
    made = create_run(folder / "runs" / "r-12345678", json.dumps(config), facts)
    with made.stage("train"):
        made.write_models([model(m, []) for m in range(4)])
    lost = [row(0, 1, 0.05, "NOT_FOUND", reason=name, task=shown)]
    save(made, [*ALL, *lost])
    measured(made, ALL)
    return made


def test_a_page_shows_a_name_and_does_not_run_it(tmp_path, unpainted):
    run = named(tmp_path, EVIL, EVIL)
    write_html([run], report([run]), run.report_file)
    page = Page(run.report_file.read_text())
    assert {"script", "iframe", "object", "link", "base", "form"}.isdisjoint(page.tags)
    assert all(value.startswith("data:") for name, value in page.attributes if name == "src")
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    assert ("content", POLICY) in page.attributes
    policy = POLICY.split("; ")
    assert {"default-src 'none'", "base-uri 'none'", "form-action 'none'"} <= set(policy)
    assert "script-src" not in POLICY


@needs_browser
@pytest.mark.painted
@pytest.mark.faults
def test_a_browser_shows_it_and_does_not_run_it(tmp_path):
    run = named(tmp_path, EVIL, EVIL)
    write_html([run], report([run]), run.report_file)
    shown, console = browse(tmp_path, "--dump-dom", run.report_file.as_uri())
    assert console == []
    assert "<title>sprung" not in shown and "&lt;script&gt;" in shown
    assert len(re.findall("<svg", shown)) > 3


def test_a_terminal_shows_it_and_does_not_obey_it(tmp_path, unpainted):
    run = named(tmp_path, ESCAPES.replace("\udc80", ""), "digits")
    for form in ("table", "csv", "rows", "json"):
        result = lscape("report", str(run.directory), "--format", form)
        assert result.exit_code == 0, result.output
        assert not set("\x1b\x07\x9b\u202e") & set(result.output), form
    result = lscape("runs", "--runs-dir", str(run.directory.parent))
    assert "r-12345678" in result.output


@pytest.mark.parametrize("place", ["config", "row"])
def test_a_figure_is_given_no_name_that_a_terminal_obeys(tmp_path, place):
    """matplotlib warns of a letter that it cannot draw, with that letter."""
    if place == "config":
        text = json.dumps({"task": {}, "train": {"models": 4}, "levels": {"metric": ESCAPES[:4]}})
        run = create_run(tmp_path / "runs" / "r", text, {})
    else:
        run = create_run(tmp_path / "runs" / "r", CONFIG, {})
        run.append_rows([row(0, 1, task=ESCAPES[:4])])
    with pytest.raises(RunError, match=str(run.directory)):
        report([open_run(run.directory)])


def test_a_folder_s_name_is_shown_too(tmp_path):
    folder = tmp_path / "runs" / f"r{ESCAPES}"
    os.makedirs(os.fsencode(folder))
    result = lscape("runs", "--runs-dir", str(tmp_path / "runs"))
    assert result.exit_code == 0 and "\\x1b[2J" in result.output and "\\udc80" in result.output

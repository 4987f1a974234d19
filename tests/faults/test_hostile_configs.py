"""Configs that mean harm: each is refused in one message that names the file, at once."""

from __future__ import annotations

import pytest

from landscape.config.load import ConfigError, config_from, load_config
from landscape.config.yaml_source import MAX_BYTES
from landscape.store.files import RunError
from landscape.store.run import create_run
from tests.cli.commands import lscape

LAUGHS = "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 30))
BOMBS = {
    "aliases": f"a0: &a0 [x, x]\n{LAUGHS}",
    "itself": "a: &a [*a]\n",
    "brackets": "task: " + "[" * 10_000,
    "braces": "task: " + "{a: " * 10_000,
    "indents": "\n".join(" " * n + "a:" for n in range(2_000)),
    "dashes": "task: \n  " + "- " * 10_000 + "x",
    "many": "task: [" + "1, " * 20_000 + "1]",
    "long": "task: {name: digits}\n" + "# " * (MAX_BYTES // 2),
    "tags": "task: !!python/object/apply:os.system ['touch sprung']\n",
    "merges": "a: &a {b: 1}\ntask: {<<: *a}\n",
    "digits": "seed: " + "9" * 10_000 + "\ntask: {name: digits}\nlevels: {values: [1]}\n",
    "duplicates": "task: {name: digits}\ntask: {name: mnist}\nlevels: {values: [1]}\n",
    "control": "task: {name: 'a\x07b'}\n",
    "nul": "task: {name: 'a\x00b'}\n",
    "binary": "\x00\x01\x02",
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_bomb_is_refused_by_its_name(tmp_path, bomb):
    path = tmp_path / "c.yaml"
    path.write_text(BOMBS[bomb])
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    assert caught.value.problems and all(len(said) < 2_000 for said in caught.value.problems)
    assert all(str(path) in said for said in caught.value.problems)
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("bomb", BOMBS)
def test_so_it_is_as_the_config_and_the_settings_of_a_run(tmp_path, bomb):
    run = create_run(tmp_path / "r", BOMBS[bomb], {})
    with pytest.raises(RunError, match=r"config\.yaml"):
        run.config()
    run.write_settings(run.settings_file("dss-1"), BOMBS[bomb])
    with pytest.raises(RunError, match=r"settings\.yaml"):
        run.length_over("dss-1")


def test_a_hundred_megabytes_are_not_read(tmp_path):
    path = tmp_path / "c.yaml"
    with path.open("wb") as file:
        file.truncate(100 * 2**20)
    with pytest.raises(ConfigError, match="longer than"):
        load_config(path)


@pytest.mark.parametrize("name", ["../x", "/x", "a/b", ".", ""])
def test_a_name_does_not_lead_out_of_its_folder(name):
    with pytest.raises(ConfigError, match="name"):
        config_from({"task": {"name": "digits"}, "levels": {"values": [1]}}, name)


@pytest.mark.parametrize(
    "text",
    [
        'task: {name: "a\\e[2Jb"}\nlevels: {values: [1]}\n',
        'task: {name: digits, "\\e]0;x\\a": 1}\nlevels: {values: [1]}\n',
        'task: {name: digits}\nlevels: {values: [1], metric: "\\x9b31m\\u202e"}\n',
    ],
)
def test_a_terminal_does_not_obey_what_a_config_says(tmp_path, text):
    path = tmp_path / "c.yaml"
    path.write_text(text)
    result = lscape("check", str(path))
    assert result.exit_code == 2
    assert not set("\x1b\x07\x9b\u202e") & set(result.output)
    assert any(shown in result.output for shown in ("\\x1b", "U+001B", "U+009B"))

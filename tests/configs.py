"""A toy task, and configs of it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field

from landscape.config.load import Config, ConfigError, config_from, load_config
from landscape.config.yaml_source import Source
from landscape.tasks.registry import TASKS

VALID = "task: {name: toy, width: 3}\nlevels: {values: [1.0, 0.5]}\n"
TOY = {"name": "toy", "width": 3}
MINIMAL: dict[str, Any] = {"task": TOY, "levels": {"values": [1.0, 0.5]}}
MODULES = count()


class Noise(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    kind: Literal["normal", "uniform"] = "normal"
    scale: float = 1.0


NOISE = Noise()


def toy(
    *,
    width: Annotated[int, Field(ge=1)],
    hidden: tuple[int, ...] = (4, 4),
    noise: Noise | None = NOISE,
    label: str = "a",
    size: int | tuple[int, ...] = 1,
    free: Any = None,
    act: Callable = max,
) -> None:
    """Stands for a task's builder."""


@pytest.fixture(scope="module")
def toy_task():
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(TASKS.built_in, "toy", f"{__name__}:toy")
        yield


@pytest.fixture
def factory(tmp_path, monkeypatch):
    """Write a module into the working directory; returns its name."""
    monkeypatch.chdir(tmp_path)
    written = []

    def write(source: str) -> str:
        written.append(f"a_factory_{next(MODULES)}")
        (tmp_path / f"{written[-1]}.py").write_text(source)
        return written[-1]

    yield write
    for name in written:
        sys.modules.pop(name, None)


def read(tmp_path: Path, text: str | bytes, *args: Any, **kwargs: Any) -> Config:
    path = tmp_path / "quickstart.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return load_config(path, *args, **kwargs)


def problems(tmp_path: Path, text: str | bytes, *args: Any) -> list[str]:
    """The problems of a config file, without the directory of its path."""
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, text, *args)
    assert str(caught.value).splitlines() == list(caught.value.problems)
    return [problem.replace(f"{tmp_path}/", "") for problem in caught.value.problems]


def problem_of(mapping: dict[str, Any], *args: Any, **kwargs: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        config_from(mapping, *args, **kwargs)
    return str(caught.value)


def yaml_value(text: str) -> Any:
    source = Source("")
    value = source.read(text, "key", str)
    assert not source.problems, source.problems
    return value

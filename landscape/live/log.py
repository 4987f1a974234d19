"""Curves of a run for TensorBoard or Weights & Biases, while it goes on."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

from landscape.config.validation import ConfigError
from landscape.live.following import Follower
from landscape.live.scalars import Scalar, scalars_of
from landscape.store.run import Run

SECONDS = 5.0  # between two looks


class Told(Protocol):
    """What a stage tells its progress to."""

    def __call__(self, stage: str, done: float, total: float, **facts: object) -> None: ...


class Writer(Protocol):
    """Where scalars go."""

    def write(self, scalars: Sequence[Scalar]) -> None: ...

    def close(self) -> None: ...


class TensorBoard:
    """Events of the whole run in its folder tensorboard/; those of an earlier log go."""

    def __init__(self, run: Run) -> None:
        from tensorboardX import SummaryWriter

        folder = run.directory / "tensorboard"
        for before in folder.glob("events.out.tfevents.*"):
            before.unlink()
        self._events = SummaryWriter(str(folder))

    def write(self, scalars: Sequence[Scalar]) -> None:
        for name, step, value in scalars:
            self._events.add_scalar(name, value, step)
        self._events.flush()

    def close(self) -> None:
        self._events.close()


class WeightsAndBiases:
    """A run of the project `lscape`, in a group that is named as the run directory."""

    def __init__(self, run: Run) -> None:
        import wandb  # pyright: ignore[reportMissingImports]

        try:
            self._log = wandb.init(
                project="lscape", group=run.directory.name, config=run.config(), dir=run.directory
            )
        except wandb.Error as error:
            raise ConfigError(
                f"--log wandb: {error} (with WANDB_MODE=offline it needs no account)"
            ) from None
        self._steps: set[str] = set()

    def write(self, scalars: Sequence[Scalar]) -> None:
        for name, step, value in scalars:
            counted = (
                f"{name.rpartition('/')[0]}/{'step' if name.startswith('train/') else 'pairs'}"
            )
            if name not in self._steps:
                self._steps.add(name)
                self._log.define_metric(name, step_metric=counted)
            self._log.log({name: value, counted: step})

    def close(self) -> None:
        self._log.finish()


WRITERS: dict[str, tuple[str, Callable[[Run], Writer]]] = {
    "tensorboard": ("tensorboardX", TensorBoard),
    "wandb": ("wandb", WeightsAndBiases),
}


class Log:
    """Looks at a run every few seconds, when it is told that work goes on, and logs what is new."""

    def __init__(self, kind: str, directory: Path) -> None:
        """kind: one of WRITERS. Raises ConfigError where its package is missing."""
        package, self._made = WRITERS[kind]
        self._directory = directory
        self._follower: Follower | None = None
        self._writer: Writer | None = None
        self._next = 0.0
        try:
            __import__(package)
        except ImportError:
            raise ConfigError(
                f"--log {kind} needs the package {package}: pip install {package}"
            ) from None

    def tick(self) -> None:
        """Look, unless that was a moment ago."""
        if time.monotonic() >= self._next:
            self.look()
            self._next = time.monotonic() + SECONDS

    def look(self) -> None:
        """Log what is new, once the run is there."""
        if self._follower is None or self._writer is None:
            if not (self._directory / "meta.json").is_file():
                return
            self._follower = Follower(Run(self._directory))
            self._writer = self._made(self._follower.run)
        self._writer.write(scalars_of(self._follower.look(), self._follower))

    def close(self) -> None:
        """A last look."""
        self.look()
        if self._writer is not None:
            self._writer.close()


@contextlib.contextmanager
def logged(progress: Told, kind: str | None, directory: Path) -> Iterator[Told]:
    """The same progress, and a log of the run of that directory, if a kind is asked for.

    Raises ConfigError where its package is missing.
    """
    if kind is None:
        yield progress
        return
    log = Log(kind, directory)

    def told(stage: str, done: float, total: float, **facts: object) -> None:
        progress(stage, done, total, **facts)
        log.tick()

    try:
        yield told
    finally:
        log.close()

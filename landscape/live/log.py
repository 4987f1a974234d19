"""Curves of a run for TensorBoard or Weights & Biases, while it goes on."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

from landscape.config.validation import ConfigError
from landscape.live.following import Follower
from landscape.live.scalars import Scalar, scalars_of
from landscape.store.run import Run, open_run

log = logging.getLogger("lscape")

SECONDS = 5.0  # between two looks


class Progress(Protocol):
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
        self._kind, self._next, self._failed = kind, 0.0, False
        try:
            __import__(package)
        except ImportError:
            raise ConfigError(
                f"--log {kind} needs the package {package}: pip install {package}"
            ) from None

    def tick(self) -> None:
        """Look, unless that was a moment ago. Where the log fails, that is said, and it ends: the
        work goes on."""
        if self._failed or time.monotonic() < self._next:
            return
        try:
            self._look()
        except Exception as error:  # of whatever kind: a log is no reason to lose work
            self._failed = True
            log.warning(f"--log {self._kind}: {error}; the log ends here, the work goes on")
        self._next = time.monotonic() + SECONDS

    def _look(self) -> None:
        """Log what is new, once this process holds the run: before, another may be logging it."""
        if self._follower is None or self._writer is None:
            if not Run(self._directory).is_held_here():
                return
            self._follower = Follower(open_run(self._directory))
            self._writer = self._made(self._follower.run)
        self._writer.write(scalars_of(self._follower.look(), self._follower))

    def close(self) -> None:
        """A last look, and the end."""
        self._next = 0.0
        self.tick()
        self.abandon()

    def abandon(self) -> None:
        """The end as it is."""
        if self._writer is not None:
            with contextlib.suppress(Exception):
                self._writer.close()


@contextlib.contextmanager
def logged(progress: Progress, kind: str | None, directory: Path) -> Iterator[Progress]:
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
    except BaseException:
        log.abandon()
        raise
    log.close()

"""Work for the workers of a test: a number is doubled, and what may go wrong goes wrong."""

import os
import signal
from pathlib import Path

from distributed import get_worker


def prepare(shared):
    """shared: {refused: names of workers that cannot do it}."""
    if str(get_worker().name) in shared.get("refused", ()):
        raise ImportError("no module 'mine' here")
    return shared


def perform(prepared, task):
    """Twice a number; kills: file → how often its worker dies first."""
    for file, times in prepared.get("kills", {}).get(task, {}).items():
        if times > Path(file).stat().st_size:
            with Path(file).open("a") as told:
                told.write(".")
            os.kill(os.getpid(), signal.SIGKILL)
    if task in prepared.get("raises", ()):
        raise OSError(28, "No space left on device", str(task))
    return 2 * task

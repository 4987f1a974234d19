"""lscape, with a signal to itself at a chosen moment: so long after the n-th change to a folder.

    python -m tests.faults.moment FOLDER CHANGE SIGNAL SECONDS COUNTS ARGUMENTS…

CHANGE: from 0; none at -1. COUNTS: a file that gets the number of changes, where it ends by itself.
"""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

from lscape_cli.main import main

from tests.faults.disk import CHANGES, Disk, failing


def run(folder: str, at: int, number: int, seconds: float, counts: str, arguments: list[str]):
    def strike(kind: str, path: str) -> None:
        if seconds:
            threading.Timer(seconds, os.kill, (os.getpid(), number)).start()
        else:
            os.kill(os.getpid(), number)

    disk = Disk(folder, strike if at >= 0 else None, at, CHANGES)
    try:
        with failing(disk):
            main(arguments, prog_name="lscape")
    finally:
        Path(counts).write_text(str(len(disk.done)))


if __name__ == "__main__":
    folder, at, number, seconds, counts, *arguments = sys.argv[1:]
    run(folder, int(at), int(number), float(seconds), counts, arguments)

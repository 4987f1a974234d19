"""Fuzzes each reader of tests/faults/readers.py by what code its files reach (atheris, libFuzzer):
python -m tests.faults.guided --help. Needs `pip install atheris`, for Linux.

New ways to end are kept beside those of tests/faults/fuzz.py.
"""

# pyright: reportMissingImports=false, reportMissingModuleSource=false
# pyright: reportAttributeAccessIssue=false
# atheris is installed where this is run, and is not typed

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["landscape", "yaml", "json", "safetensors"]):
    from tests.faults.fuzz import LONGEST, MOST, keep, kept_of, shape_of
    from tests.faults.readers import READERS


def guide(name: str, number: int) -> None:
    """Try so many files on a reader. Does not return: libFuzzer ends the process."""
    reader, (done, corpus) = READERS[name], kept_of(name)
    folder, seeds = (Path(tempfile.mkdtemp()) for _ in range(2))
    known = [*reader.seeds, *corpus]
    for at, content in enumerate(known):
        (seeds / str(at)).write_bytes(content)
    ends = {shape_of(reader.run(content, folder)) for content in known}
    new: list[bytes] = []
    tried = 0

    def one(content: bytes) -> None:
        nonlocal tried
        tried += 1
        end = shape_of(reader.run(content, folder))
        if end not in ends:
            ends.add(end)
            if len(content) <= LONGEST and len(corpus) + len(new) < MOST:
                new.append(content)
        if tried == number:
            keep(name, done + number, [*corpus, *new])
            sys.stdout.write(f"{name}: {number:,}, {len(new)} new ways to end\n")
            sys.stdout.flush()

    warnings.simplefilter("ignore")  # of the libraries that read
    length = max(map(len, known), default=0) + 1000
    options = [f"-atheris_runs={number}", f"-max_len={length}", "-verbosity=0", str(seeds)]
    atheris.Setup([sys.argv[0], *options], one)
    atheris.Fuzz()


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--executions", type=int, default=10_000, help="of each reader")
    asked.add_argument("--only", nargs="*", default=list(READERS), choices=READERS)
    given = asked.parse_args()
    if len(given.only) == 1:
        guide(given.only[0], given.executions)
    for name in given.only:
        one = ["--executions", str(given.executions), "--only", name]
        subprocess.run([sys.executable, "-m", "tests.faults.guided", *one], check=True)


if __name__ == "__main__":
    main()

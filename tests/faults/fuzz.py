"""Mutates files for every reader of tests/faults/readers.py: python -m tests.faults.fuzz --help.

What ends in a new way is kept in corpus/, with how many were tried, and `make test` reads it again.
"""

from __future__ import annotations

import argparse
import base64
import random
import re
import sys
import tempfile
import time
import warnings
from collections.abc import Sequence
from pathlib import Path

from tests.faults.readers import READERS, Reader

CORPUS = Path(__file__).parent / "corpus"
MOST = 40  # of a reader's corpus
LONGEST = 2_000  # bytes of what is kept
TOKENS = [
    b"1e400", b"-1e400", b"NaN", b"Infinity", b"null", b"true", b"[]", b"{}", b'""', b"-1", b"0",
    b"9" * 400, b"[" * 200, b'{"a":' * 60, b"\\u0000", b"\\ud800", b"\xff\xfe", b"\0", b"../x",
    b"&a", b"*a", b"!!python/name:os.system", b": ", b"- ", b"\n", b",", b'"', b"\x1b[2J", b"<<",
    b"\xff\xff\xff\xff\xff\xff\xff\x7f", b"\x80" * 8, b"a:b", b"1.5", b"e", b"\t", b"#", b"|",
]  # fmt: skip


def mutated(content: bytes, other: bytes, drawn: random.Random) -> bytes:
    """The bytes after a few changes; other: what may be spliced in."""
    new = bytearray(content)
    for _ in range(drawn.choice((1, 1, 1, 2, 3, 6))):
        at = drawn.randrange(len(new) + 1)
        to = min(len(new), at + drawn.choice((1, 1, 2, 4, 8, 32)))
        how = drawn.randrange(8)
        if how == 0 and at < len(new):
            new[at] ^= 1 << drawn.randrange(8)
        elif how == 1 and at < len(new):
            new[at] = drawn.randrange(256)
        elif how == 2:
            del new[at:to]
        elif how == 3:
            new[at:at] = new[at:to]
        elif how == 4:
            new[at:to] = drawn.choice(TOKENS)
        elif how == 5:
            new[at:at] = drawn.choice(TOKENS)
        elif how == 6:
            new[at:] = other[drawn.randrange(len(other) + 1) :]
        else:
            del new[at:]
    return bytes(new)


def shape_of(said: str) -> str:
    """How a reading ended, without what differs from file to file."""
    said = re.sub(r"got .*|'[^']*'|\"[^\"]*\"|[0-9]+(\.[0-9]+)?", "_", said)
    return re.sub(r"[^\x20-\x7e]", "?", said)[:80]


def tried(reader: Reader, corpus: Sequence[bytes], number: int, seed: str) -> dict[str, bytes]:
    """Try so many mutations; the first of each new way to end. Raises for what must not be."""
    drawn, known = random.Random(seed), [*reader.seeds, *corpus]
    with tempfile.TemporaryDirectory() as name, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the libraries that read, such as zipfile's
        folder = Path(name)
        ends = {shape_of(reader.run(content, folder)): content for content in known}
        new: dict[str, bytes] = {}
        for _ in range(number):
            content = mutated(drawn.choice(known), drawn.choice(known), drawn)
            try:
                end = shape_of(reader.run(content, folder))
            except BaseException:
                sys.stderr.write(f"{content!r}\n")
                raise
            if end not in ends:
                ends[end] = content
                if len(content) <= LONGEST and len(corpus) + len(new) < MOST:
                    new[end] = content
                    known.append(content)
        return new


def file_of(name: str) -> Path:
    return CORPUS / f"{name.replace(' ', '-')}.txt"


def kept_of(name: str) -> tuple[int, list[bytes]]:
    """How many mutations were tried on a reader, and its corpus."""
    path = file_of(name)
    if not path.exists():
        return 0, []
    number, *lines = path.read_text().splitlines()
    return int(number), [base64.b64decode(line) for line in lines]


def keep(name: str, number: int, corpus: Sequence[bytes]) -> None:
    """What `kept_of` reads."""
    CORPUS.mkdir(exist_ok=True)
    lines = [str(number), *(base64.b64encode(content).decode() for content in corpus)]
    file_of(name).write_text("\n".join(lines) + "\n")


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--executions", type=int, default=1_200_000, help="of all readers together")
    asked.add_argument("--seed", default="0")
    asked.add_argument("--only", nargs="*", default=list(READERS), choices=READERS)
    given = asked.parse_args()
    whole = sum(reader.share for reader in READERS.values())
    for name in given.only:
        reader, began = READERS[name], time.monotonic()
        number, (done, before) = given.executions * reader.share // whole, kept_of(name)
        new = tried(reader, before, number, f"{given.seed} {name}")
        keep(name, done + number, [*before, *new.values()])
        seconds = time.monotonic() - began
        print(f"{name}: {number:,} in {seconds:.0f} s, {len(new)} new ways to end", flush=True)


if __name__ == "__main__":
    main()

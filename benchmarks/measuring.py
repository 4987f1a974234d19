"""What the benchmarks share: the machine, children and what they took, turns, tables, JSON."""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NamedTuple

from landscape.core import cores

PACKAGES = ("lscape", "jax", "jaxlib", "numpy", "torch")


class Took(NamedTuple):
    """What a process took: seconds of wall time and of its cores, its highest resident memory."""

    seconds: float
    busy_seconds: float
    peak_mib: float
    output: str


class Spread(NamedTuple):
    """A median with its lowest and highest round."""

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.median:.3g} ({self.low:.3g} to {self.high:.3g})"


def spread(values: Sequence[float]) -> Spread:
    return Spread(statistics.median(values), min(values), max(values))


def machine() -> dict[str, Any]:
    """Processor, cores that this process may use, how busy they are, and versions."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        name = next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        name = platform.processor() or platform.machine()
    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    free = {"cores": cores.usable(), "load": os.getloadavg()[0]}
    return {"processor": name, **free, "versions": versions}


def took(command: Sequence[str], **environment: str) -> Took:
    """Run a command to its end. Raises CalledProcessError, after showing what it said.

    The peak is at least that of the process which starts it, so keep that one small.
    """
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as said:
        began = time.perf_counter()
        child = subprocess.Popen(
            command, stdout=out, stderr=said, env={**os.environ, **environment}
        )
        try:
            _, status, used = os.wait4(child.pid, 0)
        except BaseException:
            child.kill()
            raise
        seconds = time.perf_counter() - began
        child.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        if child.returncode:
            said.seek(0)
            print(said.read(), file=sys.stderr)
            raise subprocess.CalledProcessError(child.returncode, command)
        kib = used.ru_maxrss / (1024 if sys.platform == "darwin" else 1)
        return Took(seconds, used.ru_utime + used.ru_stime, kib / 1024, out.read())


def lscape(*arguments: str | Path) -> list[str]:
    """The command line of lscape, in this environment."""
    start = "from lscape_cli.main import main; main()"
    return [sys.executable, "-c", start, *map(str, arguments)]


def compiled_in(folder: str | Path) -> dict[str, str]:
    """The environment in which compiled programs are kept there, and data found as ever."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    data = os.environ.get("LSCAPE_DATA") or str(Path(home) / "lscape" / "data")
    return {"XDG_CACHE_HOME": str(folder), "LSCAPE_DATA": data}


def turns(calls: Mapping[str, Callable[[], Any]], rounds: int) -> dict[str, list[Any]]:
    """What each call returns, round by round: they take turns, so that all see the same machine."""
    results: dict[str, list[Any]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            results[name].append(call())
    return results


def ratios(over: Sequence[Took], under: Sequence[Took]) -> Spread:
    """How many times longer, round by round."""
    return spread([a.seconds / b.seconds for a, b in zip(over, under, strict=True)])


def introduce() -> None:
    """Say what this is measured on."""
    about = machine()
    versions = ", ".join(f"{name} {number}" for name, number in about["versions"].items())
    print(f"{about['processor']}, {about['cores']} cores, load {about['load']:.1f}; {versions}\n")


def show(rows: Sequence[Mapping[str, Any]]) -> None:
    """The rows as a Markdown table."""
    if not rows:
        return
    print(f"| {' | '.join(rows[0])} |")
    print(f"|{'---|' * len(rows[0])}")
    for row in rows:
        print(f"| {' | '.join(_cell(value) for value in row.values())} |")
    print(flush=True)


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return str(value)


def write(path: Path | None, **content: Any) -> None:
    """Write the machine and the content as JSON."""
    if path is not None:
        path.write_text(json.dumps({"machine": machine(), **content}, indent=1) + "\n")

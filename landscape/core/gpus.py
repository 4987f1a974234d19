"""The GPUs of this machine and which of them a process sees. No JAX here.

JAX takes hold of every GPU that it sees as soon as it is asked how many there are. So this asks
NVIDIA's driver, and a process that starts others sets what they see.
"""

from __future__ import annotations

import os
import re
import subprocess

VISIBLE = "CUDA_VISIBLE_DEVICES"
SECONDS = 30.0  # a driver that is not kept running takes a few to answer
WHOLE = re.compile(r"^GPU \d+: .*\(UUID: (GPU-[0-9a-f-]+)\)")
PART = re.compile(r"^ +MIG .*\(UUID: (MIG-[^)]+)\)")


def visible() -> list[str]:
    """The GPUs that this process may use, by the names that CUDA_VISIBLE_DEVICES takes.

    Where the variable is set, those of it; else all that `nvidia-smi -L` lists, by their UUIDs: its
    order is not CUDA's. Of a GPU that is cut into parts (MIG), the parts.
    """
    given = os.environ.get(VISIBLE)
    if given is not None:
        return _named(given)
    try:
        asked = ["nvidia-smi", "-L"]
        said = subprocess.run(asked, capture_output=True, text=True, timeout=SECONDS, check=True)
    except (OSError, subprocess.SubprocessError):
        return []
    return _listed(said.stdout)


def _named(variable: str) -> list[str]:
    """CUDA leaves out what follows a number below 0."""
    names = [name.strip() for name in variable.split(",")]
    end = next((at for at, name in enumerate(names) if not name or name.startswith("-")), None)
    return names[:end]


def _listed(text: str) -> list[str]:
    found: list[str] = []
    for line in text.splitlines():
        if whole := WHOLE.match(line):
            found.append(whole[1])
        elif part := PART.match(line):
            if found and found[-1].startswith("GPU-"):
                found.pop()
            found.append(part[1])
    return found


def show(names: list[str]) -> None:
    """Let this process see these GPUs alone; before JAX looks for them."""
    os.environ[VISIBLE] = ",".join(names)

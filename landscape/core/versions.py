"""Which versions are installed. No JAX here."""

from __future__ import annotations

import functools
import hashlib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path


def version_of(package: str) -> str:
    """What is installed; a package may be used from its folder, without a version."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"


@functools.cache
def versions_of_results() -> dict[str, str]:
    """What a result may depend on, bit for bit: the code of this package and what it computes by.
    Processes that share work must agree in it."""
    whole = hashlib.sha256()
    folder = Path(__file__).parents[1]
    for path in sorted(folder.rglob("*.py")):
        whole.update(f"{path.relative_to(folder)}\n".encode())
        whole.update(path.read_bytes())
    versions = {name: version_of(name) for name in ("lscape", "jax", "jaxlib", "numpy", "optax")}
    return {**versions, "the code of lscape": whole.hexdigest()[:12]}

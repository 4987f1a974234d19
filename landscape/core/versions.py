"""Which versions are installed. No JAX here."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version


def version_of(package: str) -> str:
    """What is installed; a package may be used from its folder, without a version."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"

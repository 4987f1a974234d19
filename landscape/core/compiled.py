"""The cache of compiled programs: each kept whole or not at all.

JAX writes an entry in its place, and never again where there is one. So a process that was killed
while it wrote left a program that every later process failed to read, said so, and compiled again.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

import jax
from jax._src import compilation_cache
from jax._src.lru_cache import LRUCache


class WholeFiles(LRUCache):
    """An entry that cannot be read is written again; a disk that takes none costs time alone."""

    def put(self, key: str, value: bytes) -> None:
        if self.eviction_enabled:
            return super().put(key, value)
        with contextlib.suppress(OSError):
            handle, name = tempfile.mkstemp(prefix=".", dir=str(self.path))
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(value)
                os.chmod(name, 0o644)
                os.replace(name, str(self.path / f"{key}-cache"))
            except BaseException:
                os.unlink(name)
                raise


def _file_cache(path: str) -> tuple[WholeFiles, str]:
    return WholeFiles(path, max_size=jax.config.values["jax_compilation_cache_max_size"]), path


def keep_programs(default: Path) -> None:
    """Keep compiled programs in a directory, unless JAX_COMPILATION_CACHE_DIR names another; not at
    all where it cannot be made."""
    compilation_cache.get_file_cache = _file_cache
    if jax.config.values["jax_compilation_cache_dir"] is None:
        with contextlib.suppress(OSError):
            default.mkdir(parents=True, exist_ok=True)
            jax.config.update("jax_compilation_cache_dir", str(default))
            jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)

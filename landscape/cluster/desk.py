"""A worker's own part: whether it is fit for the work, and what it has prepared for it."""

from __future__ import annotations

import contextlib
import importlib
import os
import pickle
import threading
from typing import Any

from landscape.cluster.errand import Order
from landscape.config.validation import ConfigError
from landscape.core.versions import versions_of_results
from landscape.data import DataError
from landscape.store.files import RunError

_busy = threading.Lock()  # a worker of several threads does one task at a time
_prepared: dict[tuple[str, str, bytes], Any] = {}  # of the latest stage alone


def carry_out(order: Order) -> tuple[bytes | None, str]:
    """The result of an order, pickled, or why it cannot be done here."""
    own = versions_of_results()
    others = [
        f"{name} {own.get(name)}, not {wanted}"
        for name, wanted in order.versions.items()
        if own.get(name) != wanted
    ]
    if others:
        return None, f"it has {'; '.join(others)}"
    with _busy:
        module = importlib.import_module(order.module)
        of = order.module, order.folder, order.shared
        if of not in _prepared:
            _prepared.clear()
            try:
                with _in_folder(order.folder):
                    _prepared[of] = module.prepare(pickle.loads(order.shared))
            except (ConfigError, DataError, RunError, ImportError, OSError) as error:
                return None, str(error)
        return pickle.dumps(module.perform(_prepared[of], pickle.loads(order.task))), ""


def _in_folder(folder: str) -> contextlib.AbstractContextManager[None]:
    """The folder that a user's modules are in, where the worker has it too."""
    return contextlib.chdir(folder) if os.path.isdir(folder) else contextlib.nullcontext()

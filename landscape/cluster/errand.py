"""What runs on a worker. It is sent by value, so that a worker without lscape can say so."""

from __future__ import annotations

from typing import NamedTuple


class Order(NamedTuple):
    """One piece of work.

    module: what does it, by its `prepare(shared)` and `perform(prepared, task)`; versions: what the
    worker must have; folder: where modules of the user's own are looked for; shared: the same for
    all tasks of a stage; task: this one. Both are pickled: a worker of another version reads
    neither.
    """

    module: str
    versions: dict[str, str]
    folder: str
    shared: bytes
    task: bytes


class Answer(NamedTuple):
    """From the worker of an address and name.

    result: of the task, pickled; None where the worker cannot do it, and why.
    """

    address: str
    worker: str
    result: bytes | None
    why: str = ""


def carry_out(order: Order) -> Answer:
    """Do it, if this worker can."""
    import importlib

    from distributed import get_worker

    worker = get_worker()
    who = worker.address, str(worker.name)
    try:
        desk = importlib.import_module("landscape.cluster.desk")
    except ImportError as error:
        return Answer(*who, None, f"it cannot import lscape: {error}")
    return Answer(*who, *desk.carry_out(order))

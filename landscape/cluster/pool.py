"""Work handed out to the workers of a Dask cluster, and its results as they come."""

from __future__ import annotations

import contextlib
import logging
import os
import pickle
import queue
import time
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

import cloudpickle
from distributed import CancelledError, Client, Future, KilledWorker

from landscape.cluster import errand
from landscape.cluster.errand import Answer, Order, carry_out
from landscape.core.versions import versions_of_results
from landscape.store.files import RunError

log = logging.getLogger("lscape")
cloudpickle.register_pickle_by_value(errand)

AHEAD = 2  # tasks that a worker has: one at work, one to go on with
LOOK_SECONDS = 1.0  # how often new workers, and lost ones, are looked for

Task = TypeVar("Task")


class Pool:
    """The workers of a cluster, of which some may turn out to be unfit for the work."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._unfit: dict[str, str] = {}  # address → the worker and why
        self._fit: list[str] = []
        self._looked = float("-inf")

    @property
    def workers(self) -> int:
        """How many are fit, as far as is known."""
        return len(self._fit)

    def results(
        self, module: str, shared: Any, tasks: Iterable[Task]
    ) -> Iterator[tuple[Task, Any]]:
        """Each task with its result, as they end.

        A task whose worker dies is done by another. A worker that cannot do the work is named in a
        warning, and gets no more of it.

        Args:
            module: What has `prepare(shared)` and `perform(prepared, task)`.
            shared: What all tasks share.
            tasks: Those to be done; taken as workers are free.

        Yields:
            A task and its result.

        Raises:
            RunError: No worker is fit, the scheduler is gone, or a task ends worker after worker.
        """
        order = Order(module, versions_of_results(), os.getcwd(), pickle.dumps(shared), b"")
        waiting, again = iter(tasks), deque[Task]()
        ended: queue.SimpleQueue[Future] = queue.SimpleQueue()
        going: dict[Future, tuple[Task, str]] = {}
        all_out = False
        try:
            while again or going or not all_out:
                for address in self._free(Counter(at for _, at in going.values())):
                    task = again.popleft() if again else next(waiting, None)
                    if task is None:
                        all_out = True
                        break
                    future = self._submitted(order._replace(task=pickle.dumps(task)), address)
                    going[future] = task, address
                    future.add_done_callback(ended.put)
                try:
                    future = ended.get(timeout=LOOK_SECONDS)
                except queue.Empty:
                    continue
                task, _ = going.pop(future)
                answer = self._answer(future, task)
                if answer.result is None:
                    again.append(task)
                    self._leave_out(answer)
                else:
                    yield task, pickle.loads(answer.result)
        finally:
            with contextlib.suppress(Exception):
                self._client.cancel(list(going))

    def _submitted(self, order: Order, address: str) -> Future:
        with self._scheduler_there():
            return self._client.submit(
                carry_out, order, workers=[address], allow_other_workers=True, pure=False
            )

    def _free(self, loads: Counter[str]) -> Iterator[str]:
        """An address for each task that may be handed out, that of the least laden first."""
        self._look()
        for load in range(AHEAD):
            yield from (address for address in self._fit if loads[address] <= load)

    def _look(self) -> None:
        if time.monotonic() - self._looked < LOOK_SECONDS:
            return
        with self._scheduler_there():
            there = self._client.nthreads()
        self._fit = [address for address in there if address not in self._unfit]
        if there and not self._fit:
            raise RunError(f"no worker can do this: {'; '.join(self._unfit.values())}")
        if not there and self._looked < 0:
            log.info(f"waiting for workers of {self._address}")
        self._looked = time.monotonic()

    def _leave_out(self, answer: Answer) -> None:
        if answer.address not in self._unfit:
            said = f"worker {answer.worker} ({answer.address}): {answer.why}"
            self._unfit[answer.address] = said
            log.warning(f"{said}; it gets no more of this work")
        self._looked = float("-inf")

    def _answer(self, future: Future, task: object) -> Answer:
        with self._scheduler_there():
            try:
                return future.result()
            except KilledWorker as error:
                last = error.last_worker
                raise RunError(
                    f"{task}: the worker that did it has ended {error.allowed_failures + 1} times, "
                    f"the last {last.name} ({last.address}); it may have run out of memory"
                ) from None

    @property
    def _address(self) -> str:
        scheduler = self._client.scheduler
        return scheduler.address if scheduler else "a scheduler that is gone"

    @contextlib.contextmanager
    def _scheduler_there(self) -> Iterator[None]:
        try:
            yield
        except (CancelledError, ConnectionError, TimeoutError) as error:
            raise RunError(
                f"the scheduler is gone ({error}); the same command goes on with what is kept"
            ) from None

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
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast

import cloudpickle
from distributed import CancelledError, Client, Future, KilledWorker
from distributed.comm.core import CommClosedError

from landscape.cluster import errand
from landscape.cluster.errand import Answer, Order, carry_out
from landscape.core.versions import versions_of_results
from landscape.store.files import RunError

log = logging.getLogger("lscape")
cloudpickle.register_pickle_by_value(errand)

AHEAD = 2  # tasks that a worker has: one at work, one to go on with
LOOK_SECONDS = 1.0  # how often new workers, and lost ones, are looked for
FETCH_SECONDS = 5.0  # after which a result that is there may have gone with its worker
DEATHS = 3  # of its workers that a task may outlive

Task = TypeVar("Task")


@dataclass(eq=False)
class _Item(Generic[Task]):
    """A task, and how many workers have ended with it."""

    task: Task
    deaths: int = 0


class Pool:
    """The workers of a cluster, of which some may turn out to be unfit for the work.

    Each task goes to a worker of our choice: Dask alone could give it to an unfit one.
    """

    def __init__(self, client: Client, asked: int = 1) -> None:
        assert client.scheduler is not None, "it is connected"
        self._asked = asked
        self._client, self._address = client, client.scheduler.address
        self._unfit: dict[str, str] = {}  # address → the worker and why
        self._fit: list[str] = []
        self._waits = False
        self._looked = float("-inf")

    @property
    def workers(self) -> int:
        """How many are fit, as far as is known."""
        self._look()
        return len(self._fit)

    @property
    def expected(self) -> int:
        """How many the work is for: those there, or asked for and still to come."""
        return max(self.workers, self._asked)

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
        waiting = map(_Item, tasks)
        first = next(waiting, None)
        if first is None:
            return  # without waiting for a worker
        again = deque([first])
        order = Order(module, versions_of_results(), os.getcwd(), pickle.dumps(shared), b"")
        ended: queue.SimpleQueue[Future] = queue.SimpleQueue()
        going: dict[Future, tuple[_Item[Task], str]] = {}
        all_out = False
        try:
            while again or going or not all_out:
                self._look()
                again.extend(self._orphans(going))
                for address in self._free(Counter(at for _, at in going.values())):
                    item = again.popleft() if again else next(waiting, None)
                    if item is None:
                        all_out = True
                        break
                    future = self._submitted(order._replace(task=pickle.dumps(item.task)), address)
                    going[future] = item, address
                    future.add_done_callback(ended.put)
                try:
                    future = ended.get(timeout=LOOK_SECONDS)
                except queue.Empty:
                    continue
                if future not in going:
                    continue  # its worker has died since
                answer = self._answer(future)
                if answer is None:
                    ended.put(future)
                    continue
                item, _ = going.pop(future)
                if answer.result is None:
                    again.append(item)
                    self._leave_out(answer)
                else:
                    yield item.task, pickle.loads(answer.result)
        finally:
            with contextlib.suppress(Exception):
                self._client.cancel(list(going))

    def _submitted(self, order: Order, address: str) -> Future:
        with self._scheduler_there():
            return self._client.submit(carry_out, order, workers=[address], pure=False)

    def _free(self, loads: Counter[str]) -> Iterator[str]:
        """An address for each task that may be handed out, that of the least laden first."""
        for load in range(AHEAD):
            yield from (address for address in self._fit if loads[address] <= load)

    def _look(self) -> None:
        if time.monotonic() - self._looked < LOOK_SECONDS:
            return
        with self._scheduler_there():
            there = cast(dict[str, int], self._client.nthreads())
        self._fit = [address for address in there if address not in self._unfit]
        if there and not self._fit:
            raise RunError(f"no worker can do this: {'; '.join(self._unfit.values())}")
        if not there and not self._waits:
            log.warning(f"waiting for workers of {self._address}: it has none")
        self._waits = not there
        self._looked = time.monotonic()

    def _orphans(self, going: dict[Future, tuple[_Item[Task], str]]) -> Iterator[_Item[Task]]:
        """The items of workers that are gone, taken from those that are going."""
        lost = {future: one for future, one in going.items() if one[1] not in self._fit}
        for future, (item, address) in lost.items():
            if address in self._unfit:
                continue  # it will say so
            del going[future]
            with self._scheduler_there():
                self._client.cancel([future])
            item.deaths += 1
            if item.deaths > DEATHS:
                raise RunError(
                    f"{item.task}: {item.deaths} workers have ended with it, the last {address}; "
                    "they may have run out of memory"
                )
            yield item

    def _leave_out(self, answer: Answer) -> None:
        if answer.address not in self._unfit:
            said = f"worker {answer.worker} ({answer.address}): {answer.why}"
            self._unfit[answer.address] = said
            log.warning(f"{said}; it gets no more of this work")
        self._looked = float("-inf")

    def _answer(self, future: Future) -> Answer | None:
        """What came of a task that has ended; None where it does not come."""
        with self._scheduler_there():
            try:
                return future.result(timeout=FETCH_SECONDS)
            except (KilledWorker, TimeoutError):
                return None

    @contextlib.contextmanager
    def _scheduler_there(self) -> Iterator[None]:
        try:
            yield
        except (CancelledError, CommClosedError, ConnectionError, TimeoutError):
            raise RunError(
                f"{self._address}: the scheduler is gone; the same command resumes"
            ) from None

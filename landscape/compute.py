"""The one place that knows about devices: how many there are and how models share them."""

from __future__ import annotations

import hashlib
import os
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, PartitionSpec

from landscape import trees

MODELS_PER_CALL = 8  # a device's share of one call on a CPU: few, so that a call stays short
CALL_BYTES = 2**28  # parameters of all the models of one call
ACCELERATOR_MODELS = 1024
CALL_SECONDS = 1.0
MOST_STEPS = 2**20


def configure(precision: str = "float32") -> None:
    """Set the precision, and once before JAX's backend starts: a CPU device a core, the cache.

    JAX_COMPILATION_CACHE_DIR and JAX_ENABLE_COMPILATION_CACHE=false overrule the cache.
    """
    jax.config.update("jax_enable_x64", precision == "float64")
    if jax.config.values["jax_compilation_cache_dir"] is None:
        jax.config.update("jax_compilation_cache_dir", str(_cache_directory()))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.5)
    if not _backend_started() and "host_platform_device_count" not in os.environ.get(
        "XLA_FLAGS", ""
    ):
        jax.config.update("jax_num_cpu_devices", len(os.sched_getaffinity(0)))


def _backend_started() -> bool:
    from jax._src import xla_bridge

    return xla_bridge.backends_are_initialized()


def _cache_directory() -> Path:
    """Compiled code is for one kind of processor and one version of JAX."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    try:
        cpu = Path("/proc/cpuinfo").read_text().split("\n\n")[0]
        flags = "".join(line for line in cpu.splitlines() if line.startswith(("model", "flags")))
    except OSError:
        flags = platform.processor()
    kind = hashlib.sha256(flags.encode()).hexdigest()[:8]
    return home / "lscape" / f"jax-{jax.__version__}-{platform.machine()}-{kind}"


def device_description() -> str:
    devices = jax.devices()
    kind = devices[0].device_kind
    return f"{len(devices)} × {devices[0].platform}" + (f" ({kind})" if kind != "cpu" else "")


def exact_in_any_batch() -> bool:
    """Whether a model's result is the same bit for bit whichever models run beside it."""
    return jax.devices()[0].platform == "cpu"


def loops_slow_convolutions() -> bool:
    """Whether XLA's own convolution crawls inside a compiled loop (jax issue 12868)."""
    return jax.devices()[0].platform == "cpu"


def each(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function(item, *shared)` compiled to run over a leading axis of any length.

    On a CPU, one item at a time on every core: tiny models are faster so (no batch falls out of
    cache), no item waits for a slower one, and results do not depend on the batch, bit for bit.
    On an accelerator, all items at once (`vmap`), padded to a power of two. Items are NumPy
    trees [n, ...]; so are the results.
    """
    devices = jax.devices()
    mesh = jax.make_mesh((len(devices),), ("models",), axis_types=(AxisType.Auto,))

    def one_at_a_time(items: Any, count: jax.Array, *shared: Any) -> Any:
        def place(i: jax.Array, results: Any) -> Any:
            result = function(trees.take(items, i), *shared)
            return jax.tree.map(lambda old, new: old.at[i].set(new), results, result)

        shapes = jax.eval_shape(function, trees.take(items, 0), *shared)
        capacity = trees.count(items)
        empty = jax.tree.map(lambda s: jnp.zeros((capacity, *s.shape), s.dtype), shapes)
        return jax.lax.fori_loop(0, count[0], place, empty)

    def together(items: Any, count: jax.Array, *shared: Any) -> Any:
        return jax.vmap(function, (0, *(None for _ in shared)))(items, *shared)

    split, whole = PartitionSpec("models"), PartitionSpec()

    @jax.jit
    def compiled(items: Any, counts: jax.Array, *shared: Any) -> Any:
        return jax.shard_map(
            one_at_a_time if exact_in_any_batch() else together,
            mesh=mesh,
            in_specs=(split, split, *(whole for _ in shared)),
            out_specs=split,
            check_vma=False,
        )(items, counts, *shared)

    def run(items: Any, *shared: Any) -> Any:
        total = trees.count(items)
        capacity = _capacity(items, total, len(devices))
        results = []
        for start in range(0, total, capacity * len(devices)):
            chunk = np.arange(start, min(total, start + capacity * len(devices)))
            # item k goes to device k mod devices: neighbours, alike in cost, are spread
            slots = start + np.arange(capacity * len(devices)).reshape(capacity, -1).T.ravel()
            filled = np.where(slots < total, slots, chunk[0])
            counts = (slots < total).reshape(len(devices), -1).sum(1).astype(np.int32)
            out = jax.device_get(compiled(trees.take(items, filled), counts, *shared))
            back = np.argsort(slots, kind="stable")[: len(chunk)]
            results.append(trees.take(out, back))
        return results[0] if len(results) == 1 else trees.concatenate(results)

    return run


def _capacity(items: Any, total: int, devices: int) -> int:
    item_bytes = sum(leaf[0].nbytes for leaf in jax.tree.leaves(items))
    fits = max(1, CALL_BYTES // max(1, item_bytes * devices))
    if exact_in_any_batch():
        return min(MODELS_PER_CALL, fits)
    needed = -(-total // devices)
    return min(
        1 << (needed - 1).bit_length(), 1 << (min(fits, ACCELERATOR_MODELS).bit_length() - 1)
    )


class Pace:
    """How many steps a call should make, so that bars move and Ctrl-C answers.

    Adapted to the clock only where results do not depend on it.
    """

    def __init__(self, steps: int = 500) -> None:
        self.steps = steps

    def timed(self, call: Callable[[int], Any]) -> Any:
        start = time.perf_counter()
        result = call(self.steps)
        seconds = time.perf_counter() - start
        if exact_in_any_batch():
            if seconds < CALL_SECONDS / 2:
                self.steps = min(self.steps * 2, MOST_STEPS)
            elif seconds > CALL_SECONDS * 2 and self.steps > 1:
                self.steps //= 2
        return result

"""The one place that knows about devices: how many there are and how models share them."""

from __future__ import annotations

import functools
import hashlib
import math
import os
import platform
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from landscape.core import cores, large, trees
from landscape.core.compiled import keep_programs

MEMORY = 2**31
SHARE_ON_DEVICE = 4  # a call's models take up to memory's part in this, with room for copies
TINY_BYTES = 2**20  # up to which models share a call on a CPU, for the call's own cost
TINY_MODELS = 8
ACCELERATOR_MODELS = 1024
SIZES = 2  # bits from one size of a batch to the next: each size is compiled
CACHED = 32 * 2**20  # as `parts.intermediate_bytes` counts, of which XLA fuses most away
CALL_SECONDS = 1.0
MOST_STEPS = 2**20


class SpreadError(ValueError):
    """The devices cannot be shared out so many to a network."""


@dataclass(frozen=True)
class _Plan:
    strategy: str = "auto"
    devices: int | None = None
    memory: int = MEMORY
    spread: int | None = 1
    matmul: str = "exact"


_plan = _Plan()


def configure(
    precision: str = "float32",
    strategy: str = "auto",
    devices: int | None = None,
    memory: int | None = None,
    spread: int | None = 1,
    shared: bool = False,
    matmul: str = "exact",
) -> None:
    """Set the precision and how models share the devices.

    Before JAX's backend starts it also sets, once, a CPU device for each core, or as many as asked
    for, and the cache of compiled programs. JAX_COMPILATION_CACHE_DIR and
    JAX_ENABLE_COMPILATION_CACHE=false overrule the cache.

    Args:
        precision: `float32` or `float64`.
        strategy: `map`, one model at a time on each device; `vmap`, all of a call at once; `auto`,
            map on CPUs and vmap elsewhere.
        devices: How many to use; None: all.
        memory: Bytes for the models and paths that are worked on; None: the default.
        spread: Over how many of the devices each model's parameters are spread; None: over all.
            Models are side by side on the others.
        shared: Other processes use these devices too, so that a GPU's memory is taken only as it
            is needed. XLA_PYTHON_CLIENT_PREALLOCATE overrules this.
        matmul: How descents multiply matrices; `fast`: in what the device is fast in.

    Raises:
        ValueError: There are not so many devices.
        SpreadError: They cannot be shared out so.
    """
    global _plan
    jax.config.update("jax_enable_x64", precision == "float64")
    keep_programs(_cache_directory())
    if not _backend_started() and "host_platform_device_count" not in os.environ.get(
        "XLA_FLAGS", ""
    ):
        jax.config.update("jax_num_cpu_devices", max(cores.usable(), devices or 1))
    if shared:
        os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    _plan = _Plan(strategy, devices, memory or MEMORY, spread, matmul)
    large.configure(_plan.memory)
    if devices is not None and devices > len(jax.devices()):
        raise ValueError(f"{devices} devices are asked for, there are {device_description()}")
    if spread is not None and spread > 1 and len(jax.devices()[:devices]) % spread:
        used = len(jax.devices()[:devices])
        raise SpreadError(f"{used} devices cannot be shared out {spread} to a network")


class Settings(NamedTuple):
    """What programs depend on besides what they compute."""

    plan: _Plan
    double: bool


def settings() -> Settings:
    """Those that are set."""
    return Settings(_plan, jax.dtypes.canonicalize_dtype(float) == np.float64)


def _backend_started() -> bool:
    from jax._src import xla_bridge

    return xla_bridge.backends_are_initialized()


def _cache_directory() -> Path:
    """Compiled code is for one kind of processor and one version of JAX."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    kind = hashlib.sha256(_processor().encode()).hexdigest()[:8]
    return home / "lscape" / f"jax-{jax.__version__}-{platform.machine()}-{kind}"


def _processor() -> str:
    """The model and what it can do, in the system's words."""
    try:
        cpu = Path("/proc/cpuinfo").read_text().split("\n\n")[0]
    except OSError:
        return platform.processor()
    return "".join(line for line in cpu.splitlines() if line.startswith(("model", "flags")))


def _compiler_options() -> dict[str, int] | None:
    """XLA's CPU code keeps to vectors of 256 bits, for processors that slow down in wider ones; a
    tiny model's step is a quarter faster in 512 (benchmarks/RESULTS.md)."""
    wide = jax.devices()[0].platform == "cpu" and "avx512f" in _processor()
    return {"xla_cpu_prefer_vector_width": 512} if wide else None


def device_description() -> str:
    devices = jax.devices()
    kind = devices[0].device_kind
    fast = ", descents with fast matrix products" if _plan.matmul == "fast" else ""
    return (
        f"{len(devices)} × {devices[0].platform}" + (f" ({kind})" if kind != "cpu" else "") + fast
    )


def memory() -> int:
    """Bytes for the models and strings that are worked on together."""
    return _plan.memory


def exact_in_any_batch() -> bool:
    """Whether a model's result is the same bit for bit whichever models run beside it."""
    places, shards = _mesh_shape()
    if places > 1 and shards > 1:
        return False
    on_cpu = jax.devices()[0].platform == "cpu"
    return on_cpu if _plan.strategy == "auto" else _plan.strategy == "map"


def _mesh_shape() -> tuple[int, int]:
    """How many places there are for models side by side, and how many devices each of them has."""
    used = len(jax.devices()[: _plan.devices])
    shards = _plan.spread or used
    return used // shards, shards


def loops_slow_convolutions() -> bool:
    """Whether XLA's own convolution crawls inside a compiled loop (jax issue 12868)."""
    return jax.devices()[0].platform == "cpu"


def cached_bytes() -> int | None:
    """Of what is computed on the way to a gradient, how much stays near a CPU's core; None where
    memory is as quick for all of it."""
    return CACHED if jax.devices()[0].platform == "cpu" else None


def descending() -> AbstractContextManager[None]:
    """How matrices are multiplied while gradients that are descended are traced. All else that is
    compiled here is in the full precision of its type."""
    return jax.default_matmul_precision("default" if _plan.matmul == "fast" else "highest")


class Held(NamedTuple):
    """Items on the devices, padded: slots [places × capacity] gives the item in each slot, or -1;
    counts [places], how many of a place's slots, the first ones, are filled."""

    items: Any
    slots: np.ndarray
    counts: np.ndarray

    def fetch(
        self,
        part: Callable[[Any], Any] = lambda items: items,
        some: Callable[[Any, np.ndarray], Any] = trees.items,
    ) -> Any:
        """The items, or a part of their tree, as NumPy [n, ...] in their own order; some: the
        items of these numbers."""
        filled = np.flatnonzero(self.slots >= 0)
        back = filled[np.argsort(self.slots[filled])]
        return some(jax.device_get(part(self.items)), back)


@jax.jit
def _copied(items: Any) -> Any:
    return jax.tree.map(jnp.copy, items)


class _Program(NamedTuple):
    """A function of items at so many places; `move` takes their memory for its results."""

    mesh: Mesh
    run: jax.stages.Wrapped
    move: jax.stages.Wrapped


class Each:
    """`function(item, *shared)` compiled to run over items, trees with a leading axis.

    With the strategy `map`, one item at a time on every device: on a CPU tiny models are faster so
    (no batch falls out of cache), no item waits for a slower one, and results do not depend on the
    batch, bit for bit. With `vmap`, all items at once, padded to a power of four: few sizes, as
    compiling takes longer there than most of what is computed.

    The devices are a mesh, of which models share one axis, and a model's parameters another. Where
    it has both, all models of a call run together: loops end at different times, and devices that
    wait for one another must make the same steps. On a CPU fewer of the devices are used where
    memory's part has no room for a model on each.
    """

    def __init__(self, function: Callable[..., Any], tiny_models: int, made: int) -> None:
        self._tiny_models, self._made = tiny_models, made
        self._places, self._shards = _mesh_shape()
        one_by_one = exact_in_any_batch()

        def one_at_a_time(items: Any, count: jax.Array, *shared: Any) -> Any:
            def result_of(i: Any) -> Any:
                return function(trees.take(items, i), *shared)

            def place(i: jax.Array, results: Any) -> Any:
                return jax.tree.map(lambda old, new: old.at[i].set(new), results, result_of(i))

            def first(nothing: Any) -> Any:
                return jax.tree.map(lambda leaf: jnp.asarray(leaf)[None], result_of(0))

            capacity, shapes = trees.count(items), jax.eval_shape(result_of, 0)
            empty = jax.tree.map(lambda s: jnp.zeros((capacity, *s.shape), s.dtype), shapes)
            if capacity == 1:  # without the loop's copies
                return jax.lax.cond(count[0] > 0, first, lambda nothing: nothing, empty)
            return jax.lax.fori_loop(0, count[0], place, empty)

        def together(items: Any, count: jax.Array, *shared: Any) -> Any:
            return jax.vmap(function, (0, *(None for _ in shared)))(items, *shared)

        split, whole = PartitionSpec("models"), PartitionSpec()
        axes = {"shards": self._shards} if self._shards > 1 else {}
        options = _compiler_options()

        def program(places: int) -> _Program:
            kinds = (AxisType.Auto,) * (1 + len(axes))
            used = jax.devices()[: places * self._shards]
            mesh = jax.make_mesh(
                (places, *axes.values()), ("models", *axes), axis_types=kinds, devices=used
            )

            def run(items: Any, counts: jax.Array, *shared: Any) -> Any:
                if places > 1 and self._shards > 1:
                    found = together(items, counts, *shared)
                    wanted = jax.tree.map(functools.partial(self._sharding, mesh), found)
                    return jax.lax.with_sharding_constraint(found, wanted)
                return jax.shard_map(
                    one_at_a_time if one_by_one else together,
                    mesh=mesh,
                    axis_names={"models"},
                    in_specs=(split, split, *(whole for _ in shared)),
                    out_specs=split,
                    check_vma=False,
                )(items, counts, *shared)

            def compiled(items: Any, counts: jax.Array, *shared: Any) -> Any:
                # float32 is float32: GPUs would multiply matrices in TF32, TPUs in bfloat16
                with jax.default_matmul_precision("highest"):
                    return run(items, counts, *shared)

            return _Program(
                mesh,
                jax.jit(compiled, compiler_options=options),
                jax.jit(compiled, donate_argnums=0, compiler_options=options),
            )

        self._program = functools.cache(program)

    def __call__(self, items: Any, *shared: Any) -> Any:
        """The results [n, ...] of n items, NumPy trees both, a call at a time."""
        total, start = trees.count(items), 0
        results: Any = None
        while start < total:
            most = self.at_once(items, total - start)
            if most > 2 * (total - start) and not exact_in_any_batch():
                most >>= SIZES  # another call costs less than so much padding
            part = slice(start, start + most)
            held = self._put(trees.take(items, part), trees.seen)
            run = self._program(len(held.counts)).run
            found = held._replace(items=run(held.items, held.counts, *shared)).fetch()
            large.release()
            if start == 0 and most >= total:
                return found
            if results is None:
                results = trees.empty(found, total)
            for whole, some in zip(jax.tree.leaves(results), jax.tree.leaves(found), strict=True):
                large.fill(whole[part], some.__getitem__)
            start += most
        return results

    def at_once(self, items: Any, total: int) -> int:
        """How many of `total` items such as these [n, ...] one call takes."""
        places = self._places_for(items)
        return self._capacity(items, total, places) * places

    def takes(self, item: Any, total: int, *shared: Any, moves: bool = False) -> int:
        """Bytes of a call on so many items of such shapes, or on as many of them as it takes: the
        items, the results and what is between, as the compiler has planned them. moves: by `move`.
        """
        items = jax.tree.map(lambda s: jax.ShapeDtypeStruct((total, *s.shape), s.dtype), item)
        places = self._places_for(items)
        count = self._capacity(items, total, places) * places
        items = jax.tree.map(lambda s: jax.ShapeDtypeStruct((count, *s.shape[1:]), s.dtype), items)
        program = self._program(places)
        counts = jax.ShapeDtypeStruct((places,), np.int32)
        lowered = (program.move if moves else program.run).lower(items, counts, *shared)
        plan = lowered.compile().memory_analysis()
        assert plan is not None, "compiled here"
        ours = plan.argument_size_in_bytes + plan.output_size_in_bytes - plan.alias_size_in_bytes
        return places * (ours + plan.temp_size_in_bytes)

    def hold(self, items: Any, own: bool = False) -> Held:
        """Items [n, ...], no more than `at_once`, on the devices; own: in memory of their own."""
        held = self._put(items, trees.items)
        if own and large.in_use():  # a CPU's device works on what lies in a file where it lies
            held = held._replace(items=jax.block_until_ready(_copied(held.items)))
            large.release()
        return held

    def _put(self, items: Any, some: Callable[[Any, np.ndarray], Any]) -> Held:
        """`hold`, by `some` items of these numbers, which a CPU's device may work on in place."""
        total, places = trees.count(items), self._places_for(items)
        capacity = self._capacity(items, total, places)
        # item k goes to device k mod devices: neighbours, alike in cost, are spread
        slots = np.arange(capacity * places).reshape(capacity, -1).T.ravel()
        counts = (slots < total).reshape(places, -1).sum(1).astype(np.int32)
        filled = some(items, np.where(slots < total, slots, 0))
        sharding = functools.partial(self._sharding, self._program(places).mesh)
        on_devices = jax.device_put(filled, jax.tree.map(sharding, filled))
        return Held(on_devices, np.where(slots < total, slots, -1), counts)

    def _sharding(self, mesh: Mesh, leaf: np.ndarray | jax.Array) -> NamedSharding:
        """Items over one axis of the mesh; their longest axis over the other, where it divides."""
        spec: list[str | None] = [None] * leaf.ndim
        spec[0] = "models"
        if self._shards > 1 and leaf.ndim > 1:
            longest = 1 + int(np.argmax(leaf.shape[1:]))
            if leaf.shape[longest] % self._shards == 0:
                spec[longest] = "shards"
        return NamedSharding(mesh, PartitionSpec(*spec))

    def move(self, held: Held, *shared: Any) -> Held:
        """The results of items on the devices, left there, in the memory of the items, which are
        gone: for functions whose result is like the item."""
        move = self._program(len(held.counts)).move
        return held._replace(items=move(held.items, held.counts, *shared))

    def _bytes_each(self, items: Any) -> int:
        leaves = jax.tree.leaves(items)
        own = sum(math.prod(leaf.shape[1:]) * leaf.dtype.itemsize for leaf in leaves)
        return max(1, self._made, own)

    def _places_for(self, items: Any) -> int:
        """At how many places such items are worked on side by side: those of a CPU share memory."""
        if not exact_in_any_batch() or jax.devices()[0].platform != "cpu":
            return self._places
        return max(1, min(self._places, memory() // SHARE_ON_DEVICE // self._bytes_each(items)))

    def _capacity(self, items: Any, total: int, places: int) -> int:
        """A place's share of one call: few on a CPU, so that a call stays short."""
        item_bytes = self._bytes_each(items)
        if exact_in_any_batch():
            return max(1, min(self._tiny_models, TINY_BYTES // item_bytes))
        fits = max(1, memory() // SHARE_ON_DEVICE // (item_bytes * places))
        needed = -(-total // places)
        steps = -(-(needed - 1).bit_length() // SIZES)
        return min(1 << SIZES * steps, 1 << (min(fits, ACCELERATOR_MODELS).bit_length() - 1))


def each(function: Callable[..., Any], tiny_models: int = TINY_MODELS, made: int = 0) -> Each:
    """`function(item, *shared)` over a leading axis of any length, as the devices do it best.

    tiny_models: how many tiny ones share a call on a CPU: more where one takes little time; made:
    bytes that the function makes of an item, where that is the larger.
    """
    return Each(function, tiny_models, made)


class Pace:
    """How many steps a call should make, so that bars move and Ctrl-C answers.

    From one check's steps on adapted to the clock, where results do not depend on it; else few,
    because a model that has ended keeps its place until the call is over.
    """

    def __init__(self, check_every: int) -> None:
        self.steps = check_every * (1 if exact_in_any_batch() else 5)

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

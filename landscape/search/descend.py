"""Train many models at once, each down to its own target or to the end of its budget.

End points and beads both descend this way.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np
import optax

from landscape.core import trees
from landscape.core.devices import Held, Pace, descending, each
from landscape.core.landscape import Landscape
from landscape.core.task import Scalar
from landscape.core.trees import Params

SEEN = ("step", "value", "moved")  # what is known of models while they stay on the devices


class Constraint(Protocol):
    """What holds a model while it descends, besides the loss, given what is fixed for it."""

    def penalty(self, params: Params, fixed: Params) -> Scalar:
        """Added to the loss that is descended, not to the level that is looked at."""
        ...

    def project(self, update: Params, fixed: Params) -> Params:
        """The part of an update that the model may follow."""
        ...


@dataclass
class DescentState:
    """n models on their way down, in NumPy arrays with n in front.

    memory: the leaves of the optimiser's state, of the carry, the loss last descended, and the
    average of the parameters, if there is one; key:
    uint32 [n, 2]; step: steps taken; value: the level's metric at the last check; target: where to
    stop; reach: how far it is expected to have to go, for optimisers that ask; moved: whether it is
    anywhere but where it began, True before it is known; fixed: what a constraint needs, named
    arrays. Models that go on stay on the devices between calls, in `held`:
    their params and memory are in the arrays once the descent is settled.
    """

    params: Params
    memory: list[np.ndarray]
    key: np.ndarray
    step: np.ndarray
    value: np.ndarray
    target: np.ndarray
    reach: np.ndarray
    moved: np.ndarray
    fixed: Params = field(default_factory=dict)
    held: Held | None = None
    who: np.ndarray = field(default_factory=lambda: np.arange(0))  # the models that are held

    @property
    def stayed(self) -> np.ndarray:
        """Which models [n] could not leave their start: the loss has no gradient there, or is not
        finite."""
        return ~self.moved | (~np.isfinite(self.value) & (self.step == 0))

    def settled(self) -> DescentState:
        """The same with all of it in the arrays, which are changed in place."""
        if self.held is None:
            return self
        moved = self.held.fetch(lambda items: (items["params"], items["memory"]), trees.seen)
        for number, place in enumerate(self.who):
            trees.put((self.params, self.memory), place, trees.take(moved, number))
        return replace(self, held=None)

    def take(self, index: np.ndarray) -> DescentState:
        """Some of the models."""
        return DescentState(**trees.items(self.settled().arrays(), index))

    def __add__(self, other: DescentState) -> DescentState:
        """These models, then the other ones."""
        return DescentState(**trees.concatenate([d.settled().arrays() for d in (self, other)]))

    def arrays(self) -> dict[str, Any]:
        """What a DescentState can be made of again, once it is settled."""
        return {name: part for name, part in vars(self).items() if name not in ("held", "who")}


class Taken(NamedTuple):
    """Bytes of a model between calls, of the call that starts models, and of one that moves them;
    and how many models the latter takes."""

    state: int
    start: int
    move: int
    together: int


class Descender:
    """Descends a landscape by an optimiser, looking at the level every `check_every` steps.

    A model goes on until its value is at most its target, or is not finite, or it has made
    `max_steps` steps, or, where its reach is finite, as a bead's is, its first `check_every` steps
    have not moved it: it stands at a stationary point. With `looks_early` it is also looked at when
    the loss that it descends comes to the target. An optimiser may use `value`, that loss, `grad`,
    `value_fn`, the same loss elsewhere, `target` and `reach`. Randomness is folded from a model's
    key and its step, so the way down is the same however it is cut into calls. With `ema`, a
    decay, what is looked at is the moving average d·average + (1 − d)·θ of the parameters.
    """

    def __init__(
        self,
        landscape: Landscape,
        optimizer: optax.GradientTransformation,
        check_every: int,
        max_steps: int,
        constraint: Constraint | None = None,
        looks_early: bool = False,
        ema: float | None = None,
    ) -> None:
        self.max_steps = max_steps
        optimizer = optax.with_extra_args_support(optimizer)
        self._pace = Pace(check_every)

        def memory_of(params: Params) -> Any:
            average = {} if ema is None else params
            return optimizer.init(params), landscape.carry, jnp.array(jnp.inf), average

        self._structure = structure = jax.tree.structure(
            jax.eval_shape(memory_of, dict(landscape.shapes))
        )

        def start(item: tuple[Params, Any]) -> Any:
            params, _ = item
            memory = jax.tree.leaves(memory_of(params))
            return [jnp.asarray(leaf) for leaf in memory], landscape.level(params)

        def advance(item: dict[str, Any], steps: jax.Array) -> dict[str, Any]:
            key = jax.random.wrap_key_data(item["key"])
            stop = jnp.minimum(item["step"] + steps, max_steps)

            def objective(params: Params, carry: Any, key: jax.Array) -> Any:
                with descending():
                    loss, carry = landscape.loss(params, carry, key)
                penalty = constraint.penalty(params, item["fixed"]) if constraint else 0
                return loss + penalty, (loss, carry)

            def one(i: jax.Array, state: Any) -> Any:
                params, (moments, carry, before, average) = state
                seen = carry, jax.random.fold_in(key, i)
                gradient, (loss, carry) = jax.grad(objective, has_aux=True)(params, *seen)
                updates: Any
                updates, moments = optimizer.update(
                    gradient, moments, params,
                    value=loss, target=item["target"], reach=item["reach"],
                    grad=gradient, value_fn=lambda at: objective(at, *seen)[0],
                )  # fmt: skip
                if constraint:
                    updates = constraint.project(updates, item["fixed"])
                params = optax.apply_updates(params, updates)
                if ema is not None:
                    average = optax.incremental_update(params, average, 1 - ema)
                return params, (moments, carry, loss.astype(before.dtype), average)

            def several(state: Any, step: jax.Array, last: jax.Array) -> tuple[Any, jax.Array]:
                if not looks_early:
                    return jax.lax.fori_loop(step, last, one, state), last

                def further(now: Any) -> Any:
                    state, i, _ = now
                    after = one(i, state)
                    arrived = (after[1][2] <= item["target"]) & (state[1][2] > item["target"])
                    return after, i + 1, arrived

                state, step, _ = jax.lax.while_loop(
                    lambda now: (now[1] < last) & ~now[2], further, (state, step, jnp.array(False))
                )
                return state, step

            def goes_on(state: Any) -> jax.Array:
                _, step, value, moved = state
                ahead = (value > item["target"]) & jnp.isfinite(value)
                return (step < stop) & ahead & moved

            def until_check(state: Any) -> Any:
                before, step, *_ = state
                last = jnp.minimum(step + check_every, max_steps)
                after, reached = several(before, step, last)
                stands = (after[1][2] > item["target"]) & ~_differ(before[0], after[0])
                moved = (step > 0) | ~jnp.isfinite(item["reach"]) | ~stands
                judged = after[0] if ema is None else after[1][3]
                return after, reached, landscape.level(judged), moved

            memory = jax.tree.unflatten(structure, item["memory"])
            state, step, value, moved = jax.lax.while_loop(
                goes_on,
                until_check,
                ((item["params"], memory), item["step"], item["value"], item["moved"]),
            )
            params, memory = state
            return {
                **item,
                "params": params,
                "memory": jax.tree.leaves(memory),
                "step": step,
                "value": value,
                "moved": moved,
            }

        self._shapes, self._begin = dict(landscape.shapes), start
        self._averages = ema is not None
        self._start = each(start)
        self._advance = each(advance)

    def start(
        self,
        params: Params,
        keys: np.ndarray,
        targets: np.ndarray,
        reach: np.ndarray | None = None,
        fixed: Params | None = None,
    ) -> DescentState:
        """n models (named arrays [n, ...]) about to descend to their targets [n]; a reach [n] of
        None is infinite."""
        memory, value = self._start((params, keys))
        targets = np.asarray(targets, value.dtype)
        step = np.zeros(len(keys), np.int32)
        reach = np.full(len(keys), np.inf) if reach is None else reach
        reach = np.asarray(reach, value.dtype)
        params, memory = trees.copy((params, memory))  # the descent's own, to be changed in place
        moved = np.ones(len(keys), bool)
        return DescentState(params, memory, keys, step, value, targets, reach, moved, fixed or {})

    def takes(self, total: int) -> Taken:
        """What memory so many models take on their way down, that no constraint holds."""
        number = jax.ShapeDtypeStruct((), np.int32)
        key = jax.ShapeDtypeStruct((2,), np.uint32)
        memory, value = jax.eval_shape(self._begin, (self._shapes, key))
        item = {
            "params": self._shapes, "memory": memory, "key": key, "step": number, "value": value,
            "target": value, "reach": value, "moved": jax.ShapeDtypeStruct((), bool), "fixed": {},
        }  # fmt: skip
        many = jax.tree.map(lambda s: jax.ShapeDtypeStruct((total, *s.shape), s.dtype), item)
        return Taken(
            trees.nbytes(item),
            self._start.takes((self._shapes, key), total),
            self._advance.takes(item, total, number, moves=True),
            min(total, self._advance.at_once(many, total)),
        )

    def judged(self, descent: DescentState, model: int) -> Params:
        """What the level of a model that is settled was looked at: its parameters, or their moving
        average."""
        if not self._averages:
            return trees.take(descent.params, model)
        return jax.tree.unflatten(self._structure, trees.take(descent.memory, model))[3]

    def going(self, descent: DescentState) -> np.ndarray:
        """Which models [n] have not come to an end."""
        return (
            (descent.value > descent.target)
            & np.isfinite(descent.value)
            & (descent.step < self.max_steps)
            & descent.moved
        )

    def advance(self, descent: DescentState) -> DescentState:
        """About a second's work (fixed steps on an accelerator) on the first of the models still
        going, as many as one call takes. The given descent is used up: its arrays go on as the
        result's. Models that have come to an end are settled."""
        going = np.flatnonzero(self.going(descent))
        if not len(going):
            return descent
        who = going[: self._advance.at_once(descent.arrays(), len(going))]
        if descent.held is not None and np.array_equal(descent.who, who):
            before = descent.held
        else:
            descent = descent.settled()
            before = self._advance.hold(trees.seen(descent.arrays(), who), own=True)

        def moved(steps: int) -> tuple[Held, Any]:
            after = self._advance.move(before, np.int32(steps))
            return after, after.fetch(lambda items: {name: items[name] for name in SEEN})

        held, seen = self._pace.timed(moved)
        told = {name: getattr(descent, name).copy() for name in SEEN}
        for name, part in seen.items():
            told[name][who] = part
        after = replace(descent, **told, held=held, who=who)
        return after if self.going(after)[who].all() else after.settled()


def _differ(a: Params, b: Params) -> jax.Array:
    return jnp.array([(a[name] != b[name]).any() for name in a]).any()

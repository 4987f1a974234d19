"""State of networks, such as running statistics: where it may come from, and what networks trained
elsewhere lose by it."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import jax
import numpy as np

from landscape.config.load import Config
from landscape.core import trees
from landscape.core.devices import each
from landscape.core.landscape import Landscape
from landscape.stages.build import check_and_cast_params
from landscape.store.files import Arrays, RunError
from landscape.store.records.models import Given

SAME = 1e-5  # relative, of a loss by two frameworks in float32
FLOOR = 1e-6  # the rounding of a cross-entropy near 0


def network_of(arrays: Arrays, landscape: Landscape, source: object) -> Arrays:
    """A file's parameters, and its state where it has one, in the landscape's types.

    Raises RunError for wrong names or shapes.
    """
    state = _state_of(landscape)
    rest = {name: leaf for name, leaf in arrays.items() if name not in landscape.beside}
    found = {name: rest.pop(name) for name in state if name in rest}
    lost = sorted(state.keys() - found.keys())
    if found and lost:
        raise RunError(f"{source}: has some of the network's state, and not {', '.join(lost)}")
    for name, leaf in found.items():
        if leaf.shape != state[name].shape:
            raise RunError(
                f"{source}: {name} has shape {leaf.shape}, the network's has {state[name].shape}"
            )
        if not np.isfinite(leaf).all():
            raise RunError(f"{source}: {name} is not finite")
    if travels(landscape):
        rest |= found
    params = check_and_cast_params(rest, landscape, source)
    return params | {name: leaf.astype(state[name].dtype) for name, leaf in found.items()}


def travels(landscape: Landscape) -> bool:
    """Whether state is among a point's coordinates."""
    return landscape.state is not None and landscape.state.policy != "recompute"


def parameters_of(network: Arrays, landscape: Landscape) -> Arrays:
    """The coordinates among a network's arrays."""
    return {name: network[name] for name in landscape.shapes}


def check_paths(config: Config) -> None:
    """Raise ConfigError where points between the ends would have no state that means anything."""
    policy, connect = config.task.state, config.connect
    if policy == "stored":
        raise config.problem(
            "task.state",
            "stored statistics are the ends' own, and points between them have none (allowed on "
            "paths: recompute; or interpolate, on the straight line)",
        )
    straight = connect.method == "straight" and not connect.also and not connect.start
    if policy == "interpolate" and not straight:
        raise config.problem(
            "connect.method",
            "with task.state: interpolate only the straight line can be looked at, since nothing "
            "can descend interpolated statistics (allowed: straight)",
        )


def check_recomputed(config: Config, what: str) -> None:
    """Raise ConfigError for what moves points, or differentiates, with statistics that do not
    follow."""
    policy = config.task.state
    if policy in ("stored", "interpolate"):
        raise config.problem(
            "task.state",
            f"{what} needs statistics that follow from the parameters (allowed: recompute), and "
            f"not {policy}, which is shown by lscape train, connect and report",
        )


def compared(
    config: Config, landscape: Landscape, networks: Mapping[str, Arrays]
) -> dict[str, Given]:
    """Networks trained elsewhere, by their files, measured with the state of these beside the
    recomputed one, and by the framework that they were written in beside JAX. Nothing is written.

    Raises ConfigError where the two frameworks do not agree, or two networks differ in state alone.
    """
    state = landscape.state
    _check_distinct(config, landscape, networks)
    found: dict[str, Given] = {}
    for path, network in networks.items():
        point = trees.stack([parameters_of(network, landscape)])
        own = {name: network[name] for name in _state_of(landscape) if name in network}
        stored = None
        if state is not None and own:
            stored = float(each(state.level)(point, trees.stack([own]))[0])
        value = float(each(landscape.level)(point)[0])
        if not np.isfinite([value, 0 if stored is None else stored]).all():
            raise config.problem(
                config.train.files_key,
                f"{path}: {config.levels.metric} is {value:.6g}"
                + ("" if stored is None else f", with its own statistics {stored:.6g}"),
            )
        given = Given(
            file=path,
            value=value,
            stored=stored,
            origin=landscape.origin.name if landscape.origin else None,
            by_origin=_by_origin(landscape, network, own if travels(landscape) else None),
            stored_by_origin=_by_origin(landscape, network, own) if own else None,
        )
        _check_agreement(config, landscape, given)
        found[path] = given
    return found


def _state_of(landscape: Landscape) -> dict[str, jax.ShapeDtypeStruct]:
    return landscape.state.shapes if landscape.state else {}


def _by_origin(landscape: Landscape, network: Arrays, state: Arrays | None) -> float | None:
    if landscape.origin is None:
        return None
    params = {name: network[name] for name in landscape.shapes if name not in (state or {})}
    return landscape.origin.level(params, state)


def _check_agreement(config: Config, landscape: Landscape, given: Given) -> None:
    """Of metrics with a gradient: rounding may turn a sample of the others."""
    if landscape.differentiable_level is None:
        return
    for ours, theirs in (
        (given.value, given.by_origin), (given.stored, given.stored_by_origin),
    ):  # fmt: skip
        if ours is None or theirs is None or abs(ours - theirs) <= SAME * abs(theirs) + FLOOR:
            continue
        raise config.problem(
            config.task_key,
            f"{given.said(config.levels.metric)}: the two differ by more than {SAME:g} of it, so "
            "the translation of the network to JAX is wrong",
        )


def _check_distinct(config: Config, landscape: Landscape, networks: Mapping[str, Arrays]) -> None:
    """Two networks with the same parameters are one point, whatever statistics they have."""
    if not _state_of(landscape):
        return
    for a, b in itertools.combinations(networks, 2):
        one, other = networks[a], networks[b]
        alike = {name for name in one.keys() & other if np.array_equal(one[name], other[name])}
        parameters = landscape.shapes.keys() - _state_of(landscape)
        if parameters <= alike and alike != one.keys() | other.keys():
            raise config.problem(
                config.train.files_key,
                f"{b} differs from {a} in statistics only: their parameters are the "
                "same, so they are one network",
            )

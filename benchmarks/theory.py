"""How the constructions of the theory hold: the figures of docs/theory.md.

python -m benchmarks.theory [--pairs 200] [--rectified 50]
"""

from __future__ import annotations

import argparse
from itertools import pairwise

import numpy as np

from landscape.core import devices, trees
from landscape.core.certificate import segment_evaluator
from landscape.methods.constructions.linear_network import curve_between
from tests.methods.test_linear_network import random_landscape, random_network, worst_excess
from tests.methods.test_relu_construction import watched

BEADS = (9, 17, 33, 65, 129, 257)


def linear(pairs: int) -> None:
    worst = worst_excess(max(1, pairs // 5), 5, seed=1)
    print(f"{pairs} linear pairs: worst excess of the curve {worst:.1e} of max(F, E|Y|²)")


def turned(params: trees.Params, rng: np.random.Generator) -> trees.Params:
    """The same product, with the units of every hidden layer turned."""
    found = dict(params)
    for before, after in pairwise(sorted(params)):
        width = params[after].shape[0]
        turn = np.linalg.qr(rng.normal(size=(width, width)))[0]
        found[before], found[after] = found[before] @ turn, turn.T @ found[after]
    return found


def strings(pairs: int) -> None:
    """Uniform samples of curves on which the loss is constant: nothing hides the sampling's own."""
    rng, found = np.random.default_rng(2), []
    for _ in range(pairs):
        landscape = random_landscape(rng, 0.0)
        a = random_network(landscape, rng, False)
        curve, peaks = curve_between(landscape)(a, turned(a, rng)), segment_evaluator(landscape, 50)
        level = float(landscape.level(a))
        scale = max(level, float(np.square(landscape.data[1]).sum(1).mean()))
        excess = []
        for beads in BEADS:
            points = curve.at(np.zeros(beads, int), np.linspace(0, 1, beads))
            ends = (trees.take(points, part) for part in (slice(0, -1), slice(1, None)))
            excess.append((peaks(*ends, 1.0).maximum.max() - level) / scale)
        found.append(excess)
    for beads, excess in zip(BEADS, np.array(found).T, strict=True):
        above = excess[excess > 1e-12]
        print(
            f"{beads} beads: {len(above)} of {pairs} strings above their curve, by a median of "
            f"{np.median(above):.1e} and at most {above.max():.1e} of max(F, E|Y|²)"
        )


def rectified(pairs: int) -> None:
    found = watched(pairs, seed=1)
    above = [f["curve_max"] - f["bound"] for f in found]
    binding = [f for f in found if f["epsilon"] > f["lambda"]]
    tight = [f["curve_max"] / f["epsilon"] for f in binding]
    share = [f["epsilon"] / f["E|Y|^2"] for f in found]
    turned = sum(f["alpha"] > 0 for f in found)
    print(
        f"{pairs} rectified pairs: highest curve less its bound {max(above):.1e}; ε > λ in "
        f"{len(binding)}, where the curve's maximum is {np.median(tight):.6f} of ε (median), "
        f"{min(tight):.6f} (least); α > 0 in {turned}; ε / E|Y|²: median {np.median(share):.3f}, "
        f"at most {max(share):.3f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=200)
    parser.add_argument("--rectified", type=int, default=50)
    given = parser.parse_args()
    devices.configure("float64")
    linear(given.pairs)
    strings(max(1, given.pairs // 10))
    rectified(given.rectified)


if __name__ == "__main__":
    main()

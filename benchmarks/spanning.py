"""Which pairs to search, by `pairs: tree` and as Draxler et al. 2018 choose: what each costs.

python -m benchmarks.spanning RUN [--tries 4]
python -m benchmarks.spanning --drawn 20 [--models 8 16 32] [--missed 0.2] [--noise 0.5]

Of RUN, a set with all pairs at all levels is searched already, with `connect.chain: false`, and all
models met all levels. Each choice is made again, and a
search gives the row that is there: a path that stays below a level, the one that was asked for, or
a higher one. A search of a pair by Draxler et al. gives the height of its saddle. Here that is the
lowest level that a path stays below, searched from the lowest level up; in place of an edge of the
tree, only levels below that edge are searched. Their choice ends when all pairs are
searched that could still lower the tree, ours when `tries` have failed across each cut. So of both
is counted what they took until the components at every level were those of all pairs, and how many
components they had too many, over all levels: ours at its end, theirs after as many searches.

Drawn are heights of merges: a random tree of models, a level for each merge. A pair connects at the
level of its merge and above, but for a share of the searches that miss. The distance of a pair is
that height, times e to a normal number of the scale `--noise`.
"""

from __future__ import annotations

import argparse
import bisect
import itertools
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.cluster.hierarchy
from scipy.cluster.hierarchy import DisjointSet

from landscape import Run, open_run
from landscape.analysis.topology import Pair, leaves, next_pairs, upper_bound

TRIES = 4  # as `connect.tries`


@dataclass(frozen=True)
class Searches:
    """What every search gives.

    Attributes:
        models: From the lowest loss up.
        levels: How many there are; level 0 is the lowest.
        distance: Of each pair.
        gradients: What a search costs, of each pair and level.
        below: The lowest level that its path stays below; `levels`, where there is none.
    """

    models: tuple[int, ...]
    levels: int
    distance: dict[Pair, float]
    gradients: dict[tuple[Pair, int], int]
    below: dict[tuple[Pair, int], int]

    def joined(self, searched: Iterable[tuple[Pair, int]], level: int) -> list[Pair]:
        """The pairs whose paths stay below a level."""
        return [one[0] for one in searched if self.below[one] <= level]

    def components(self, searched: Collection[tuple[Pair, int]]) -> list[set[frozenset[int]]]:
        """Of every level, what the paths of searches join."""
        return [
            set(map(frozenset, parts(self.models, self.joined(searched, level))))
            for level in range(self.levels)
        ]


def parts(models: Sequence[int], joined: Iterable[Pair]) -> list[list[int]]:
    """The models that pairs join."""
    found = DisjointSet(models)
    for pair in joined:
        found.merge(*pair)
    return [sorted(one) for one in found.subsets()]


def by_levels(given: Searches, tries: int) -> Iterator[tuple[Pair, int]]:
    """The searches of `pairs: tree`."""
    searched: list[tuple[Pair, int]] = []
    for level in range(given.levels):
        here: list[Pair] = []
        while True:
            own = parts(given.models, given.joined(searched, level))
            pairs = next_pairs(own, given.distance, here, tries)
            if not pairs:
                break
            here += pairs
            searched += [(pair, level) for pair in pairs]
            yield from searched[-len(pairs) :]


def by_replacing(given: Searches) -> Iterator[tuple[Pair, int]]:
    """The searches of Draxler et al.: the lowest model to all others; then, in place of the highest
    edge of the tree that has any, a pair across its cut, of the lowest models first."""
    first, *others = given.models
    heights: dict[Pair, int] = {}

    def search(pair: Pair, below: int) -> Iterator[tuple[Pair, int]]:
        heights[pair] = given.levels
        for level in range(below):
            if heights[pair] <= level:
                break
            yield pair, level
            heights[pair] = min(heights[pair], given.below[pair, level])

    for other in others:
        yield from search(_pair(first, other), given.levels)
    while (found := _instead(given.models, heights)) is not None:
        yield from search(*found)


def _instead(models: Sequence[int], heights: dict[Pair, int]) -> tuple[Pair, int] | None:
    """A pair that could replace an edge of the lowest tree, and the height of that edge."""
    joined, tree = DisjointSet(models), []
    for pair in sorted(heights, key=lambda pair: (heights[pair], pair)):
        if joined.merge(*pair):
            tree.append(pair)
    for edge in reversed(tree):
        one, other = parts(models, [pair for pair in tree if pair != edge])
        across = (_pair(a, b) for a in models if a in one for b in models if b in other)
        left = next((pair for pair in across if pair not in heights), None)
        if left is not None and heights[edge]:
            return left, heights[edge]
    return None


def _pair(a: int, b: int) -> Pair:
    return min(a, b), max(a, b)


@dataclass(frozen=True)
class Spent:
    """Pairs, searches of a pair at a level, and gradients."""

    pairs: int
    searches: int
    gradients: int


def spent(given: Searches, searched: Collection[tuple[Pair, int]]) -> Spent:
    gradients = sum(given.gradients[one] for one in searched)
    return Spent(len({pair for pair, _ in searched}), len(searched), gradients)


def until_known(given: Searches, choice: Sequence[tuple[Pair, int]]) -> Spent | None:
    """What a choice took until the components at every level are those of all pairs; None where
    they are not at its end."""
    whole = given.components(given.below)
    for count in range(1, len(choice) + 1):
        if given.components(choice[:count]) == whole:
            return spent(given, choice[:count])
    return None


def too_many(given: Searches, searched: Collection[tuple[Pair, int]]) -> int:
    """Components that all pairs would join, over all levels."""
    whole, found = given.components(given.below), given.components(searched)
    return sum(len(one) - len(other) for one, other in zip(found, whole, strict=True))


def of_run(run: Run) -> dict[str, Searches]:
    """By the name of a set, its rows; of the sets that have every pair at every level."""
    minima = leaves(run.models())
    models = tuple(sorted(minima, key=lambda model: (minima[model].energy, model)))
    pairs = list(itertools.combinations(sorted(models), 2))
    limit = {row.level: row.limit or 0.0 for row in run.rows()}
    levels = sorted(limit)
    limits = [limit[level] for level in levels]
    found = {}
    for name in run.sets():
        rows = {((row.a, row.b), levels.index(row.level)): row for row in run.rows(name)}
        whole = rows.keys() == set(itertools.product(pairs, range(len(levels))))
        if whole and all(row.chord and row.chained_from is None for row in rows.values()):
            found[name] = Searches(
                models,
                len(levels),
                {pair: rows[pair, 0].chord or 0.0 for pair in pairs},
                {at: row.grad_evals for at, row in rows.items()},
                {at: bisect.bisect_left(limits, upper_bound(row)) for at, row in rows.items()},
            )
    if not found:
        raise SystemExit("no set of the run has all pairs at all levels, none of them chained")
    return found


def drawn(models: int, levels: int, missed: float, noise: float, seed: int) -> Searches:
    """Heights of the merges of a random tree, each search a gradient."""
    random = np.random.default_rng(seed)
    pairs = list(itertools.combinations(range(models), 2))
    merged = scipy.cluster.hierarchy.linkage(random.uniform(size=len(pairs)), "average")
    heights = np.asarray(scipy.cluster.hierarchy.cophenet(merged))
    merges = np.quantile(np.unique(heights), np.linspace(0, 1, levels + 1)[1:])
    level_of = dict(zip(pairs, np.searchsorted(merges, heights * (1 - 1e-9)), strict=True))
    every = list(itertools.product(pairs, range(levels)))
    return Searches(
        tuple(map(int, random.permutation(models))),
        levels,
        dict(zip(pairs, heights * np.exp(noise * random.normal(size=len(pairs))), strict=True)),
        dict.fromkeys(every, 1),
        {
            (pair, at): at if at >= level_of[pair] and random.uniform() >= missed else levels
            for pair, at in every
        },
    )


@dataclass(frozen=True)
class Chosen:
    """What a choice of pairs took.

    Attributes:
        known: Until the components were those of all pairs; None where they are not at its end.
        end: In all.
        excess: Components too many, after as many searches as `tree` takes.
    """

    known: Spent | None
    end: Spent
    excess: int


def compared(given: Searches, tries: int) -> dict[str, Chosen]:
    """Of each choice of pairs; of `tree` also without giving up."""
    ours = list(by_levels(given, tries))
    choices = {
        "tree": ours,
        "tree, that does not give up": list(by_levels(given, len(given.distance))),
        "Draxler et al.": list(by_replacing(given)),
    }
    return {
        name: Chosen(
            until_known(given, choice),
            spent(given, choice),
            too_many(given, choice[: len(ours)]),
        )
        for name, choice in choices.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="what the choice of pairs costs")
    parser.add_argument("run", nargs="?", type=Path)
    parser.add_argument("--tries", type=int, default=TRIES)
    parser.add_argument("--drawn", type=int, default=20, help="how many trees are drawn")
    parser.add_argument("--models", type=int, nargs="*", default=[8, 16, 32])
    parser.add_argument("--levels", type=int, default=5)
    parser.add_argument("--missed", type=float, default=0.2)
    parser.add_argument("--noise", type=float, default=0.5)
    asked = parser.parse_args()
    if asked.run is not None:
        for method, given in of_run(open_run(asked.run)).items():
            counts = [len(one) for one in given.components(given.below)]
            print(f"{method}, all pairs: {spent(given, given.gradients)}")
            print(f"{method}, components at most, from the lowest level: {counts}")
            for name, chosen in compared(given, asked.tries).items():
                print(f"{method}, {name}: {chosen}")
        return
    for models in asked.models:
        found: dict[str, list[Chosen]] = {}
        for seed in range(asked.drawn):
            given = drawn(models, asked.levels, asked.missed, asked.noise, seed)
            for name, chosen in compared(given, asked.tries).items():
                found.setdefault(name, []).append(chosen)
        for name, results in found.items():
            known = [(one.known.searches, one.known.pairs) for one in results if one.known]
            searches, pairs = np.mean(known, 0) if known else (np.nan, np.nan)
            print(
                f"{models} models, {name}: known in {len(known)} of {len(results)}, after "
                f"{searches:.1f} searches of {pairs:.1f} pairs; at the end "
                f"{np.mean([one.end.searches for one in results]):.1f} of "
                f"{np.mean([one.end.pairs for one in results]):.1f}; "
                f"{np.mean([one.excess for one in results]):.2f} components too many"
            )


if __name__ == "__main__":
    main()

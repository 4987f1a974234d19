"""A method from outside the package: one bead, drawn at random around the middle, again and again.

    lscape run examples/detour.yaml --trust
    landscape.find_path(loss, a, b, level=0.1, method=Detour(draws=50))

It is of no use in many dimensions; it shows all that a method needs.
"""

import numpy as np

from landscape import LevelSpec, Method, Problem, Search, Status, Stepper


class Detour(Method):
    """Paths of two segments; the bead is drawn around the middle, as far off as the ends are."""

    name = "detour"
    searches = False  # it takes no gradients
    draws: int = 20

    def bind(self, problem: Problem, level: LevelSpec) -> Stepper:
        def step(search: Search) -> None:
            for string in search.active:
                drawn = np.random.default_rng([problem.seed, string.rounds])
                a, b = ({k: x[[end]] for k, x in string.points.items()} for end in (0, -1))
                off = {k: drawn.normal(size=a[k].shape).astype(a[k].dtype) for k in a}
                middle = {k: (a[k] + b[k]) / 2 + off[k] * np.abs(a[k] - b[k]).max() for k in a}
                path = {k: np.concatenate([a[k], middle[k], b[k]]) for k in a}
                halves = ({k: x[i : i + 2] for k, x in path.items()} for i in (0, 1))
                found = problem.evaluate(*halves, level.limit)
                string.rounds += 1
                if (found.maximum + found.change <= level.limit).all():
                    string.points, string.ids = path, np.arange(3)
                    string.terminate(Status.CONNECTED, "")
                elif string.rounds == self.draws:
                    string.terminate(Status.NOT_FOUND, f"draws ({self.draws}) spent")

        return step

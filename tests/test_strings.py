"""What searches do with their strings."""

from dataclasses import replace

import numpy as np

from landscape.core.status import Status
from landscape.search.descend import DescentState
from landscape.search.state import Beads, Search, String
from landscape.search.strings import in_rounds

NEEDED = {"quick": 1, "slow": 7}  # advances that a bead of the string takes
ROUNDS = 3


class Steps:
    """A descender whose models take as many steps as their target says."""

    def going(self, descent):
        return descent.step < descent.target

    def advance(self, descent):
        return replace(descent, step=descent.step + self.going(descent))


def test_no_string_waits_for_the_slow_bead_of_another():
    absorbed = []

    def begin(strings):
        owners = []
        for number, string in enumerate(strings):
            if string.rounds == ROUNDS:
                string.terminate(Status.NOT_FOUND, "spent")
            else:
                owners += [number, number]
        if not owners:
            return None
        zeros = np.zeros(len(owners))
        steps = np.array([NEEDED[strings[number].name] for number in owners])
        params = {"x": np.array([ord(strings[n].name[0]) for n in owners])}
        descent = DescentState(
            params, [], zeros, zeros.astype(int), zeros, steps, zeros, zeros == 0
        )
        places = np.array([0, 1] * (len(owners) // 2))
        return Beads(np.array(owners), places, np.ones(len(owners), bool), descent)

    def absorb(string, beads):
        assert len(beads) == 2 and beads.place.tolist() == [0, 1]
        assert (beads.descent.params["x"] == ord(string.name[0])).all(), "another string's beads"
        assert (beads.descent.step == NEEDED[string.name]).all()
        string.rounds += 1
        absorbed.append(string.name)

    points = {"x": np.zeros((2, 1))}
    search = Search([String("slow", points), String("quick", points)])
    step = in_rounds(Steps(), begin, absorb)  # type: ignore[arg-type]
    while search.active:
        step(search)
    assert absorbed == ["quick"] * ROUNDS + ["slow"] * ROUNDS
    assert search.pending is None
    assert [string.grad_evals for string in search.strings] == [2 * 7 * ROUNDS, 2 * ROUNDS]

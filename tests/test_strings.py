"""What searches do with their strings."""

from dataclasses import replace

import numpy as np

from landscape.core.status import Status
from landscape.search.descend import DescentState
from landscape.search.state import Search, String
from landscape.search.strings import in_rounds, terminate

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

    def begin(search):
        owners = []
        for number, string in enumerate(search.strings):
            if string.rounds == ROUNDS:
                terminate(string, Status.NOT_FOUND, "spent")
            else:
                owners += [number, number]
        if owners:
            zeros = np.zeros(len(owners))
            steps = np.array([NEEDED[search.strings[number].name] for number in owners])
            params = {"x": np.array([ord(search.strings[n].name[0]) for n in owners])}
            descent = DescentState(
                params, [], zeros, zeros.astype(int), zeros, steps, zeros, zeros == 0
            )
            search.pending = {"owner": owners, "segment": [0, 1] * (len(owners) // 2)}
            search.pending["descent"] = descent

    def absorb(search, descent):
        (string,) = search.strings
        assert search.pending["owner"] == [0, 0] and search.pending["segment"] == [0, 1]
        assert (descent.params["x"] == ord(string.name[0])).all(), "another string's beads"
        assert (descent.step == NEEDED[string.name]).all()
        string.rounds += 1
        absorbed.append(string.name)

    points = {"x": np.zeros((2, 1))}
    search = Search([String("slow", points), String("quick", points)])
    method = in_rounds(Steps(), begin, absorb)  # type: ignore[arg-type]
    while search.active:
        search = method(search)
    assert absorbed == ["quick"] * ROUNDS + ["slow"] * ROUNDS
    assert search.pending is None
    assert [string.grad_evals for string in search.strings] == [2 * 7 * ROUNDS, 2 * ROUNDS]

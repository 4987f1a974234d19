"""A long thin valley of two parameters, from the search to the shortened length, which is known."""

# pyright: reportOperatorIssue=false
# a number that a record leaves out fails a test without that

import textwrap

import numpy as np
import pytest
from safetensors.numpy import save_file

from landscape import connect, train
from landscape.config.load import config_from
from landscape.stages.measure.run import measure

VALLEY = """
import jax
import jax.numpy as jnp

from landscape import energy_task


def ring(stiff: float):
    return energy_task(
        lambda x: stiff * (jnp.sum(x**2) - 1) ** 2, lambda key: jax.random.normal(key, (2,))
    )
"""


@pytest.mark.parametrize("stiff", [1e2, 1e4])
def test_a_ring_a_hundred_and_ten_thousand_times_as_stiff_across(workplace, stiff):
    """Between antipodes: architecture's √s + r(π/2 − arccos r) for s = √(level/stiff)."""
    (workplace / "valley_task.py").write_text(textwrap.dedent(VALLEY))
    for number, x in enumerate((-1.0, 1.0)):
        save_file({"params": np.array([x, 0.0], np.float32)}, f"{number}.safetensors")
    given = {
        "task": {"factory": "valley_task:ring", "stiff": stiff},
        "train": {"endpoints": ["0.safetensors", "1.safetensors"]},
        "levels": {"values": [1.0]},
        "measure": {"hessian": False, "barriers": False, "max_beads": 129},
    }
    run = train(config_from(given, name="valley"))
    (row,) = connect(run)
    assert row.status == "CONNECTED" and row.restarts == 1
    assert row.grad_evals <= 500
    measure(run)
    (found,) = run.string_measures()
    s = np.sqrt(1 / stiff)
    r = np.sqrt(1 - s)
    known = np.sqrt(s) + r * (np.pi / 2 - np.arccos(r))
    assert known * (1 - 1e-4) <= found.normalized_length <= known * 1.003
    assert found.normalized_length <= row.normalized_length <= 1.05 * known

"""Connect two points of any differentiable function: the whole of lscape in one call.

python examples/two_pytrees.py
"""

import jax.numpy as jnp

import landscape as ls


def ring(params):
    """A valley around the unit circle: the straight line between antipodes rises to 1."""
    return (jnp.sum(params["x"] ** 2) - 1) ** 2


a = {"x": jnp.array([1.0, 0.0])}
b = {"x": jnp.array([-0.9987503, 0.0499792])}

straight = ls.find_path(ring, a, b, level=0.01, method="straight")
print(straight)

found = ls.find_path(ring, a, b, level=0.01)
print(found)
print(ls.certify(ring, found.path, level=0.01))

short = ls.shorten(ring, found.path, level=0.01)
print(short)
print(ls.lengths(short.path))
print(ls.curvature(ring, short.path, level=0.01))

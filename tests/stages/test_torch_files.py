"""Check points of PyTorch, against what PyTorch computes of them."""

# pyright: reportMissingImports=false

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from landscape import ConfigError, check, config_from, train
from landscape.store.files import load_arrays

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

TASK = """
import jax.numpy as jnp
from landscape import Task

X = jnp.linspace(-1, 1, 20)[:, None] * jnp.array([[1.0, -0.5, 2.0]])


def make():
    def mean_square(p, x):
        hidden = jnp.tanh(x @ p["0.weight"].T + p["0.bias"][None])
        return jnp.mean((hidden @ p["2.weight"].T + p["2.bias"][None]) ** 2)

    shapes = {"0.weight": (4, 3), "0.bias": (4,), "2.weight": (2, 4), "2.bias": (2,)}
    return Task(
        init=lambda key: {name: jnp.zeros(shape) for name, shape in shapes.items()},
        loss=lambda p, carry, batch, key: (mean_square(p, batch), carry),
        metrics={"loss": mean_square},
        data={"train": X},
    )
"""


@pytest.fixture
def nets(workplace):
    (workplace / "torch_task.py").write_text(TASK)
    torch.manual_seed(0)

    def net():
        layers = torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 2)
        return torch.nn.Sequential(*layers)

    return [net() for _ in range(2)]


def config(**endpoints):
    given = endpoints.get("given", ["0.pt", "1.pt"])
    return config_from(
        {
            "task": {"factory": "torch_task:make"},
            "train": {"endpoints": given},
            "levels": {"values": [100.0]},
        }
    )


def wrapped(net):
    """As torch.compile of a data-parallel module names its parameters."""
    return {f"_orig_mod.module.{name}": leaf for name, leaf in net.state_dict().items()}


SAVED = {
    "state_dict": lambda net: net.state_dict(),
    "wrapped": wrapped,
    "in a dict": lambda net: {"model": net.state_dict(), "epoch": 3, "note": "x", "rates": [0.1]},
    "bfloat16": lambda net: net.to(torch.bfloat16).state_dict(),
}


@pytest.mark.parametrize("suffix", [".pt", ".pth"])
@pytest.mark.parametrize("saved", SAVED)
def test_the_values_are_those_of_pytorch(nets, saved, suffix):
    files = [f"{number}{suffix}" for number in range(2)]
    for net, path in zip(nets, files, strict=True):
        torch.save(SAVED[saved](net), path)
    asked = config(given=files)
    check(asked)
    run = train(asked)
    x = torch.linspace(-1, 1, 20)[:, None] * torch.tensor([[1.0, -0.5, 2.0]])
    for model, net in zip(run.models(), nets, strict=True):
        with torch.no_grad():
            theirs = float((net.to(torch.float32)(x) ** 2).mean())
        assert model.value == pytest.approx(theirs, rel=1e-5)
        arrays, _ = load_arrays(run.model_file(model.model, 100.0))
        assert np.array_equal(arrays["0.weight"], net[0].weight.detach().numpy())


@pytest.mark.parametrize(
    "save, said",
    [
        (lambda net: torch.save(net, "1.pt"), "not tensors alone, or no file of torch.save"),
        (lambda net: Path("1.pt").write_bytes(b"\x80\x04N."), "1.pt: "),
        (
            lambda net: torch.save(
                {**net.state_dict(), "0.bias": torch.full((4,), torch.nan)}, "1.pt"
            ),
            "0.bias has 4 numbers that are not finite, of 4",
        ),
        (
            lambda net: torch.save(
                {"model": {**net.state_dict(), "more": torch.ones(2)}, "optimizer": {"step": 1}},
                "1.pt",
            ),
            'ignore: "model.more" leaves these out',
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_told_and_nothing_is_written(nets, workplace, save, said):
    torch.save(nets[0].state_dict(), "0.pt")
    save(nets[1])
    with pytest.raises(ConfigError) as caught:
        train(config())
    (problem,) = caught.value.problems
    assert problem.startswith("train.endpoints[1]: 1.pt: ") and said in problem
    assert not (workplace / "runs").exists()

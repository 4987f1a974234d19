"""REPAIR beside an implementation in PyTorch, by batch norm as Jordan et al. 2022 do it."""

# pyright: reportOptionalOperand=false

from __future__ import annotations

import copy
from typing import Any

import pytest

from landscape import bind, torch_task
from landscape.symmetry.repair import Middle

torch = pytest.importorskip("torch")
nn, functional = torch.nn, torch.nn.functional
pytestmark = pytest.mark.torch

HIDDEN = ("first", "second")
SAMPLES, CLASSES = 300, 3


class Cnn(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, 4, 3, padding=1)
        self.second = nn.Conv2d(4, 8, 3, stride=2)
        self.out = nn.Linear(8, CLASSES)

    def forward(self, x: Any) -> Any:
        x = functional.relu(self.first(x))
        return self.out(functional.relu(self.second(x)).mean((2, 3)))


def images() -> tuple[Any, Any]:
    made = torch.Generator().manual_seed(0)
    y = torch.randint(0, CLASSES, (SAMPLES,), generator=made)
    return torch.randn(SAMPLES, 1, 8, 8, generator=made) + y[:, None, None, None], y


def trained(seed: int) -> Any:
    torch.manual_seed(seed)
    net, (x, y) = Cnn(), images()
    optimizer = torch.optim.Adam(net.parameters(), 2e-2)
    for _ in range(60):
        optimizer.zero_grad()
        functional.cross_entropy(net(x), y).backward()
        optimizer.step()
    return net


def moments(net: Any, x: Any) -> dict[str, tuple[Any, Any]]:
    """Of what each hidden layer gives, by channel."""
    found = {}
    for name in HIDDEN:
        getattr(net, name).register_forward_hook(
            lambda _, __, given, name=name: found.update(
                {name: (given.mean((0, 2, 3)), given.std((0, 2, 3), unbiased=False))}
            )
        )
    net(x)
    return found


def halfway(a: Any, b: Any) -> Any:
    net, other = copy.deepcopy(a), b.state_dict()
    net.load_state_dict({name: (leaf + other[name]) / 2 for name, leaf in a.state_dict().items()})
    return net


def repaired(a: Any, b: Any, x: Any) -> Any:
    """A batch norm after each hidden layer, of the goal's mean and deviation, is reset."""
    ends = [moments(copy.deepcopy(net), x) for net in (a, b)]
    net = halfway(a, b)
    for name in HIDDEN:
        (mean, spread), (other_mean, other_spread) = (end[name] for end in ends)
        layer = getattr(net, name)
        norm = nn.BatchNorm2d(len(mean), eps=1e-9, momentum=None)
        norm.weight.copy_((spread + other_spread) / 2)
        norm.bias.copy_((mean + other_mean) / 2)
        setattr(net, name, nn.Sequential(layer, norm))
    net.train()(x)
    return net.eval()


def test_pytorch_says_the_same():
    x, y = images()
    a, b = trained(0), trained(1)
    landscape = bind(torch_task(Cnn(), (x, y)))
    found = Middle(landscape)(
        *(
            {name: leaf.detach().numpy().copy() for name, leaf in net.named_parameters()}
            for net in (a, b)
        )
    )
    with torch.no_grad():
        plain, mended = (
            functional.cross_entropy(net(x), y) for net in (halfway(a, b), repaired(a, b, x))
        )
    assert found.value == pytest.approx(float(plain), rel=1e-5)
    assert found.repaired == pytest.approx(float(mended), rel=1e-3)
    assert abs(found.repaired - found.value) > 0.01 * found.value

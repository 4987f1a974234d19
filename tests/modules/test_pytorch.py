"""Modules of PyTorch as functions of JAX: PyTorch's own numbers, and what is refused."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from landscape import (
    ConfigError,
    bind,
    config_from,
    connect,
    find_path,
    measure,
    torch_task,
    train,
    verify,
)
from landscape.report import report
from landscape.stages.build import build_landscape

torch = pytest.importorskip("torch")
nn, functional = torch.nn, torch.nn.functional
pytestmark = pytest.mark.torch

SAMPLES, CLASSES = 120, 3


class Cnn(nn.Module):
    def __init__(self, width: int = 4) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, width, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(width)
        self.down = nn.Conv2d(width, 2 * width, 3, stride=2, padding=1)
        self.other = nn.BatchNorm2d(2 * width)
        self.drop = nn.Dropout(0.2)
        self.out = nn.Linear(2 * width, CLASSES)

    def forward(self, x: Any) -> Any:
        x = functional.relu(self.norm(self.conv(x)))
        x = functional.relu(self.other(self.down(x)))
        return self.out(self.drop(x.mean((2, 3))))


class Transformer(nn.Module):
    """A causal one, of tokens; its mask is a constant buffer."""

    def __init__(self, tokens: int = 7, width: int = 8, length: int = 5) -> None:
        super().__init__()
        self.embed = nn.Embedding(tokens, width)
        self.place = nn.Parameter(torch.randn(length, width))
        layer = nn.TransformerEncoderLayer(width, 2, 16, 0.2, "gelu", batch_first=True)
        self.blocks = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.out = nn.Linear(width, tokens)
        self.register_buffer("mask", nn.Transformer.generate_square_subsequent_mask(length))

    def forward(self, x: Any) -> Any:
        return self.out(self.blocks(self.embed(x) + self.place, mask=self.mask))


class Many(nn.Module):
    """Layers whose conventions are easily got wrong."""

    def __init__(self) -> None:
        super().__init__()
        self.parts = nn.Sequential(
            nn.Conv2d(1, 8, 3, padding=1, groups=1, dilation=1), nn.GroupNorm(2, 8),
            nn.ReLU(inplace=True), nn.AvgPool2d(3, 2, 1, ceil_mode=True),
            nn.ConvTranspose2d(8, 6, 3, 2, 1, 1, groups=2), nn.Hardswish(),
            nn.InstanceNorm2d(6), nn.MaxPool2d(2, ceil_mode=True), nn.ELU(inplace=True),
            nn.Upsample(scale_factor=2), nn.AdaptiveAvgPool2d(3), nn.LeakyReLU(0.1), nn.Softplus(),
            nn.Flatten(), nn.Linear(54, 4), nn.LayerNorm(4), nn.Mish(), nn.LogSoftmax(-1),
        )  # fmt: skip

    def forward(self, x: Any) -> Any:
        return self.parts(x)


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.cell, self.out = nn.LSTM(8, 5, batch_first=True), nn.Linear(5, CLASSES)

    def forward(self, x: Any) -> Any:
        return self.out(self.cell(x.squeeze(1))[0][:, -1])


def images() -> tuple[Any, Any]:
    """Classes that differ in their mean and in their width, so that they can be learnt."""
    made = torch.Generator().manual_seed(0)
    y = torch.randint(0, CLASSES, (SAMPLES,), generator=made)
    x = torch.randn(SAMPLES, 1, 8, 8, generator=made) * (1 + y[:, None, None, None])
    return x + y[:, None, None, None], y


def tokens() -> tuple[Any, Any]:
    made = torch.Generator().manual_seed(0)
    text = torch.randint(0, 7, (SAMPLES, 6), generator=made)
    return text[:, :-1], text[:, 1:]


def trained(seed: int, steps: int = 60) -> Any:
    torch.manual_seed(seed)
    net, (x, y) = Cnn().train(), images()
    optimizer = torch.optim.Adam(net.parameters(), 2e-2)
    for _ in range(steps):
        chosen = torch.randint(0, SAMPLES, (40,))
        optimizer.zero_grad()
        functional.cross_entropy(net(x[chosen]), y[chosen]).backward()
        optimizer.step()
    return net.eval()


def parameters(net: Any) -> dict[str, np.ndarray]:
    return {name: leaf.detach().numpy().copy() for name, leaf in net.named_parameters()}


@pytest.fixture(scope="module")
def pair() -> list[Any]:
    return [trained(seed) for seed in (0, 1)]


def own_loss(net: Any) -> float:
    """PyTorch's, with its statistics reset and taken anew in one pass over the same samples."""
    net, (x, y) = copy.deepcopy(net), images()
    for layer in net.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.reset_running_stats()
            layer.train().momentum = None
    with torch.no_grad():
        net(x)
        return float(functional.cross_entropy(net.eval()(x), y))


def test_the_straight_line_with_recomputed_statistics_is_pytorchs(pair: list[Any]) -> None:
    landscape = bind(torch_task(Cnn, images()))
    level = jax.jit(landscape.level)
    one, other = map(parameters, pair)
    ours, theirs = [], []
    for t in np.linspace(0, 1, 11, dtype=np.float32):
        between = {name: (1 - t) * one[name] + t * other[name] for name in one}
        net = Cnn().eval()
        net.load_state_dict({k: torch.tensor(v) for k, v in between.items()}, strict=False)
        ours.append(float(level(between)))
        theirs.append(own_loss(net))
    assert np.abs(np.subtract(ours, theirs)).max() < 1e-5
    assert max(theirs) > 1.5 * max(theirs[0], theirs[-1]), "there is a barrier to agree on"


def test_statistics_of_several_batches_are_pytorchs_cumulative_average(
    pair: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("landscape.core.statistics.BATCH", 50)
    task = torch_task(Cnn, images())
    landscape, params = bind(task), parameters(pair[0])
    assert landscape.origin is not None
    net, (x, _) = copy.deepcopy(pair[0]), images()
    for layer in (net.norm, net.other):
        layer.reset_running_stats()
        layer.train().momentum = None
    with torch.no_grad():
        for first in range(3):  # batches of 40, with a part of all kinds each
            net(x[first::3])
    assert task.state is not None
    found = jax.jit(task.state.recompute)(params)
    for name, leaf in found.items():
        np.testing.assert_allclose(leaf, net.state_dict()[name], rtol=1e-5, atol=1e-6)
    assert float(landscape.level(params)) == pytest.approx(
        landscape.origin.level(params, None), rel=1e-5
    )


def test_a_gradient_is_pytorchs_own(pair: list[Any]) -> None:
    """Through the statistics too: in training mode on all data, without dropout."""
    landscape = bind(torch_task(Cnn, images()))
    gradient = jax.jit(jax.grad(landscape.level))(parameters(pair[0]))
    net, (x, y) = copy.deepcopy(pair[0]).train(), images()
    net.drop.eval()
    # the variance that is normalised by is biased in training, and unbiased afterwards
    functional.cross_entropy(net(x), y).backward()
    for name, leaf in net.named_parameters():
        np.testing.assert_allclose(gradient[name], leaf.grad, rtol=0.1, atol=3e-3)


@pytest.mark.parametrize(
    "make, data",
    [(Cnn, images), (Transformer, tokens), (Many, images), (Recurrent, images)],
)
def test_outputs_are_pytorchs(make, data) -> None:
    x, _ = data()
    torch.manual_seed(3)
    net = make().eval()
    task = torch_task(net, (x, torch.zeros(len(x), *net(x).shape[1:])), "mse")
    assert task.outputs is not None
    landscape = bind(task)
    params = {name: parameters(net)[name] for name in landscape.shapes}
    given = landscape.outputs
    assert given is not None
    if landscape.state is None:
        found = jax.jit(lambda p: given.predict(p, task.data["train"]))(params)
        np.testing.assert_allclose(found, net(x).detach(), rtol=1e-4, atol=1e-5)
    else:
        stored = {name: net.state_dict()[name].numpy() for name in landscape.state.shapes}
        expected = (net(x).detach() ** 2).mean().item()
        assert float(landscape.state.level(params, stored)) == pytest.approx(expected, rel=1e-5)


def test_a_loss_of_pytorch_is_translated_too() -> None:
    x, y = images()
    net = Recurrent().eval()
    task = torch_task(net, (x, y), nn.CrossEntropyLoss(label_smoothing=0.1))
    expected = functional.cross_entropy(net(x), y, label_smoothing=0.1)
    found = jax.jit(bind(task).level)(parameters(net))
    assert float(found) == pytest.approx(expected.item(), rel=1e-5)


def test_a_data_set_is_read_once() -> None:
    class Counted(torch.utils.data.TensorDataset):
        reads = 0

        def __getitem__(self, at):
            Counted.reads += 1
            return super().__getitem__(at)

    data = Counted(*images())
    task = torch_task(Cnn, {"train": data, "test": images()})
    assert Counted.reads == SAMPLES
    np.testing.assert_array_equal(task.data["train"][0], images()[0])
    assert {*task.data} == {"train", "test"} and {*task.metrics} == {"loss", "error"}


def test_networks_are_drawn_as_pytorch_draws_them() -> None:
    landscape = bind(torch_task(Cnn, images()))
    draws = [landscape.init(jax.random.key(seed)) for seed in (0, 0, 1)]
    for name, leaf in draws[0].items():
        np.testing.assert_array_equal(leaf, draws[1][name])
    assert not np.array_equal(draws[0]["conv.weight"], draws[2]["conv.weight"])
    assert np.abs(draws[0]["conv.weight"]).max() <= 1 / 3, "uniform on ±1/√inputs"
    np.testing.assert_array_equal(draws[0]["norm.weight"], 1)


def test_the_one_call_takes_state_dicts_of_a_transformer() -> None:
    torch.manual_seed(5)
    nets = [Transformer().eval() for _ in range(2)]
    task = torch_task(Transformer, tokens())
    assert task.beside == ("mask",) and task.state is None
    found = find_path(task, *(net.state_dict() for net in nets), level=4.0)
    assert found.status == "CONNECTED"
    assert found.path.keys() == dict(nets[0].named_parameters()).keys()
    between = Transformer().eval()
    at = {name: torch.tensor((leaf[0] + leaf[1]) / 2) for name, leaf in found.path.items()}
    between.load_state_dict(at, strict=False)
    x, y = tokens()
    value = functional.cross_entropy(between(x).flatten(0, 1), y.flatten()).item()
    assert value <= found.certificate.maximum + 1e-5


class Sorted(nn.Module):
    """An operator that has no translation."""

    def __init__(self) -> None:
        super().__init__()
        self.out = nn.Linear(64, CLASSES)

    def forward(self, x: Any) -> Any:
        return self.out(torch.linalg.svdvals(x).repeat(1, 1, 8).flatten(1))


class Spectral(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.out = nn.utils.parametrizations.spectral_norm(nn.Linear(64, CLASSES))

    def forward(self, x: Any) -> Any:
        return self.out(x.flatten(1))


def untracked() -> Any:
    return nn.Sequential(
        nn.BatchNorm2d(1, track_running_stats=False), nn.Flatten(), nn.Linear(64, CLASSES)
    )


@pytest.mark.parametrize(
    "make, error, said",
    [
        (Sorted, ValueError, "linalg_svd"),
        (Spectral, ValueError, "parametrizations.weight.0._u changes in training"),
        (untracked, ValueError, "track_running_stats=False"),
        (Transformer, ValueError, "cannot take two of the inputs"),
    ],
)
def test_what_cannot_be_translated_is_named(make, error, said) -> None:
    with pytest.raises(error, match=said):
        torch_task(make, images())


def test_statistics_of_too_few_samples_are_refused() -> None:
    with pytest.raises(ValueError, match=r"statistics of 20 .*\(allowed: 100 to 120\)"):
        torch_task(Cnn, images(), samples=20)


# -- runs ------------------------------------------------------------------------------------------

FACTORY = """
from tests.modules.test_pytorch import Cnn, images
from landscape import torch_task

def make_task():
    return torch_task(Cnn, images())
"""


@pytest.fixture
def config(factory, tmp_path: Path, pair: list[Any]):
    from safetensors.torch import save_file

    module = factory(FACTORY)
    files = [str(tmp_path / f"net-{number}.safetensors") for number in range(2)]
    for net, file in zip(pair, files, strict=True):
        save_file(net.state_dict(), file)

    def make(**task):
        connect = task.pop("connect", {})
        return config_from(
            {
                "task": {"factory": f"{module}:make_task", **task},
                "train": {"endpoints": files},
                "levels": {"values": [0.9]},
                "connect": {"max_rounds": 8, **connect},
            }
        )

    return make


def test_a_run_from_state_dicts(config, tmp_path: Path, pair: list[Any]) -> None:
    run = train(config(), tmp_path / "runs")
    state = run.meta().state
    assert state is not None and (state.policy, state.samples) == ("recompute", SAMPLES)
    x, y = images()
    for record, net in zip(run.models(), pair, strict=True):
        given = record.given
        assert given is not None and given.stored is not None
        assert given.by_origin == pytest.approx(given.value, rel=1e-5, abs=1e-6)
        assert given.value == pytest.approx(own_loss(net), rel=1e-5, abs=1e-6)
        stored = functional.cross_entropy(net(x), y).item()
        assert given.stored == pytest.approx(stored, rel=1e-5, abs=1e-6)
        assert given.stored_by_origin == pytest.approx(stored, rel=1e-5, abs=1e-6)
    (row,) = connect(run)
    assert row.status == "CONNECTED"
    assert all(verdict.agreed for verdict in verify(run))
    notes = " ".join(report([run])["notes"])
    assert "task.state: recompute" in notes and "by PyTorch" in notes


def test_interpolated_statistics_are_shown_on_the_straight_line_alone(
    config, tmp_path: Path, pair: list[Any]
) -> None:
    run = train(config(state="interpolate", connect={"method": "straight"}), tmp_path / "runs")
    (row,) = connect(run)
    x, y = images()
    one, other = (net.state_dict() for net in pair)
    values = []
    for t in torch.linspace(0, 1, 51):
        net = Cnn().eval()
        net.load_state_dict({k: torch.lerp(one[k].float(), other[k].float(), t) for k in one})
        values.append(functional.cross_entropy(net(x), y).item())
    assert row.max_loss == pytest.approx(max(values), rel=1e-2)
    assert row.loss_a == pytest.approx(values[0], rel=1e-5)
    with pytest.raises(ConfigError, match=r"connect\.method: .*only the straight line"):
        connect(run, ["connect.method=dss"])
    with pytest.raises(ConfigError, match=r"task\.state: a measure needs"):
        measure(run)


def test_stored_statistics_are_of_the_ends_alone(config, tmp_path: Path) -> None:
    run = train(config(state="stored"), tmp_path / "runs")
    record = run.models()[0]
    assert record.given is not None and record.value == record.given.stored
    with pytest.raises(ConfigError, match=r"task\.state: stored .*recompute"):
        connect(run)
    assert not run.rows()


def test_networks_that_differ_in_state_alone(config, tmp_path: Path, pair) -> None:
    from safetensors.torch import save_file

    other = {
        name: leaf + 1 if "running" in name else leaf for name, leaf in pair[0].state_dict().items()
    }
    made = config()
    save_file(other, made.train.files[1][0])
    with pytest.raises(ConfigError, match=r"differs from .* in statistics only"):
        train(made, tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    "change, said",
    [
        (lambda d: d.pop("other.running_var"), "and not other.running_var"),
        (lambda d: d.update({"norm.running_mean": torch.zeros(9)}), r"has shape \(9,\)"),
        (
            lambda d: d.update({"norm.running_var": torch.full((4,), torch.nan)}),
            "norm.running_var is not finite",
        ),
    ],
)
def test_state_that_is_damaged(config, tmp_path: Path, pair, change, said) -> None:
    from safetensors.torch import save_file

    made, arrays = config(), dict(pair[1].state_dict())
    change(arrays)
    save_file(arrays, made.train.files[1][0])
    with pytest.raises(ConfigError, match=said):
        train(made, tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


def test_a_wrong_translation_is_noticed(config, tmp_path: Path, monkeypatch) -> None:
    from landscape.modules import aten

    monkeypatch.setitem(aten.TABLE, "relu", lambda x: jax.numpy.where(x > 0.1, x, 0))
    with pytest.raises(ConfigError, match=r"by JAX and .* by PyTorch.*translation"):
        train(config(), tmp_path / "runs")
    assert build_landscape(config()).origin is not None

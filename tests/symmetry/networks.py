"""Every built-in network with small data, and those of the examples."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from examples.digits_networks import attention, convolution
from landscape.core.landscape import Landscape, bind
from landscape.core.task import Task
from landscape.core.trees import Params
from landscape.data import Store
from landscape.networks.images import VGG, Mixer, Network, ResNet, ViT
from landscape.networks.text import Transformer
from landscape.symmetry.spec import PermutationSpec
from landscape.tasks.cifar10 import cifar10
from landscape.tasks.digits import digits
from landscape.tasks.images import images
from landscape.tasks.mnist import mnist
from landscape.tasks.polynomial import polynomial
from landscape.tasks.ptb import ptb
from landscape.tasks.regression import regression
from landscape.tasks.text import text
from landscape.tasks.triangle import triangle


def small(network: Network) -> Task:
    return images(Store(None), network=network, train_images=40, test_images=10)


BUILT_IN: dict[str, Callable[[], Task]] = {
    "digits": lambda: digits(hidden=(12, 6)),
    "polynomial": lambda: polynomial(coefficients=(0.0, 0.0, 1.0), points=40, test_points=10),
    "regression": lambda: regression(target="teacher", outputs=2, kappa=0.1, samples=40),
    "triangle": lambda: triangle(hidden=4),
    "mnist": lambda: mnist(Store(None), filters=(3, 4), dense=5),
    "mnist, dense": lambda: mnist(Store(None), hidden=(5, 4)),
    "cifar10": lambda: cifar10(
        Store(None), filters=(3, 4), dense=(5, 6), train_files=("data_batch_1.bin",)
    ),
    "ptb": lambda: ptb(
        Store(None), train_file="ptb.valid.txt", vocabulary=9, width=5, streams=4, test_words=200
    ),
    "resnet": lambda: small(ResNet(depth=8, width=3)),
    "resnet, not normalised": lambda: small(ResNet(depth=8, width=3, norm="none")),
    "vgg": lambda: small(VGG(name="vgg", channels=(3, 4), dense=5)),
    "resnet, batch norm": lambda: small(ResNet(depth=8, width=3, norm="batch")),
    "vgg, batch norm": lambda: small(VGG(name="vgg", channels=(3, 4), dense=5, norm="batch")),
    "vit": lambda: small(ViT(name="vit", patch=4, width=8, heads=2, depth=1)),
    "mixer": lambda: small(Mixer(name="mixer", patch=4, width=6, depth=1)),
    "text": lambda: text(
        Store("."), file="LICENSE", characters=2000, network=Transformer(width=8, heads=2, depth=1)
    ),
    "attention": lambda: attention(width=8, images=60),
    "convolution": lambda: convolution(filters=3, images=60),
}


def landscape_of(name: str) -> Landscape:
    return bind(BUILT_IN[name]())


def sizes(spec: PermutationSpec) -> list[int]:
    return [one.size for one in spec.classes]


def places(spec: PermutationSpec) -> list[set[str]]:
    """Of each class, the axes that it is along, as they are told."""
    return [{str(place) for place in one.places} for one in spec.classes]


def random_like(shapes: Params, seed: int = 0) -> Params:
    drawn = np.random.default_rng(seed)
    return {name: drawn.normal(size=leaf.shape).astype(np.float32) for name, leaf in shapes.items()}


def random_units(spec: PermutationSpec, seed: int = 0) -> list[np.ndarray]:
    drawn = np.random.default_rng(seed)
    return [drawn.permutation(one.size) for one in spec.classes]

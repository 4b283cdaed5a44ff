"""Small networks: those on which whole Hessians can be had, and one that trains within seconds."""

import math
from itertools import pairwise

from torch import nn

from experiments.evidence.models.resnet import ResNet


def mlp(shape: tuple[int, ...], classes: int, hidden: tuple[int, ...] = (10,)) -> nn.Module:
    """Fully connected layers with tanh between them, whose loss has a Hessian everywhere."""
    widths = (math.prod(shape), *hidden, classes)
    layers: list[nn.Module] = [nn.Flatten()]
    for before, after in pairwise(widths):
        layers += [nn.Linear(before, after), nn.Tanh()]
    return nn.Sequential(*layers[:-1])


def cnn(shape: tuple[int, ...], classes: int, widths: tuple[int, ...] = (8, 12)) -> nn.Module:
    """Convolutions of 3x3 that halve the image, with tanh, then an average over the image; without normalization."""
    layers: list[nn.Module] = []
    for before, after in pairwise((shape[0], *widths)):
        layers += [nn.Conv2d(before, after, 3, stride=2, padding=1), nn.Tanh()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(widths[-1], classes))


def residual(shape: tuple[int, ...], classes: int, widths: tuple[int, ...] = (8, 16, 32)) -> nn.Module:
    """A residual net of one block a stage, the first of them its stem; large images are halved there."""
    stages = [(widths[0], 0), *((width, 1) for width in widths[1:])]
    return ResNet(shape, classes, widths[0], stages, stride=2 if shape[-1] > 16 else 1)

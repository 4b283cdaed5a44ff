"""Small networks: those on which whole Hessians can be had, and one that trains within seconds."""

from collections import OrderedDict
from itertools import pairwise

import torch
from torch import Tensor, nn


def mlp(shape: tuple[int, ...], classes: int, hidden: tuple[int, ...] = (10,)) -> nn.Module:
    """Fully connected layers with tanh between them, whose loss has a Hessian everywhere."""
    widths = (int(torch.tensor(shape).prod()), *hidden, classes)
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


class Block(nn.Module):
    """A residual block: two convolutions of 3x3, each normalized, and a shortcut, one of 1x1 if the shape changes."""

    def __init__(self, before: int, after: int, stride: int = 1) -> None:
        super().__init__()
        self.path = nn.Sequential(*normalized(before, after, 3, stride), nn.ReLU(), *normalized(after, after, 3))
        same = stride == 1 and before == after
        self.shortcut = nn.Identity() if same else nn.Sequential(*normalized(before, after, 1, stride))

    def forward(self, x: Tensor) -> Tensor:
        """The sum of both ways, rectified."""
        return torch.relu(self.path(x) + self.shortcut(x))


def normalized(before: int, after: int, size: int, stride: int = 1) -> list[nn.Module]:
    """A convolution without bias that keeps the image's size but for the stride, and batch normalization."""
    return [
        nn.Conv2d(before, after, size, stride=stride, padding=size // 2, bias=False),
        nn.BatchNorm2d(after),
    ]


def residual(shape: tuple[int, ...], classes: int, widths: tuple[int, ...] = (8, 16, 32)) -> nn.Module:
    """A small residual net with batch normalization throughout and global pooling; large images are halved at once."""
    blocks: list[nn.Module] = []
    for before, after in pairwise(widths):
        blocks.append(Block(before, after, 2))
    stride = 2 if shape[-1] > 16 else 1
    stem = nn.Sequential(*normalized(shape[0], widths[0], 3, stride), nn.ReLU())
    pooled = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(widths[-1], classes))
    return nn.Sequential(OrderedDict(stem=stem, blocks=nn.Sequential(*blocks), head=pooled))

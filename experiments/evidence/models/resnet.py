"""Residual networks (He et al. 2016) with batch normalization throughout and global pooling."""

from collections import OrderedDict
from collections.abc import Sequence

import torch
from torch import Tensor, nn

# Of the networks for CIFAR: whether blocks are bottlenecks, and how many there are in each stage.
DEPTHS = {18: (False, (2, 2, 2, 2)), 34: (False, (3, 4, 6, 3)), 50: (True, (3, 4, 6, 3))}
WIDTHS = (64, 128, 256, 512)
EXPANSION = 4  # of a bottleneck's outputs over its width


def normalized(before: int, after: int, size: int, stride: int = 1) -> list[nn.Module]:
    """A convolution without bias that keeps the image's size but for the stride, and batch normalization."""
    convolution = nn.Conv2d(before, after, size, stride=stride, padding=size // 2, bias=False)
    return [convolution, nn.BatchNorm2d(after)]


class Block(nn.Module):
    """A residual block, each convolution normalized, and a shortcut, one of 1x1 if the shape changes.

    Its path is two convolutions of 3x3, or as a bottleneck one of 3x3 between two of 1x1.
    """

    def __init__(self, before: int, width: int, stride: int = 1, bottleneck: bool = False) -> None:
        super().__init__()
        after = width * EXPANSION if bottleneck else width
        if bottleneck:
            inner = [*normalized(before, width, 1), nn.ReLU(), *normalized(width, width, 3, stride)]
        else:
            inner = normalized(before, width, 3, stride)
        self.path = nn.Sequential(*inner, nn.ReLU(), *normalized(width, after, 1 if bottleneck else 3))
        same = stride == 1 and before == after
        self.shortcut = nn.Identity() if same else nn.Sequential(*normalized(before, after, 1, stride))

    def forward(self, x: Tensor) -> Tensor:
        """The sum of both ways, rectified."""
        return torch.relu(self.path(x) + self.shortcut(x))


class ResNet(nn.Sequential):
    """A stem, stages of blocks of which each but the first halves the image, and a linear layer of the averages.

    Parameters
    ----------
    shape, classes
        Of an image: channels, height, width; and of the outputs.
    stem
        Channels after the first convolution, of 3x3.
    stride
        Of that: 1 as for CIFAR, or 2.
    stages
        Width and number of blocks of each.
    bottleneck
        Whether blocks are bottlenecks.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        classes: int,
        stem: int,
        stages: Sequence[tuple[int, int]],
        *,
        stride: int = 1,
        bottleneck: bool = False,
    ) -> None:
        blocks: list[nn.Module] = []
        before = stem
        for stage, (width, number) in enumerate(stages):
            for block in range(number):
                blocks.append(Block(before, width, 2 if stage and not block else 1, bottleneck))
                before = width * EXPANSION if bottleneck else width
        head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(before, classes))
        first = nn.Sequential(*normalized(shape[0], stem, 3, stride), nn.ReLU())
        super().__init__(OrderedDict(stem=first, blocks=nn.Sequential(*blocks), head=head))


def resnet(shape: tuple[int, ...], classes: int, depth: int) -> nn.Module:
    """ResNet18, 34 or 50 as it is used for CIFAR: without a stride and pooling in the stem."""
    bottleneck, numbers = DEPTHS[depth]
    return ResNet(shape, classes, WIDTHS[0], list(zip(WIDTHS, numbers, strict=True)), bottleneck=bottleneck)

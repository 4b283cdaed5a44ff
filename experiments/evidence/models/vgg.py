"""VGG16 (Simonyan and Zisserman 2014) as it is used for CIFAR: normalized, with one linear layer."""

from torch import nn

# Widths of convolutions of 3x3 between poolings.
STAGES = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))


def vgg16(shape: tuple[int, ...], classes: int) -> nn.Module:
    """Thirteen convolutions, each with a bias and batch normalization; images are halved five times."""
    layers: list[nn.Module] = []
    before = shape[0]
    for stage in STAGES:
        for width in stage:
            layers += [nn.Conv2d(before, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU()]
            before = width
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(before, classes))

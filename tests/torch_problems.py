"""Small torch models on small data, for tests of what is measured of any."""

import numpy as np
import torch

from diffusion import TorchLandscape


def half_square(outputs, targets):
    """Half the squared error of each sample."""
    return (outputs[:, 0] - targets) ** 2 / 2


def linear_landscape(samples):
    """Inputs, targets, and the landscape of a linear model of four parameters under half the squared error."""
    rng = np.random.default_rng(0)
    inputs, targets = rng.normal(size=(samples, 4)) * [2.0, 1.0, 0.5, 0.3], rng.normal(size=samples)
    model = torch.nn.Linear(4, 1, bias=False)
    with torch.no_grad():
        model.weight[:] = torch.tensor([[0.3, -0.2, 0.5, 1.0]])
    return inputs, targets, TorchLandscape(model, half_square, (inputs, targets))


def network_landscape():
    """A small network with batch normalisation and dropout, given in training mode, under cross-entropy."""
    torch.manual_seed(1)
    model = torch.nn.Sequential(
        torch.nn.Linear(5, 6), torch.nn.BatchNorm1d(6), torch.nn.Tanh(), torch.nn.Dropout(0.5), torch.nn.Linear(6, 3)
    )
    model(3 * torch.randn(100, 5) + 1)  # statistics that are not 0 and 1
    data = torch.randn(40, 5), torch.randint(3, (40,))
    return TorchLandscape(model, torch.nn.CrossEntropyLoss(reduction="none"), data)

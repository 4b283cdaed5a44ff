"""What is done at random to images of CIFAR before they are learnt from: the usual mirroring and moving."""

import torch
from torch import Tensor
from torch.nn import functional

MARGIN = 4  # pixels by which an image is moved at most, to either side


def augmented(images: Tensor, generator: torch.Generator) -> Tensor:
    """Each image of (N, channels, height, width) moved by up to MARGIN pixels, into black, and mirrored or not."""
    number, _, height, width = images.shape
    padded = functional.pad(images, (MARGIN,) * 4)
    moves = torch.randint(0, 2 * MARGIN + 1, (2, number, 1), generator=generator).to(images.device)
    mirrored = torch.randint(0, 2, (number, 1), generator=generator).to(images.device).bool()
    rows = moves[0] + torch.arange(height, device=images.device)
    columns = torch.arange(width, device=images.device)
    columns = moves[1] + torch.where(mirrored, columns.flip(0), columns)
    which = torch.arange(number, device=images.device)[:, None, None]
    return padded.movedim(1, -1)[which, rows[:, :, None], columns[:, None]].movedim(-1, 1)

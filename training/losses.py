"""What is minimised."""

from __future__ import annotations

import torch


def charbonnier(made: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """Mean of a distance that is square near 0 and straight beyond (Charbonnier et al. 1994)."""
    return torch.sqrt((made - wanted) ** 2 + 1e-6).mean() - 1e-3


def spectrum(made: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """Mean distance of Fourier coefficients: penalises blur where there should be texture."""
    return torch.fft.rfft2(made - wanted, norm="ortho").abs().mean()


def within(made: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """`made`, with overshoot beyond black or white not counted as error."""
    beyond = (wanted <= 0) & (made < wanted) | (wanted >= 1) & (made > wanted)
    return torch.where(beyond, wanted, made)

"""What is minimised."""

from __future__ import annotations

import torch


def charbonnier(made: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """Mean of a distance that is square near 0 and straight beyond (Charbonnier et al. 1994)."""
    return torch.sqrt((made - wanted) ** 2 + 1e-6).mean() - 1e-3


def spectrum(made: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """Mean distance of Fourier coefficients, which blur makes large where texture should be."""
    return torch.fft.rfft2(made - wanted, norm="ortho").abs().mean()


def within(made: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """`made`, but without fault where it lies further beyond 0 or 1 than it should."""
    beyond = (wanted <= 0) & (made < wanted) | (wanted >= 1) & (made > wanted)
    return torch.where(beyond, wanted, made)

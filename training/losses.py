"""What is minimised."""

from __future__ import annotations

import torch
from torch.nn import functional

_LUMA = (0.299, 0.587, 0.114)


def charbonnier(made: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """Mean of a distance that is square near 0 and straight beyond (Charbonnier et al. 1994)."""
    return torch.sqrt((made - wanted) ** 2 + 1e-6).mean() - 1e-3


def spectrum(made: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """Mean distance of Fourier coefficients: penalises blur where there should be texture."""
    return torch.fft.rfft2(made - wanted, norm="ortho").abs().mean()


def structure(made: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """1 - SSIM of luma (Wang et al. 2004, with their Gaussian of 1.5 and constants).

    A squared or absolute error makes detail that is half known half as strong. This one is least
    where the detail made is as strong as the detail wanted.
    """
    weights = torch.tensor(_LUMA, device=made.device)[:, None, None]
    x, y = ((image * weights).sum(1, keepdim=True) for image in (made, wanted))
    taps = torch.exp(-(torch.arange(-5, 6, device=made.device) ** 2) / (2 * 1.5**2))
    taps = taps / taps.sum()
    moments = torch.cat([x, y, x * x, y * y, x * y], 1)
    kernel = taps.expand(5, 1, 1, 11)
    moments = functional.conv2d(moments, kernel, groups=5)
    moments = functional.conv2d(moments, kernel.transpose(2, 3), groups=5)
    mean_x, mean_y, xx, yy, xy = moments.unbind(1)
    luminance = (2 * mean_x * mean_y + 0.01**2) / (mean_x**2 + mean_y**2 + 0.01**2)
    spread = xx - mean_x**2 + yy - mean_y**2
    contrast = (2 * (xy - mean_x * mean_y) + 0.03**2) / (spread + 0.03**2)
    return 1 - (luminance * contrast).mean()


def within(made: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """`made`, with overshoot beyond black or white not counted as error."""
    beyond = (wanted <= 0) & (made < wanted) | (wanted >= 1) & (made > wanted)
    return torch.where(beyond, wanted, made)

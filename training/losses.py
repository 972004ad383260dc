"""What is minimised."""

from __future__ import annotations

import torch
from torch.nn import functional

_LUMA = (0.299, 0.587, 0.114)
_CODES = 219
"""Code values of luma between black and white."""
_SIDES = (17, 9, 5, 3)
"""Taps of the windows at each scale."""
_NEURAL = 2.0
"""Variance of the eye's own noise, in code values squared."""


def charbonnier(made: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """Mean of a distance that is square near 0 and straight beyond (Charbonnier et al. 1994)."""
    return torch.sqrt((made - wanted) ** 2 + 1e-6).mean() - 1e-3


def spectrum(made: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """Mean distance of Fourier coefficients: penalises blur where there should be texture."""
    return torch.fft.rfft2(made - wanted, norm="ortho").abs().mean()


def information(made: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """1 - VIF of luma (Sheikh and Bovik 2006) over four scales, without reward for extra contrast.

    Constants and scales are those of VMAF's VIF, the bound on the gain that of its NEG model. A
    squared or absolute error makes detail that is half known half as strong; here it counts how
    much of the wanted detail is there, and detail weaker than some code values does not count.
    """
    weights = torch.tensor(_LUMA, device=made.device)[:, None, None] * _CODES
    x, y = ((image * weights).sum(1, keepdim=True) for image in (wanted, made))
    ratios = []
    for number, side in enumerate(_SIDES):
        if number:
            x, y = (_blurred(plane, side)[:, :, ::2, ::2] for plane in (x, y))
        moments = _blurred(torch.cat([x, y, x * x, y * y, x * y], 1), side)
        mean_x, mean_y, xx, yy, xy = moments.unbind(1)
        variance = (xx - mean_x**2).clamp(min=0)
        shared = (xy - mean_x * mean_y).clamp(min=0)
        gain = shared / (variance + 1e-4)
        noise = (yy - mean_y**2 - gain * shared).clamp(min=0)
        kept = torch.log1p(gain.clamp(max=1) ** 2 * variance / (noise + _NEURAL))
        ratios.append(kept.sum() / (torch.log1p(variance / _NEURAL).sum() + 1e-4))
    return 1 - torch.stack(ratios).mean()


def _blurred(planes: torch.Tensor, side: int) -> torch.Tensor:
    """Planes (N, C, H, W) under a Gaussian of `side` taps, without borders."""
    taps = torch.arange(side, device=planes.device) - side // 2
    taps = torch.exp(-(taps**2) / (2 * (side / 5) ** 2))
    kernel = (taps / taps.sum()).expand(planes.shape[1], 1, 1, side)
    planes = functional.conv2d(planes, kernel, groups=planes.shape[1])
    return functional.conv2d(planes, kernel.transpose(2, 3), groups=planes.shape[1])


def within(made: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """`made`, with overshoot beyond black or white not counted as error."""
    beyond = (wanted <= 0) & (made < wanted) | (wanted >= 1) & (made > wanted)
    return torch.where(beyond, wanted, made)

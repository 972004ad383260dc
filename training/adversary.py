"""A light discriminator: it learns to tell made pictures from wanted ones, patch by patch.

At a low weight beside the other losses it asks for texture where they ask for the mean of all that
might have been. Each judgement is about some 46 output pixels, too few to know a face by.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils.parametrizations import spectral_norm

_CHANNELS = (32, 64, 96)
_RATE = 2e-4


def _layer(into: int, out: int, stride: int) -> nn.Module:
    # Spectral normalisation (Miyato et al. 2018) keeps a discriminator from winning at once.
    return spectral_norm(nn.Conv2d(into, out, 4, stride=stride, padding=1))


class Adversary:
    """The discriminator and its optimiser."""

    def __init__(self, seed: int, place: torch.device) -> None:
        torch.manual_seed(seed)
        layers: list[nn.Module] = []
        into = 3
        for out in _CHANNELS:
            layers += [_layer(into, out, 2), nn.LeakyReLU(0.2)]
            into = out
        layers.append(_layer(into, 1, 1))
        self.network = nn.Sequential(*layers).to(place)
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=_RATE, betas=(0.5, 0.99))

    def loss(self, made: torch.Tensor) -> torch.Tensor:
        """How surely pictures (N, 3, H, W) are told to be made; its gradient goes to them alone."""
        self.network.requires_grad_(False)
        judged: torch.Tensor = functional.softplus(-self.network(made)).mean()
        self.network.requires_grad_(True)
        return judged

    def learn(self, made: torch.Tensor, wanted: torch.Tensor) -> None:
        """One step on pictures of both kinds, as the original loss has it (Goodfellow 2014)."""
        self.optimizer.zero_grad()
        false = functional.softplus(self.network(made.detach())).mean()
        true = functional.softplus(-self.network(wanted)).mean()
        (false + true).backward()
        self.optimizer.step()

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps of it."""
        return {
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }

    def load(self, state: dict[str, Any]) -> None:
        """Take back what `state` gave."""
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])

"""Neural networks: which there are, where their weights come from, and how to run them."""

from videnhance.inference.cards import Card, all_cards, resolve
from videnhance.inference.devices import CPU, Device, select_device
from videnhance.inference.loading import load_network, plan_tile
from videnhance.inference.resources import Resources

__all__ = [
    "CPU",
    "Card",
    "Device",
    "Resources",
    "all_cards",
    "load_network",
    "plan_tile",
    "resolve",
    "select_device",
]

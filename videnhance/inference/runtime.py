"""What a running stage may ask of its surroundings, put together from what the engine injects."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol, TypeVar

from videnhance.core import Model

T = TypeVar("T")
R = TypeVar("R")


class Map(Protocol):
    """An ordered map over up to `workers` threads, as `core.Runtime.map` describes it."""

    def __call__(self, function: Callable[[T], R], items: Iterable[T], workers: int) -> Iterator[R]:
        """Apply `function` to every item; results come in the order of `items`."""
        ...


class JobRuntime:
    """Implements `core.Runtime`."""

    def __init__(
        self, *, load: Callable[[str], Model], mapping: Map, warn: Callable[[str], None]
    ) -> None:
        """`load` gives the model of an id on this job's device; it is asked once per id."""
        self._load = load
        self._map = mapping
        self._warn = warn
        self._lock = threading.Lock()
        self._models: dict[str, Model] = {}
        self._told: set[str] = set()

    def model(self, model_id: str) -> Model:
        """Load the model of that id (or path), once per job."""
        with self._lock:
            if model_id not in self._models:
                self._models[model_id] = self._load(model_id)
            return self._models[model_id]

    def map(self, function: Callable[[T], R], items: Iterable[T], workers: int) -> Iterator[R]:
        """Apply `function` on up to `workers` threads; results come in the order of `items`."""
        return self._map(function, items, workers)

    def warn(self, message: str) -> None:
        """Tell the user something; the same sentence is told once."""
        with self._lock:
            if message in self._told:
                return
            self._told.add(message)
        self._warn(message)

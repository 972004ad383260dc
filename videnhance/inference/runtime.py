"""What a running stage may ask of its surroundings, put together from what the engine injects."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Protocol

from videnhance.core import Map, Network


class Sink(Protocol):
    """Takes what stages note for the report, from any thread."""

    def count(self, name: str, pts: int, amount: float) -> None:
        """As `core.Runtime.count` describes it."""
        ...

    def record(self, name: str, pts: int, value: float) -> None:
        """As `core.Runtime.record` describes it."""
        ...


class JobRuntime:
    """Implements `core.Runtime`."""

    def __init__(
        self,
        *,
        load: Callable[[str], Network],
        mapping: Map,
        warn: Callable[[str], None],
        notes: Sink | None = None,
    ) -> None:
        """`load` gives the network of an id on this job's device, and is asked once per id.

        Without `notes` nobody hears of counts and records.
        """
        self._load = load
        self.map = mapping
        """See `core.Runtime`."""
        self._warn = warn
        self._notes = notes
        self._lock = threading.Lock()
        self._telling = threading.Lock()  # of its own: what loads, holding the other, may warn
        self._networks: dict[str, Network] = {}
        self._told: set[str] = set()

    def network(self, model_id: str) -> Network:
        """Load the network of that card (or path), once per job."""
        with self._lock:
            if model_id not in self._networks:
                self._networks[model_id] = self._load(model_id)
            return self._networks[model_id]

    def warn(self, message: str) -> None:
        """Tell the user something; the same sentence is told once."""
        with self._telling:
            if message in self._told:
                return
            self._told.add(message)
        self._warn(message)

    def count(self, name: str, pts: int, amount: float = 1.0) -> None:
        """Add to a total of the report, for the frame of that time."""
        if self._notes is not None:
            self._notes.count(name, pts, amount)

    def record(self, name: str, pts: int, value: float) -> None:
        """Append a value to a list of the report, for the frame of that time."""
        if self._notes is not None:
            self._notes.record(name, pts, value)

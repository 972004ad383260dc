"""The runtime that the stages of a job use, assembled from what the engine passes in."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Protocol

from videnhance.core import Map, Network


class Sink(Protocol):
    """Receives the notes of stages for the report, from any thread."""

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
        """`load` loads the network of an id on this job's device; it is called once per id.

        Without `notes`, counts and records are dropped.
        """
        self._load = load
        self.map = mapping
        """See `core.Runtime`."""
        self._warn = warn
        self._notes = notes
        self._lock = threading.Lock()
        self._telling = threading.Lock()  # not `_lock`: `load` may warn while that is held
        self._networks: dict[str, Network] = {}
        self._told: set[str] = set()

    def network(self, model_id: str) -> Network:
        """Load the network of that card (or path), once per job."""
        with self._lock:
            if model_id not in self._networks:
                self._networks[model_id] = self._load(model_id)
            return self._networks[model_id]

    def warn(self, message: str) -> None:
        """Warn the user; a message that was given before is dropped."""
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

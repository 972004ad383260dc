"""The notes that stages take on frames for the report: totals and lists."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Self

Record = tuple[tuple[int, float], ...]
"""Pairs of a time in ticks of the job's time base and a value, in the order of time."""


@dataclass(frozen=True)
class Notes:
    """Totals and lists by their names, as stages gave them to `core.Runtime`."""

    counts: Mapping[str, float] = field(default_factory=dict)
    records: Mapping[str, Record] = field(default_factory=dict)

    @classmethod
    def joined(cls, parts: Iterable[Notes]) -> Self:
        """Join the notes of several segments, given in order, whichever run made them."""
        counts: dict[str, list[float]] = {}
        records: dict[str, list[tuple[int, float]]] = {}
        for part in parts:
            for name, amount in part.counts.items():
                counts.setdefault(name, []).append(amount)
            for name, record in part.records.items():
                records.setdefault(name, []).extend(record)
        return cls(
            {name: math.fsum(amounts) for name, amounts in counts.items()},
            {name: tuple(record) for name, record in records.items()},
        )

    def saved(self) -> dict[str, Any]:
        """Return the notes as values for JSON; `restored` reads them back."""
        return {"counts": dict(self.counts), "records": dict(self.records)}

    @classmethod
    def restored(cls, values: Mapping[str, Any]) -> Self:
        """Read back the values of `saved`. Others raise KeyError, TypeError or ValueError."""
        counts = {str(name): float(amount) for name, amount in values["counts"].items()}
        records = {
            str(name): tuple((int(pts), float(value)) for pts, value in record)
            for name, record in values["records"].items()
        }
        return cls(counts, records)

    def report(self, time_base: Fraction) -> dict[str, Any]:
        """Values for the report: counts are numbers, records are lists of times and values.

        Times are in seconds. A value that is not finite is None, since JSON cannot hold it.
        """
        return {
            **{
                name: int(total) if total.is_integer() else total
                for name, total in self.counts.items()
            },
            **{
                name: [
                    {
                        "time": round(float(pts * time_base), 6),
                        "value": value if math.isfinite(value) else None,
                    }
                    for pts, value in record
                ]
                for name, record in self.records.items()
            },
        }


class Notebook:
    """Collects notes from any thread, one segment after the other.

    The result of `take` does not depend on the order in which threads called.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: dict[str, list[tuple[int, float]]] = {}
        self._records: dict[str, list[tuple[int, float]]] = {}

    def count(self, name: str, pts: int, amount: float) -> None:
        """As `core.Runtime.count`."""
        self._note(self._counts, self._records, name, pts, amount)

    def record(self, name: str, pts: int, value: float) -> None:
        """As `core.Runtime.record`."""
        self._note(self._records, self._counts, name, pts, value)

    def _note(
        self,
        notes: dict[str, list[tuple[int, float]]],
        others: dict[str, list[tuple[int, float]]],
        name: str,
        pts: int,
        value: float,
    ) -> None:
        with self._lock:
            if name in others:
                raise ValueError(f"{name!r} must be either counted or recorded")
            notes.setdefault(name, []).append((pts, float(value)))

    def take(self, inside: Callable[[int], bool]) -> Notes:
        """Return the notes since the last call on frames whose pts is `inside`; drop the others."""
        with self._lock:
            counts, records = self._counts, self._records
            self._counts, self._records = {}, {}
        return Notes(
            {
                name: math.fsum(amount for _, amount in kept)
                for name, noted in sorted(counts.items())
                if (kept := [note for note in noted if inside(note[0])])
            },
            {
                name: tuple(sorted(kept))
                for name, noted in sorted(records.items())
                if (kept := [note for note in noted if inside(note[0])])
            },
        )

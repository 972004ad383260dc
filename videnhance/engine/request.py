"""The arguments of `enhance` and `preview`, checked the same way, and their listener."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from videnhance.engine.events import Event, Warned
from videnhance.engine.plan import Plan, check_output, make_plan
from videnhance.inference import Resources
from videnhance.job import Settings, settings, sort_options
from videnhance.pipeline import Stop

Listener = Callable[[Event], None]


class Teller:
    """Forwards events to a listener, each warning only once, and keeps all warnings."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._lock = threading.Lock()
        self.warnings: list[str] = []

    def __call__(self, event: Event) -> None:
        """Forward an event; any thread may call this."""
        if isinstance(event, Warned):
            with self._lock:
                if event.message in self.warnings:
                    return
                self.warnings.append(event.message)
        self._listener(event)

    def warn(self, message: str) -> None:
        """Send a warning to the listener."""
        self(Warned(message))

    def downloading(self, name: str, done: int, total: int | None) -> None:
        """Announce a download, once per file."""
        size = f" ({total >> 20} MiB)" if total else ""
        self.warn(f"Downloading the weights {name}{size}.")


@dataclass(frozen=True)
class Request:
    """A recording to enhance, and how to enhance it."""

    source: str
    output: Path
    settings: Settings
    device: str
    overwrite: bool
    drop_unsupported: bool
    resources: Resources

    @classmethod
    def of(
        cls,
        source: str | Path,
        output: str | Path,
        options: Mapping[str, Any],
        *,
        preset: str | None,
        device: str,
        overwrite: bool,
        drop_unsupported: bool,
        threads: int | None,
        memory: float | None,
    ) -> Request:
        """Check what can be checked without reading the source. Raises UsageError."""
        wanted = settings(preset, sort_options(dict(options)))
        check_output(str(source), Path(output), overwrite)
        resources = Resources.of_machine(threads, memory)
        return cls(
            str(source), Path(output), wanted, device, overwrite, drop_unsupported, resources
        )

    def plan(self, path: str, teller: Teller, stop: Stop) -> Plan:
        """Plan the job for the source at `path`; see `make_plan`."""
        return make_plan(
            path,
            self.output,
            self.settings,
            self.resources,
            device_wish=self.device,
            drop_unsupported=self.drop_unsupported,
            downloading=teller.downloading,
            stop=stop.check,
        )

"""The work folder beside an output: its lock, its job, and the finished segments."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import filelock

from videnhance.core import UsageError
from videnhance.engine.notes import Notes
from videnhance.engine.windows import Borders
from videnhance.job import Job, read_saved
from videnhance.media.assemble import SegmentFile
from videnhance.media.declaration import sidecar
from videnhance.media.encode import SegmentEncoder, disk_error
from videnhance.media.source import DecodeErrors

_ENDING = ".videnhance"


@dataclass(frozen=True)
class FinishedSegment:
    """A finished segment, as its manifest describes it; `file` is None if it holds no frame."""

    file: SegmentFile | None
    decoded: tuple[int, ...]
    """The time of each source frame that it was made from, in ticks of the job's time base."""
    decode_errors: DecodeErrors
    notes: Notes

    @property
    def frames(self) -> int:
        """How many frames it holds."""
        return len(self.file.pts) if self.file else 0


class WorkFolder:
    """`OUTPUT.videnhance/`. A segment counts once it has a manifest, which is written last."""

    def __init__(self, path: Path) -> None:
        output = path.name.removesuffix(_ENDING)
        self.path = path
        self.partial_output = path / f"{output}.part"
        self.preflight = path / f"preflight{Path(output).suffix}"
        self.spool = path / "source"

    @classmethod
    def of(cls, output: Path) -> Self:
        """The folder that belongs to an output."""
        output = output.absolute()
        return cls(output.with_name(output.name + _ENDING))

    @contextmanager
    def held(self) -> Iterator[None]:
        """Create and lock the folder. Raises UsageError while another run has it."""
        try:
            self.path.mkdir(exist_ok=True)
            lock = filelock.FileLock(self.path / "lock")
            lock.acquire(timeout=0)
        except filelock.Timeout:
            raise UsageError(
                f"Another run is writing this output (it holds {self.path}); "
                "wait for it or choose another output."
            ) from None
        except OSError as exc:
            raise UsageError(
                f"The work folder {self.path} cannot be made ({exc.strerror}); "
                "choose an output in a folder you may write to."
            ) from exc
        try:
            yield
        finally:
            if not self.holds_work:
                self._remove()
            lock.release()

    @property
    def holds_work(self) -> bool:
        """Whether it holds a finished segment, so that there is work to resume."""
        return any(self.path.glob("[0-9]*.json"))

    def adopt(self, job: Job, overwrite: bool) -> tuple[Job, tuple[str, ...]]:
        """Take over the work of an earlier run of the same job, or start afresh.

        Returns the job to run, with the tiles of that earlier run, and the names of the settings
        in which an earlier job differed. Raises UsageError if finished work of another job would be
        lost, unless `overwrite` is True.
        """
        saved = read_saved(self.path / "job.toml")
        differences = job.differences(saved) if saved else ()
        if saved and not differences:
            return job.with_tiles(saved["device"]["tiles"]), ()
        if differences and self.holds_work and not overwrite:
            raise UsageError(
                f"{self.path} holds finished work of another job (different: "
                f"{', '.join(differences)}); repeat its settings to go on with it, choose another "
                "output, or start afresh with --overwrite."
            )
        self._clear()
        self._write("job.toml", job.save)
        return job, differences

    def _clear(self) -> None:
        for path in self.path.iterdir():
            if path.name not in ("lock", self.spool.name):
                path.unlink() if path.is_file() else shutil.rmtree(path)

    def segment_file(self, index: int) -> Path:
        """The file that a segment is encoded to, until it is finished."""
        return self.path / f"{index:05}.mkv.part"

    def finished(self, index: int) -> FinishedSegment | None:
        """The segment, if it was finished and its file has not changed since; else None."""
        try:
            manifest: dict[str, Any] = json.loads((self.path / f"{index:05}.json").read_text())
            decode_errors = DecodeErrors(**manifest["decode_errors"])
            notes = Notes.restored(manifest["notes"])
            decoded = tuple(manifest["decoded"])
            if not manifest["pts"]:
                return FinishedSegment(None, decoded, decode_errors, notes)
            file = self.path / f"{index:05}.mkv"
            if _digest(file) != manifest["sha256"]:
                return None
            pts = tuple(manifest["pts"])
            sources = tuple(manifest["sources"])
            made = SegmentFile(file, pts, sources, manifest["last_duration"], manifest["delay"])
            return FinishedSegment(made, decoded, decode_errors, notes)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None

    def finish(
        self,
        index: int,
        encoder: SegmentEncoder | None,
        borders: Borders,
        decode_errors: DecodeErrors,
        notes: Notes,
    ) -> FinishedSegment:
        """Give an encoded segment its name and a manifest, so that it counts as finished.

        Raises ResourceError if the disk is full.
        """
        made: SegmentFile | None = None
        manifest: dict[str, Any] = {
            "decode_errors": asdict(decode_errors),
            "notes": notes.saved(),
            "decoded": borders.decoded,
            "pts": [],
        }
        if encoder is not None:
            file = self.path / f"{index:05}.mkv"
            manifest |= {
                "pts": encoder.pts,
                "sources": [number - (borders.start or 0) for number in encoder.sources],
                "last_duration": encoder.last_duration,
                "delay": encoder.delay,
                "sha256": _digest(encoder.path),
            }
            self._written(encoder.path, lambda: sync(encoder.path))
            encoder.path.replace(file)
            made = SegmentFile(
                file,
                tuple(encoder.pts),
                tuple(manifest["sources"]),
                encoder.last_duration,
                encoder.delay,
            )
        self._write(f"{index:05}.json", lambda path: path.write_text(json.dumps(manifest)))
        return FinishedSegment(made, tuple(borders.decoded), decode_errors, notes)

    def _write(self, name: str, write: Callable[[Path], object]) -> None:
        """Write a small file whole or not at all, so that it survives a power cut."""
        temporary = self.path / f"{name}.part"

        def whole() -> None:
            write(temporary)
            sync(temporary)
            temporary.replace(self.path / name)
            sync(self.path)

        self._written(self.path / name, whole)

    def _written(self, path: Path, write: Callable[[], object]) -> None:
        try:
            write()
        except OSError as exc:
            raise disk_error(path, exc) from exc

    def hand_over(self, output: Path) -> None:
        """Give the finished file its name, so that it survives a power cut; drop the manifests."""
        sync(self.partial_output)
        beside = sidecar(self.partial_output)
        if beside.exists():
            sync(beside)
            beside.replace(sidecar(output))
        else:
            sidecar(output).unlink(missing_ok=True)
        self.partial_output.replace(output)
        sync(output.parent)
        for manifest in self.path.glob("[0-9]*.json"):
            manifest.unlink()

    def _remove(self) -> None:
        """Delete the folder, the lock last, so that no other run can begin in it meanwhile."""
        for path in self.path.iterdir():
            if path.name != "lock":
                path.unlink(missing_ok=True) if path.is_file() else shutil.rmtree(path, True)
        shutil.rmtree(self.path, ignore_errors=True)


def sync(path: Path) -> None:
    """Flush a file's content, or a folder's entries, to the disk."""
    if path.is_dir() and os.name == "nt":
        return  # Windows has no handle to sync on a folder
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

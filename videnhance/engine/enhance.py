"""Run a job from beginning to end: plan → preflight → run → assemble → verify."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from videnhance.core import InputError, ResourceError, UsageError, VerificationError
from videnhance.engine.events import Finished, Phase, Planned, Progress
from videnhance.engine.notes import Notes
from videnhance.engine.plan import Plan
from videnhance.engine.preflight import preflight
from videnhance.engine.request import Listener, Request, Teller
from videnhance.engine.result import Result
from videnhance.engine.segments import Session, Speedometer, run_segment
from videnhance.engine.work import FinishedSegment, WorkFolder
from videnhance.job import Job
from videnhance.media.assemble import Assembler
from videnhance.media.declaration import Declaration, shown_frames, sidecar
from videnhance.media.encode import disk_error
from videnhance.media.source import DecodeErrors, is_url
from videnhance.media.verify import VerificationReport, verify
from videnhance.pipeline import Meter, Producer, Stop


def enhance(
    source: str | Path,
    output: str | Path,
    *,
    preset: str | None = None,
    device: str = "auto",
    overwrite: bool = False,
    drop_unsupported: bool = False,
    report: str | Path | None = None,
    threads: int | None = None,
    memory: float | None = None,
    listener: Listener = lambda event: None,
    stop: Stop | None = None,
    **options: Any,
) -> Result:
    """Enhance one recording and verify the output against it.

    `source` is a file, a URL, or "-" for standard input. `options` are those of the stages and of
    the encoder, as `videnhance enhance --help` lists them (`scale=2, crf=18`). `threads` is how
    many threads compute at once (None: all cores). `memory` is the memory in GiB that the job plans
    with (None: half of the free memory). `listener` gets progress on the calling thread, and
    warnings on any thread. To resume a run that was stopped or killed, call again with the same
    arguments.

    Raises the subclass of VidenhanceError that fits: UsageError, InputError, VerificationError,
    ResourceError, Interrupted.
    """
    began = time.monotonic()
    stop, teller = stop or Stop(), Teller(listener)
    request = Request.of(
        source,
        output,
        options,
        preset=preset,
        device=device,
        overwrite=overwrite,
        drop_unsupported=drop_unsupported,
        threads=threads,
        memory=memory,
    )
    _check_report(report, request.source, request.output)
    work = WorkFolder.of(request.output)
    with work.held():
        path = request.source
        if path == "-" or (not is_url(path) and Path(path).is_fifo()):
            path = _spooled(path, work)
        run = _Run(request, request.plan(path, teller, stop), work, teller, stop)
        result = run.execute(began)
    listener(Finished(result))
    if report is not None:
        _write_report(Path(report), result)
    return result


@dataclass(frozen=True)
class _Made:
    """All segments of a job in order, and figures of this run's work on them."""

    segments: list[FinishedSegment]
    computed: int
    seconds: float
    busy: dict[str, float]


class _Run:
    """One pass over a planned job."""

    def __init__(
        self, request: Request, plan: Plan, work: WorkFolder, teller: Teller, stop: Stop
    ) -> None:
        self.request = request
        self.plan = plan
        self.work = work
        self.tell = teller
        self.stop = stop

    def execute(self, began: float) -> Result:
        """Make the missing segments, assemble and verify the output, and give it its name."""
        for message in self.plan.warnings:
            self.tell.warn(message)
        job, differences = self.work.adopt(self.plan.job, self.request.overwrite)
        if job.tiles != self.plan.job.tiles:
            self.tell.warn(
                "The work goes on with the tiles it was begun with, whatever memory is given now; "
                f"delete {self.work.path} to begin afresh."
            )
        self.plan = replace(self.plan, job=job)
        if differences:
            self.tell.warn(
                "Earlier work on this output was for another job "
                f"(different: {', '.join(differences)}); starting afresh."
            )
        there = self._finished()
        self.tell(Planned(self.plan, sum(segment.frames for segment in there.values())))
        self.tell(Phase("preflight"))
        agreed = preflight(self.plan, self.work, self.stop.check)
        for check in agreed:
            self.tell.warn(f"The container cannot keep the {check.name}: {check.detail}.")
        self.tell(Phase("run"))
        made = self._make(there)
        segments = made.segments
        decode_errors = _decode_errors(segments)
        if decode_errors:
            self.tell.warn(
                f"The source is damaged: {decode_errors}. What could be decoded is kept."
            )
        declaration = _declaration(job, [check.name for check in agreed], segments)
        self._assemble(segments, declaration)
        verification = self._verify(declaration)
        self._hand_over(Path(job.output))
        return Result(
            output=Path(job.output),
            job=job,
            verification=verification,
            frames=verification.frames,
            computed=made.computed,
            seconds=time.monotonic() - began,
            run_seconds=made.seconds,
            busy=made.busy,
            decode_errors=decode_errors,
            notes=Notes.joined(segment.notes for segment in segments),
            warnings=tuple(self.tell.warnings),
        )

    def _finished(self) -> dict[int, FinishedSegment]:
        """Segments that earlier runs finished, by number."""
        found = ((s.index, self.work.finished(s.index)) for s in self.plan.job.segments)
        return {index: segment for index, segment in found if segment is not None}

    def _make(self, there: Mapping[int, FinishedSegment]) -> _Made:
        """Make the missing segments."""
        plan, done = self.plan, dict(there)
        before = sum(segment.frames for segment in done.values())
        self.tell(Progress(before, max(plan.frames, before), 0.0, None))
        speed = Speedometer(plan.frames, before)
        session = Session(
            plan.job,
            plan.source,
            plan.timeline,
            plan.device,
            self.request.resources,
            stop=self.stop,
            warn=self.tell.warn,
            progress=lambda: self.tell(speed.count()),
        )
        began = time.monotonic()
        with session:
            for segment in plan.job.segments:
                if segment.index not in done:
                    done[segment.index] = run_segment(
                        plan.job, segment.index, self.work.path, self.request.resources, session
                    )
        seconds = time.monotonic() - began
        ordered = [done[segment.index] for segment in plan.job.segments]
        return _Made(ordered, speed.made, seconds, session.meter.busy(seconds))

    def _hand_over(self, output: Path) -> None:
        if output.exists() and not self.request.overwrite:
            raise UsageError(
                f"{output} has appeared meanwhile; the finished file is at "
                f"{self.work.partial_output}: move it, or give --overwrite."
            )
        try:
            self.work.hand_over(output)
        except OSError as exc:
            raise disk_error(output, exc) from exc

    def _assemble(self, segments: Sequence[FinishedSegment], declaration: Declaration) -> None:
        files = [segment.file for segment in segments if segment.file]
        if not files:
            raise InputError(f"{self.plan.job.source} holds no frame that can be decoded.")
        self.tell(Phase("assemble"))
        job = self.plan.job
        assembler = Assembler(
            self.plan.source, self.work.partial_output, job.muxer, declaration, self.stop.check
        )
        assembler.run(files, job.clip, job.rate)
        if assembler.decode_errors:
            lost = assembler.decode_errors
            self.tell.warn(
                "The streams beside the video are damaged: "
                f"{lost.broken_packets} broken packets skipped, "
                f"{lost.retimed} without a usable timestamp placed behind the one before."
            )

    def _verify(self, declaration: Declaration) -> VerificationReport:
        self.tell(Phase("verify"))
        job = self.plan.job
        try:
            report = verify(
                job.source,
                str(self.work.partial_output),
                size=(job.clip.width, job.clip.height),
                declared=declaration,
                stop=self.stop.check,
                aside=lambda frames: Producer(frames, 2, "verify", Meter(), self.stop),
            )
        except InputError as exc:
            # The source could be read before, so it must be the new file that cannot be read.
            raise ResourceError(
                f"The finished file cannot be read back ({exc}) The disk may be full or failing: "
                "free some space and run the same command again, it goes on where it stopped."
            ) from exc
        if not report.kept:
            if shutil.disk_usage(self.work.path).free == 0:
                raise ResourceError(
                    "The disk is full; free some space and run the same command again, it goes "
                    "on where it stopped."
                )
            broken = "; ".join(f"{check.name}: {check.detail}" for check in report.broken)
            raise VerificationError(
                f"The output failed verification ({broken}); it is left for inspection at "
                f"{self.work.partial_output}."
            )
        return report


def _declaration(
    job: Job, waived: Sequence[str], segments: Sequence[FinishedSegment]
) -> Declaration:
    """The declaration that the output will carry."""
    times: list[int] = []
    outputs: list[tuple[int, int]] = []
    for segment in segments:
        if segment.file:
            shown = (len(times) + number for number in segment.file.sources)
            outputs.extend(zip(shown, segment.file.pts, strict=True))
        times.extend(segment.decoded)
    frames = shown_frames(times, outputs)
    return Declaration(job.dropped, tuple(waived), frames)


def _decode_errors(segments: Sequence[FinishedSegment]) -> DecodeErrors:
    total = DecodeErrors()
    for segment in segments:
        total.add(segment.decode_errors)
    return total


def _spooled(source: str, work: WorkFolder) -> str:
    """Copy a pipe to a file, since audio and verification read it again after the pictures."""
    name = "Standard input" if source == "-" else source
    if source == "-" and (sys.stdin is None or sys.stdin.isatty()):
        raise UsageError("Standard input is a terminal; pipe a recording into it.")
    try:
        with (
            nullcontext(sys.stdin.buffer) if source == "-" else Path(source).open("rb") as pipe,
            work.spool.open("wb") as file,
        ):
            shutil.copyfileobj(pipe, file, 1 << 20)
    except OSError as exc:
        raise ResourceError(
            f"{name} could not be kept in {work.spool} ({exc.strerror}); free some disk space."
        ) from exc
    if not work.spool.stat().st_size:
        raise InputError(f"{name} is empty; pipe a recording into it.")
    return str(work.spool)


def _check_report(report: str | Path | None, source: str, output: Path) -> None:
    if report is None:
        return
    path = Path(report).absolute()
    if not path.parent.is_dir():
        raise UsageError(f"The folder of --report {report} does not exist; make it first.")
    if path.is_dir() or not os.access(path if path.exists() else path.parent, os.W_OK):
        raise UsageError(f"--report {report} cannot be written; choose another file.")
    taken = (output.absolute(), sidecar(output).absolute(), Path(source).absolute())
    if path in taken:
        raise UsageError(f"--report {report} is the source or the output; choose another file.")


def _write_report(path: Path, result: Result) -> None:
    try:
        path.write_text(json.dumps(result.report(), indent=2) + "\n", encoding="utf-8")
    except OSError as exc:
        raise ResourceError(f"The report {path} cannot be written ({exc.strerror}).") from exc

"""Run a job from beginning to end: plan → segments → run → assemble → verify."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

from videnhance.core import InputError, ResourceError, UsageError, VerificationError
from videnhance.engine.events import Event, Finished, Phase, Planned, Warned
from videnhance.engine.notes import Notes
from videnhance.engine.plan import Plan, check_output, make_plan
from videnhance.engine.preflight import preflight
from videnhance.engine.result import Result
from videnhance.engine.segments import SegmentRunner
from videnhance.engine.work import Finished as FinishedSegment
from videnhance.engine.work import WorkFolder
from videnhance.job import settings, sort_options
from videnhance.media.assemble import Assembler
from videnhance.media.encode import disk_error
from videnhance.media.source import DecodeErrors, is_url
from videnhance.media.verify import VerificationReport, verify
from videnhance.pipeline import Meter, Producer, Stop

Listener = Callable[[Event], None]


def enhance(
    source: str | Path,
    output: str | Path,
    *,
    preset: str | None = None,
    device: str = "auto",
    overwrite: bool = False,
    drop_unsupported: bool = False,
    report: str | Path | None = None,
    listener: Listener = lambda event: None,
    stop: Stop | None = None,
    **options: Any,
) -> Result:
    """Enhance one recording and prove the output against it.

    `source` is a file, a URL, or "-" for standard input. `options` are those of the stages and
    of the encoder, as `videnhance enhance --help` lists them (`scale=2, crf=18`). `listener`
    hears of progress on the calling thread, of warnings on any. A run that was stopped or killed
    goes on where it was when called again with the same arguments.

    Raises the subclass of VidenhanceError that fits: UsageError, InputError, VerificationError,
    ResourceError, Interrupted.
    """
    began = time.monotonic()
    stop = stop or Stop()
    source, output = str(source), Path(output)
    wanted = settings(preset, sort_options(options))
    check_output(source, output, overwrite)
    _check_report(report, source, output)
    work = WorkFolder(output)
    with work.held():
        path = source
        if source == "-" or (not is_url(source) and Path(source).is_fifo()):
            path = _spooled(source, work)
        warnings: list[str] = []

        def tell(event: Event) -> None:
            if isinstance(event, Warned):
                if event.message in warnings:
                    return
                warnings.append(event.message)
            listener(event)

        plan = make_plan(
            path,
            output,
            wanted,
            device_wish=device,
            drop_unsupported=drop_unsupported,
            downloading=DownloadNotice(tell),
            stop=stop.check,
        )
        run = _Run(plan, work, tell, stop, overwrite)
        result = run.execute(began, warnings)
    listener(Finished(result))
    if report is not None:
        _write_report(Path(report), result)
    return result


class _Run:
    """One pass over a planned job."""

    def __init__(
        self, plan: Plan, work: WorkFolder, tell: Listener, stop: Stop, overwrite: bool
    ) -> None:
        self.plan = plan
        self.overwrite = overwrite
        self.work = work
        self.tell = tell
        self.stop = stop

    def execute(self, began: float, warnings: Sequence[str]) -> Result:
        """Make what is missing, put it together, prove it, and give it its name."""
        for message in self.plan.warnings:
            self.tell(Warned(message))
        job, differences = self.work.adopt(self.plan.job, self.overwrite)
        self.plan = replace(self.plan, job=job)
        if differences:
            self.tell(
                Warned(
                    "Earlier work on this output was for another job "
                    f"(different: {', '.join(differences)}); starting afresh."
                )
            )
        runner = SegmentRunner(self.plan, self.work, self.tell, self.stop)
        there = runner.finished()
        self.tell(Planned(self.plan, sum(segment.frames for segment in there.values())))
        self.tell(Phase("preflight"))
        agreed = preflight(self.plan, self.work, self.stop.check)
        for check in agreed:
            self.tell(Warned(f"The container cannot keep the {check.promise}: {check.detail}."))
        self.tell(Phase("run"))
        segments = runner.run(there)
        decode_errors = _decode_errors(segments)
        if decode_errors:
            self.tell(
                Warned(f"The source is damaged: {decode_errors}. What could be decoded is kept.")
            )
        self._assemble(segments)
        proof = self._verify([check.promise for check in agreed])
        self._hand_over(Path(job.output))
        return Result(
            output=Path(job.output),
            job=job,
            proof=proof,
            frames=proof.frames,
            computed=runner.computed,
            seconds=time.monotonic() - began,
            run_seconds=runner.seconds,
            busy=runner.meter.busy(runner.seconds),
            decode_errors=decode_errors,
            notes=Notes.joined(segment.notes for segment in segments),
            warnings=tuple(warnings),
        )

    def _hand_over(self, output: Path) -> None:
        if output.exists() and not self.overwrite:
            raise UsageError(
                f"{output} has appeared meanwhile; the finished file is at "
                f"{self.work.partial_output}: move it, or give --overwrite."
            )
        try:
            self.work.hand_over(output)
        except OSError as exc:
            raise disk_error(output, exc) from exc

    def _assemble(self, segments: Sequence[FinishedSegment]) -> None:
        parts = [segment.part for segment in segments if segment.part]
        if not parts:
            raise InputError(f"{self.plan.job.source} holds no frame that can be decoded.")
        self.tell(Phase("assemble"))
        job = self.plan.job
        assembler = Assembler(
            self.plan.source, self.work.partial_output, job.muxer, job.dropped, self.stop.check
        )
        assembler.run(parts, job.clip, self.plan.timeline.rate)
        if assembler.decode_errors:
            lost = assembler.decode_errors
            self.tell(
                Warned(
                    "The streams beside the video are damaged: "
                    f"{lost.broken_packets} broken packets skipped, "
                    f"{lost.retimed} placed behind the one before, having no usable timestamp."
                )
            )

    def _verify(self, waived: Sequence[str]) -> VerificationReport:
        self.tell(Phase("verify"))
        job = self.plan.job
        try:
            proof = verify(
                job.source,
                str(self.work.partial_output),
                size=(job.clip.width, job.clip.height),
                dropped=job.dropped,
                waived=waived,
                stop=self.stop.check,
                aside=lambda frames: Producer(frames, 2, "verify", Meter(), self.stop),
            )
        except InputError as exc:
            # The source was read before; what cannot be read is what was just written.
            raise ResourceError(
                f"The finished file cannot be read back ({exc}) The disk may be full or failing: "
                "free some space and run the same command again, it goes on where it stopped."
            ) from exc
        if not proof.kept:
            if shutil.disk_usage(self.work.path).free == 0:
                raise ResourceError(
                    "The disk is full; free some space and run the same command again, it goes "
                    "on where it stopped."
                )
            broken = "; ".join(f"{check.promise}: {check.detail}" for check in proof.broken)
            raise VerificationError(
                f"The output broke a promise ({broken}); it is left for inspection at "
                f"{self.work.partial_output}."
            )
        return proof


def _decode_errors(segments: Sequence[FinishedSegment]) -> DecodeErrors:
    total = DecodeErrors()
    for segment in segments:
        total.add(segment.decode_errors)
    return total


class DownloadNotice:
    """Says once per file that weights are being fetched."""

    def __init__(self, tell: Listener) -> None:
        self._tell = tell

    def __call__(self, name: str, done: int, total: int | None) -> None:
        """Hear of a download's progress."""
        size = f" ({total >> 20} MiB)" if total else ""
        self._tell(Warned(f"Downloading the weights {name}{size}."))


def _spooled(source: str, work: WorkFolder) -> str:
    """A pipe's content as a file: audio and proof need it again after the pictures."""
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
    if path in (output.absolute(), Path(source).absolute()):
        raise UsageError(f"--report {report} is the source or the output; choose another file.")


def _write_report(path: Path, result: Result) -> None:
    try:
        path.write_text(json.dumps(result.report(), indent=2) + "\n", encoding="utf-8")
    except OSError as exc:
        raise ResourceError(f"The report {path} cannot be written ({exc.strerror}).") from exc

"""Try the output with one frame before any work, to learn what the container would lose."""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain

from videnhance.core import Frame, InputError, UsageError
from videnhance.engine.plan import Plan
from videnhance.engine.work import WorkFolder
from videnhance.kernels.resize import resize
from videnhance.media.assemble import Assembler, SegmentFile
from videnhance.media.declaration import Declaration, sidecar
from videnhance.media.decode import Decoder
from videnhance.media.encode import SegmentEncoder
from videnhance.media.verify import MAY_BE_WAIVED, Check, preflight_faults


def preflight(plan: Plan, work: WorkFolder, stop: Callable[[], None]) -> tuple[Check, ...]:
    """Put one plainly enlarged frame and every stream's beginning into the output's container.

    Returns the checks that the output will fail and that the user waived. Raises UsageError if it
    will fail others, or if the encoder or the muxer refuses.
    """
    job, path = plan.job, work.segment_file(0)
    with Decoder(plan.source, plan.timeline, job.ticks) as decoder:
        pairs = chain.from_iterable(map(decoder.frames, plan.timeline.segments))
        first = next((frame for frame, inside in pairs if inside), None)
    if first is None:
        raise InputError(f"{job.source} holds no frame that can be decoded.")
    image = resize(first.data, job.clip.height, job.clip.width)
    frame = Frame(image, first.pts, first.duration)
    try:
        with SegmentEncoder(path, job.encoding, job.clip, job.rate) as encoder:
            encoder.write(frame)
        assembler = Assembler(
            plan.source, work.preflight, job.muxer, Declaration(job.dropped), stop
        )
        part = SegmentFile(path, (frame.pts,), (0,), frame.duration, 0)
        assembler.run([part], job.clip, job.rate, only_beginning=True)
        faults = preflight_faults(job.source, str(work.preflight), job.dropped)
    finally:
        path.unlink(missing_ok=True)
        work.preflight.unlink(missing_ok=True)
        sidecar(work.preflight).unlink(missing_ok=True)
    agreed = tuple(f for f in faults if job.drop_unsupported and f.name in MAY_BE_WAIVED)
    refused = [f for f in faults if f not in agreed]
    if refused:
        what = "; ".join(f"{check.name}: {check.detail}" for check in refused)
        remedy = "choose another container or --codec"
        if all(check.name in MAY_BE_WAIVED for check in refused):
            remedy = "write Matroska (.mkv) instead, or give --drop-unsupported to accept the loss"
        raise UsageError(
            f"{work.preflight.suffix} with {job.encoding.encoder} cannot keep everything "
            f"({what}); {remedy}."
        )
    return agreed

"""Send frames through stages, without files. The engine and `enhance_frames` use this."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from videnhance.core import (
    ClipInfo,
    Frame,
    FrameKind,
    Image,
    Map,
    Network,
    Runtime,
    Stage,
    Timing,
    UsageError,
)
from videnhance.engine.look import FRAMES, LazyLook, Peeked
from videnhance.engine.resolving import resolve_stages
from videnhance.engine.windows import Borders, Window, scanned, windows
from videnhance.inference import Device, Resources, load_network, select_device
from videnhance.inference.runtime import JobRuntime, Sink
from videnhance.job import settings, sort_options
from videnhance.kernels.motion import one_opencv_thread
from videnhance.pipeline import Meter, Stop, Workers
from videnhance.temporal.scenes import scan


def chain(
    frames: Iterator[Frame],
    clip: ClipInfo,
    stages: Sequence[Stage],
    rt: Runtime,
    borders: Borders | None = None,
) -> Iterator[Frame]:
    """Send frames through resolved stages, lazily.

    With `borders`, each stage gets the frames that it needs around the segment and no others. So no
    stage sees a frame that the stage before it could not make as in an uncut run.
    """
    cuts: list[int] = []
    if scanned(stages):
        frames = _reported(scan(frames), rt, cuts)
    for stage, window in zip(stages, windows(stages), strict=False):
        if borders:
            frames = borders.trimmed(frames, window)
        frames = stage.run(frames, clip, rt)
        if stage.timing != Timing():
            frames = _with_cuts(frames, cuts)
        clip = stage.output(clip)
    return borders.trimmed(frames, Window()) if borders else frames


def _reported(frames: Iterator[Frame], rt: Runtime, cuts: list[int]) -> Iterator[Frame]:
    """Pass frames on, and report cuts and repeats. A stream's first frame is not reported as a cut.

    `cuts` collects the numbers of source frames that begin scenes.
    """
    for number, frame in enumerate(frames):
        if frame.scene_start:
            cuts.append(frame.source)
        if frame.scene_start and number:
            rt.record("cuts", frame.pts, 1.0)
        if frame.kind is FrameKind.REPEAT:
            rt.count("repeats", frame.pts)
        yield frame


def _with_cuts(frames: Iterator[Frame], cuts: list[int]) -> Iterator[Frame]:
    """Move cuts to the first frame left of each scene, after a stage that drops or doubles some."""
    passed = 0
    for frame in frames:
        begins = False
        while passed < len(cuts) and cuts[passed] <= frame.source:
            begins, passed = True, passed + 1
        if begins:
            frame = replace(frame, kind=FrameKind.CUT)
        elif frame.scene_start:
            frame = replace(frame, kind=FrameKind.PLAIN)
        yield frame


def runtime(
    device: Device,
    tiles: Mapping[str, int],
    mapping: Map,
    warn: Callable[[str], None],
    notes: Sink | None = None,
    threads: int | None = None,
) -> JobRuntime:
    """Build the runtime of a job on that device; `tiles` are the tile sides by model.

    `threads` is how many threads may compute at once; None means all cores.
    """

    def load(model_id: str) -> Network:
        return load_network(
            model_id, device=device, tile=tiles.get(model_id), threads=threads, warn=rt.warn
        )

    rt = JobRuntime(load=load, mapping=mapping, warn=warn, notes=notes)
    return rt


def enhance_frames(
    frames: Iterator[Frame],
    clip: ClipInfo,
    *,
    preset: str | None = None,
    device: str = "auto",
    warn: Callable[[str], None] = lambda message: None,
    found: Callable[[str, str], None] = lambda name, text: None,
    notes: Sink | None = None,
    **options: Any,
) -> Iterator[Frame]:
    """Enhance your own frames: the iterator underneath `enhance`, without files.

    `frames` are `Frame(data, pts)`, with data float32 RGB of shape (3, H, W), 0..1; `clip`
    describes them; `options` are those of the stages. Frames come out in order, as many and with
    the same pts as went in. `notes` receives what stages count and record, from any thread.

    If an option depends on the picture, the first frames are read immediately and kept for their
    turn, and `found` is called with the option's name and one line: its value and the reason.
    Errors in the options are raised immediately. An item that is not a frame of this clip raises
    UsageError when its turn comes.
    """
    chosen = select_device(device)
    tables = sort_options(options)
    if "encode" in tables:
        names = ", ".join(tables["encode"])
        raise UsageError(f"Frames are not encoded here; leave out {names}.")
    peeked = Peeked(frames)
    look = LazyLook(lambda: _images(peeked.peek(FRAMES)))
    resources = Resources.of_machine()
    resolved = resolve_stages(settings(preset, tables), clip, chosen, resources, look)
    for name, text in resolved.found.items():
        found(name, text)
    workers = Workers("stages", Meter(), Stop())
    rt = runtime(chosen, resolved.tiles, workers.map, warn, notes, resources.threads)

    def enhanced() -> Iterator[Frame]:
        with one_opencv_thread(), workers:
            yield from chain(map(partial(_checked, clip), peeked), clip, resolved.stages, rt)

    return enhanced()


def _images(items: Iterable[object]) -> list[Image]:
    """The pictures of all items that are frames; `_checked` refuses the others in their turn."""
    return [item.data for item in items if isinstance(item, Frame)]


def _checked(clip: ClipInfo, frame: object) -> Frame:
    if not isinstance(frame, Frame):
        raise UsageError(
            "Frames must be videnhance.Frame(data, pts), data float32 RGB of shape (3, H, W) in "
            f"0..1, not {type(frame).__name__}."
        )
    if (frame.width, frame.height) != (clip.width, clip.height):
        raise UsageError(
            f"A frame of {frame.width}x{frame.height} came where the clip is "
            f"{clip.width}x{clip.height}; make clips of one size."
        )
    return frame

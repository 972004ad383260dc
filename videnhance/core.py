"""The vocabulary every other module shares: frames, clips, options, stages and errors.

Imports nothing of the package, nor NumPy but for its types: help pages read what stages declare.

The error tree (each class carries the exit code the command line ends with)::

    VidenhanceError          1
    ├── UsageError           2   the options do not make sense
    ├── InputError           3   the source cannot be read
    ├── VerificationError    4   the output does not match the source
    ├── ResourceError        5   memory or disk ran out
    │   └── OutOfMemory          one inference did not fit; the caller may try smaller
    └── Interrupted        130   the user or the system asked to stop
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import Enum, IntEnum
from fractions import Fraction
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self, TypeAlias, TypeVar

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Image: TypeAlias = "NDArray[np.float32]"
"""RGB, shape (3, H, W), float32, nominally 0..1; excursions of the source beyond it are kept."""

T = TypeVar("T")
R = TypeVar("R")


class VidenhanceError(Exception):
    """A failure with one sentence for the user that says what to do."""

    exit_code: ClassVar[int] = 1


class UsageError(VidenhanceError):
    """The options, or their combination, cannot be honoured."""

    exit_code = 2


class InputError(VidenhanceError):
    """The source is missing, unreadable, or holds no usable video."""

    exit_code = 3


class VerificationError(VidenhanceError):
    """The written file failed verification; it is kept aside for inspection."""

    exit_code = 4


class ResourceError(VidenhanceError):
    """Memory or disk space ran out."""

    exit_code = 5


class OutOfMemory(ResourceError):
    """One inference did not fit into memory; the same image may fit in smaller tiles."""


class Interrupted(VidenhanceError):
    """The job was asked to stop; finished segments are kept."""

    exit_code = 130


class Matrix(IntEnum):
    """Colour matrix (luma coefficients), numbered as in ITU-T H.273 table 4."""

    RGB = 0
    BT709 = 1
    UNSPECIFIED = 2
    FCC = 4
    BT470BG = 5
    SMPTE170M = 6
    SMPTE240M = 7
    YCGCO = 8
    BT2020_NCL = 9


class ChromaLocation(IntEnum):
    """Where a chroma sample lies among its luma samples, numbered as FFmpeg's AVChromaLocation."""

    UNSPECIFIED = 0
    LEFT = 1
    CENTER = 2
    TOPLEFT = 3
    TOP = 4
    BOTTOMLEFT = 5
    BOTTOM = 6


@dataclass(frozen=True)
class Colour:
    """How code values mean light. Numbers are those of ITU-T H.273, as FFmpeg uses them."""

    matrix: int = Matrix.UNSPECIFIED
    full_range: bool = False
    primaries: int = 2
    transfer: int = 2
    chroma_location: int = ChromaLocation.UNSPECIFIED


@dataclass(frozen=True)
class ClipInfo:
    """What a stage needs to know of a clip before its first frame.

    `rate` is a hint (average frames per second, None where nothing is known); the truth about time
    is in each frame's `pts`, which counts ticks of `time_base`. `width` and `height` are in stored
    samples, before rotation and before the sample aspect ratio.
    """

    width: int
    height: int
    time_base: Fraction
    rate: Fraction | None
    sample_aspect_ratio: Fraction = Fraction(1)
    bit_depth: int = 8
    colour: Colour = Colour()


class FrameKind(Enum):
    """What a frame is to the one before."""

    CUT = "cut"
    """The first of a scene: nothing may reach across its beginning."""
    FLASH = "flash"
    """For a frame or two something else: it stands alone, and the next goes on from before it."""
    REPEAT = "repeat"
    """It shows what the one before shows."""
    PLAIN = "plain"


@dataclass(frozen=True, repr=False)
class Frame:
    """One decoded picture and its place in time.

    `data` has shape (3, H, W), float32 RGB (transfer-encoded, not linear), nominally 0..1.
    `pts` and `duration` count ticks of the job's time base; 0 is an unknown duration. `source` is
    the number of the source frame that it shows, in the order of presentation from 0. `kind` and
    `noise`, the standard deviation of the scene's luma noise on the scale of 0..1, are found once,
    in front of the first stage, if a stage asks for it (`Stage.scans`).
    """

    data: Image
    pts: int
    duration: int = 0
    source: int = 0
    kind: FrameKind = FrameKind.PLAIN
    noise: float = 0.0

    def __post_init__(self) -> None:
        if self.data.ndim != 3 or self.data.shape[0] != 3:
            raise ValueError(f"data must have shape (3, H, W), got {self.data.shape}")
        if self.data.dtype != "float32":
            raise ValueError(f"data must be float32, got {self.data.dtype}")

    @property
    def scene_start(self) -> bool:
        """Whether temporal state must not reach across this frame's beginning."""
        return self.kind is FrameKind.CUT

    @property
    def height(self) -> int:
        """Rows."""
        return int(self.data.shape[1])

    @property
    def width(self) -> int:
        """Columns."""
        return int(self.data.shape[2])

    def __repr__(self) -> str:
        return f"Frame(pts={self.pts}, {self.width}x{self.height}, {self.kind.value})"


@dataclass(frozen=True)
class Timing:
    """What becomes of the times of a stage's frames: `out` frames come of every `of` frames.

    `ticks` is what the stage needs one tick of the time base divided into, so that the times which
    it makes are exact.
    """

    out: int = 1
    of: int = 1
    ticks: int = 1

    @property
    def ratio(self) -> Fraction:
        """Frames out for each frame in."""
        return Fraction(self.out, self.of)


@dataclass(frozen=True)
class Option:
    """The declaration of one option, put beside its type as ``Annotated[float, Option(...)]``.

    From it come the flag, the TOML key, the help and the check of bounds, wherever a value
    came from. `choices` restricts strings; `min` and `max` are inclusive. A string with both may be
    one of the choices or a number within the bounds. `only` names another
    option of the same stage and the value of it without which this one does nothing: giving it
    with another value is an error. `instead_of` names one whose place this one takes. A preset's
    option is dropped if what is given beside the preset takes its place or its `only` value.
    """

    help: str
    min: float | None = None
    max: float | None = None
    choices: tuple[str, ...] = ()
    only: tuple[str, str] | None = None
    instead_of: str = ""


class Network(Protocol):
    """A loaded network for images of any size; padding, tiling and memory are its business."""

    @property
    def id(self) -> str:
        """The card's id, or the weight file's name."""
        ...

    @property
    def scale(self) -> int:
        """Output size over input size, per axis."""
        ...

    @property
    def receptive_field(self) -> int:
        """Margin in input pixels with which a crop comes out as it does in the whole image, to
        45 dB."""
        ...

    @property
    def psnr_oriented(self) -> bool:
        """Whether it was trained for PSNR, rather than to look sharp."""
        ...

    @property
    def workers(self) -> int:
        """How many calls at once use the device best (1 where the device is filled by one)."""
        ...

    def __call__(self, *inputs: Image, restore: float = 1.0) -> Image:
        """Make a picture (3, scale·H, scale·W) within 0..1 of what the network's card asks for.

        `inputs` are arrays (C, H, W) within 0..1 of one size. `restore` is how much of noise and
        damage to remove, 0..1, where the network has a dial. The same inputs give the same bits
        however many calls run at once. Raises ResourceError when even the smallest tile does not
        fit.
        """
        ...


class Map(Protocol):
    """An ordered map over threads."""

    def __call__(
        self,
        function: Callable[[T], R],
        items: Iterable[T],
        workers: int,
        ahead: int | None = None,
    ) -> Iterator[R]:
        """Apply `function` on up to `workers` threads; results come in the order of `items`.

        With one worker it is the built-in `map`: nothing is read ahead. Otherwise `ahead` items
        may wait for their results, as many as there are workers and one more if it is None: more
        where some take far longer than others.
        """
        ...


class Runtime(Protocol):
    """What a running stage may ask of its surroundings."""

    def network(self, model_id: str) -> Network:
        """Load the network of that card (or path), once per job."""
        ...

    @property
    def map(self) -> Map:
        """Apply a function to a stream on several threads."""
        ...

    def warn(self, message: str) -> None:
        """Tell the user something once, on the screen and in the report."""
        ...

    def count(self, name: str, pts: int, amount: float = 1.0) -> None:
        """Add to a total of the report, for the frame of that time; from any thread.

        What is noted of frames outside the segment is left out of the report.
        """
        ...

    def record(self, name: str, pts: int, value: float) -> None:
        """Append a value to a list of the report, for the frame of that time; from any thread."""
        ...


class Look(Protocol):
    """A look at the recording itself, for a stage whose options depend on what is shown."""

    @property
    def frames(self) -> tuple[Image, ...]:
        """A few frames of the recording, each of shape (3, H, W), before any stage.

        They are decoded when first asked for. The same recording gives the same frames. There
        are none where nothing can be decoded ahead of the job.
        """
        ...

    keeps_noise: bool
    """Whether an option asks to leave noise where it is (`Stage.keeps_noise`)."""
    noise_left: float
    """How much of the frames' noise a stage will be given, 0..1. A stage that removes noise lowers
    it when it is resolved, for the stages behind it."""

    def found(self, name: str, text: str) -> None:
        """Record what an option was decided to be, and why, for the user and the report.

        `name` is the option's name; `text` is one line: the value, and the reason in brackets.
        """
        ...


@dataclass(frozen=True)
class Stage:
    """One step of the chain: a frozen dataclass whose fields are its options.

    `run` is a generator; its local variables are the only state, so nothing leaks from one
    clip to the next. All else has a default that fits a stage which looks at each frame alone.
    What is asked of a stage is asked of a resolved one, `resolve` excepted.
    """

    name: ClassVar[str]
    """Its key in TOML files and in reports."""
    flag_prefix: ClassVar[str]
    """What its flags begin with, e.g. "denoise-"; empty for the stage the program is named for. An
    option of the stage's own name has that as its flag."""

    @property
    def scans(self) -> bool:
        """Whether it uses the `kind` and `noise` of frames."""
        return False

    @property
    def keeps_noise(self) -> bool:
        """Whether its options, as they were given, ask to leave noise where it is. No stage then
        removes any unless it was told to."""
        return False

    @property
    def timing(self) -> Timing:
        """What it makes of the times of its frames."""
        return Timing()

    @property
    def lookahead(self) -> int:
        """Frames it must see after frame n before n can leave."""
        return 0

    @property
    def preroll(self) -> int:
        """Frames before a segment's start after which its state is what an uncut run has."""
        return 0

    @property
    def postroll(self) -> int:
        """Frames after a segment's end that it wants to see, so that the segment's last frames
        are what an uncut run has."""
        return 0

    def resolve(self, clip: ClipInfo, device_kind: str, look: Look) -> Self:
        """The same stage with everything decided that was left to the program.

        `device_kind` is "cpu", "cuda" or "vulkan". `look` shows a few frames of the recording;
        a stage that needs none of them does not ask, and nothing is decoded. Raises UsageError
        for options that this clip cannot meet.
        """
        return self

    def on(self, clip: ClipInfo) -> bool:
        """Whether it changes anything; a stage that does not is left out of the job."""
        return True

    def output(self, clip: ClipInfo) -> ClipInfo:
        """What becomes of size and rate."""
        return clip

    def models(self, clip: ClipInfo) -> tuple[str, ...]:
        """Cards (or paths) of the networks it will load, so that weights are checked before work
        begins."""
        return ()

    def run(self, frames: Iterator[Frame], clip: ClipInfo, rt: Runtime) -> Iterator[Frame]:
        """Turn frames into frames, lazily and in order; `clip` describes what comes in.

        A frame that is made anew keeps the `source` of the frame that it shows: `replace(frame,
        data=…)` sees to that.
        """
        raise NotImplementedError


Options: TypeAlias = dict[str, Any]
"""Option values by name, as a preset, a TOML file or flags give them."""

"""Show frames of a recording to stages whose options depend on the picture."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import Generic, Self, TypeVar

from videnhance.core import Image

T = TypeVar("T")

FRAMES = 5
"""How many frames a look has. With five, a majority vote tolerates two titles or fades."""


class LazyLook:
    """A look that decodes its frames when they are first asked for, and then keeps them."""

    def __init__(self, decode: Callable[[], Sequence[Image]] = tuple) -> None:
        self._decode = decode
        self.keeps_noise = False
        """See `core.Look`."""
        self.noise_left = 1.0
        """See `core.Look`."""
        self.reasons: dict[str, str] = {}
        """By option, one line: the value that was decided, and the reason."""

    @cached_property
    def frames(self) -> tuple[Image, ...]:
        """A few frames of the recording, (3, H, W); may be empty."""
        return tuple(self._decode())

    def found(self, name: str, text: str) -> None:
        """Record the value of an option, and the reason for it, in one line."""
        self.reasons[name] = text


class Peeked(Generic[T]):
    """An iterator whose next items can be seen before their turn, without losing any.

    An error raised while reading ahead is kept, and raised when its turn comes.
    """

    def __init__(self, items: Iterator[T]) -> None:
        self._items = iter(items)
        self._held: deque[T] = deque()
        self._error: BaseException | None = None

    def peek(self, count: int) -> list[T]:
        """Up to `count` items from the next one on; fewer where the items end or fail."""
        while len(self._held) < count and self._error is None:
            try:
                self._held.append(next(self._items))
            except Exception as exc:
                self._error = exc
        return list(self._held)[:count]

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> T:
        if self._held:
            return self._held.popleft()
        if self._error is not None:
            error, self._error = self._error, None
            raise error
        return next(self._items)

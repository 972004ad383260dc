"""Show frames of a recording to stages whose options depend on what is shown."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import Generic, Self, TypeVar

from videnhance.core import Image

T = TypeVar("T")

FRAMES = 5
"""How many frames are shown: a majority of them outvotes two titles or fades."""


class LazyLook:
    """A look whose frames are decoded when first asked for, and kept for the next to ask."""

    def __init__(self, decode: Callable[[], Sequence[Image]] = tuple) -> None:
        self._decode = decode
        self.reasons: dict[str, str] = {}
        """What was decided, and why, by option."""

    @cached_property
    def frames(self) -> tuple[Image, ...]:
        """A few frames of the recording, (3, H, W); may be empty."""
        return tuple(self._decode())

    def found(self, name: str, text: str) -> None:
        """Record the value of an option, and the reason for it, in one line."""
        self.reasons[name] = text


class Peeked(Generic[T]):
    """An iterator whose next items can be seen before their turn; none is lost.

    An error raised while items are read ahead is raised again when its turn comes.
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

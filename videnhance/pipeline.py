"""Run producers, stages and consumers concurrently; owns all threads and queues of a job."""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from videnhance.core import Interrupted

T = TypeVar("T")
R = TypeVar("R")

_POLL_SECONDS = 0.1  # longest time that a blocked thread takes to notice a stop


class Stop:
    """A request to stop, which every thread of a job checks."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def request(self) -> None:
        """Ask all threads to stop as soon as they can; safe in a signal handler."""
        self._event.set()

    @property
    def requested(self) -> bool:
        """Whether a stop was requested."""
        return self._event.is_set()

    def check(self) -> None:
        """Raise Interrupted if a stop was requested."""
        if self._event.is_set():
            raise Interrupted("Stopped; run the same command again to go on.")


@dataclass
class Meter:
    """Seconds of work by name, summed over threads, which show what slows a job down."""

    seconds: dict[str, float] = field(default_factory=dict)
    workers: dict[str, int] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, name: str, seconds: float, workers: int = 1) -> None:
        """Count work done; `workers` is how many threads share the name."""
        with self._lock:
            self.seconds[name] = self.seconds.get(name, 0.0) + seconds
            self.workers[name] = max(workers, self.workers.get(name, 1))

    def busy(self, wall: float) -> dict[str, float]:
        """Fraction of a wall time in which the threads of each name worked, 0..1."""
        return {
            name: seconds / (wall * self.workers[name]) if wall else 0.0
            for name, seconds in self.seconds.items()
        }


class _Done:
    """Marks the end of a queue, and carries the error that ended it."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error


class Producer(Generic[T]):
    """Iterates over `items` on a thread of its own, at most `depth` ahead; a context manager.

    If producing an item fails, the consumer gets the error in its place.
    """

    def __init__(self, items: Iterable[T], depth: int, name: str, meter: Meter, stop: Stop) -> None:
        self._items = items
        self._queue: queue.Queue[T | _Done] = queue.Queue(depth)
        self._name = name
        self._meter = meter
        self._stop = stop
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._produce, name=name, daemon=True)

    def __enter__(self) -> Iterator[T]:
        self._thread.start()
        return self._consume()

    def __exit__(self, *_: object) -> None:
        self._closed.set()
        with suppress(queue.Empty):
            while True:
                self._queue.get_nowait()
        self._thread.join(timeout=None if not self._stop.requested else _POLL_SECONDS)

    def _produce(self) -> None:
        done = _Done()
        iterator = iter(self._items)
        try:
            while not self._closed.is_set():
                began = time.perf_counter()
                item = next(iterator, done)
                self._meter.add(self._name, time.perf_counter() - began)
                if item is done or not self._put(item):
                    break
        except BaseException as exc:  # handed to the consumer, whatever it is
            done.error = exc
        try:
            # The generator closes what it opened on the thread that used it.
            close = getattr(iterator, "close", None)
            if close is not None:
                close()
        except Exception as exc:
            done.error = done.error or exc
        self._put(done)

    def _put(self, item: T | _Done) -> bool:
        while not self._closed.is_set():
            try:
                self._queue.put(item, timeout=_POLL_SECONDS)
                return True
            except queue.Full:
                continue
        return False

    def _consume(self) -> Iterator[T]:
        while True:
            self._stop.check()
            try:
                item = self._queue.get(timeout=_POLL_SECONDS)
            except queue.Empty:
                continue
            if isinstance(item, _Done):
                if item.error is not None:
                    raise item.error
                return
            yield item


class Consumer(Generic[T]):
    """Feeds items to a function on a thread of its own, at most `depth` behind.

    An error of the function is raised at the next `put`, or on leaving the context. `close` is
    called on that thread when it ends, however it ends.
    """

    def __init__(
        self,
        function: Callable[[T], None],
        depth: int,
        name: str,
        meter: Meter,
        stop: Stop,
        close: Callable[[], None] = lambda: None,
    ) -> None:
        self._function = function
        self._close = close
        self._queue: queue.Queue[T | _Done] = queue.Queue(depth)
        self._name = name
        self._meter = meter
        self._stop = stop
        self._error: BaseException | None = None
        self._failed = threading.Event()
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)

    def __enter__(self) -> Consumer[T]:
        self._thread.start()
        return self

    def put(self, item: T | _Done) -> None:
        """Hand over an item; waits while the queue is full."""
        while True:
            self._stop.check()
            if self._failed.is_set() and self._error is not None:
                raise self._error
            try:
                self._queue.put(item, timeout=_POLL_SECONDS)
                return
            except queue.Full:
                continue

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self._discard()
            return
        try:
            self.put(_Done())
            while self._thread.is_alive():
                self._stop.check()
                self._thread.join(_POLL_SECONDS)
        except BaseException:
            self._discard()
            raise
        if self._error is not None:
            raise self._error

    def _discard(self) -> None:
        """Drop the queued items, since something else failed, and end the thread."""
        self._failed.set()
        with suppress(queue.Empty):
            while True:
                self._queue.get_nowait()
        with suppress(queue.Full):
            self._queue.put_nowait(_Done())
        self._thread.join(timeout=None if not self._stop.requested else _POLL_SECONDS)

    def _work(self) -> None:
        try:
            while True:
                item = self._queue.get()
                if isinstance(item, _Done) or self._failed.is_set():
                    return
                began = time.perf_counter()
                self._function(item)
                self._meter.add(self._name, time.perf_counter() - began)
        except BaseException as exc:  # handed to the producer, whatever it is
            self._error = exc
            self._failed.set()
        finally:
            with suppress(Exception):  # the first error is the one that matters
                self._close()


class Workers:
    """Threads that apply functions to items of a stream; a context manager.

    They are daemons: a network that computes for seconds must not hold up a stopped program.
    """

    def __init__(self, name: str, meter: Meter, stop: Stop) -> None:
        self._name = name
        self._meter = meter
        self._stop = stop
        self._queue: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *_: object) -> None:
        for _thread in self._threads:
            self._queue.put(None)
        for thread in self._threads:
            thread.join(timeout=None if not self._stop.requested else _POLL_SECONDS)

    def map(
        self,
        function: Callable[[T], R],
        items: Iterable[T],
        workers: int,
        ahead: int | None = None,
    ) -> Iterator[R]:
        """Results in the order of `items`.

        Up to `ahead` items are read before the first of their results is taken, but at least
        workers + 1, which is also the default. With one worker, nothing is read ahead.
        """
        if workers <= 1:
            yield from (self._timed(function, item, 1) for item in items)
            return
        self._grow(workers)
        # With one item more than workers, no worker waits while the next item is fetched.
        most = workers if ahead is None else max(ahead - 1, workers)
        waiting: deque[Future[R]] = deque()
        try:
            for item in items:
                waiting.append(self._submit(function, item, workers))
                if len(waiting) > most:
                    yield self._result(waiting.popleft())
            while waiting:
                yield self._result(waiting.popleft())
        finally:
            for future in waiting:
                future.cancel()

    def _grow(self, workers: int) -> None:
        while len(self._threads) < workers:
            number = len(self._threads)
            thread = threading.Thread(target=self._work, name=f"{self._name}-{number}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def _work(self) -> None:
        while (task := self._queue.get()) is not None:
            task()
            del task  # which holds its item and its result, while this thread waits for another

    def _submit(self, function: Callable[[T], R], item: T, workers: int) -> Future[R]:
        future: Future[R] = Future()

        def task() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                future.set_result(self._timed(function, item, workers))
            except BaseException as exc:  # raised again where the result is taken
                future.set_exception(exc)

        self._queue.put(task)
        return future

    def _timed(self, function: Callable[[T], R], item: T, workers: int) -> R:
        began = time.perf_counter()
        try:
            return function(item)
        finally:
            self._meter.add(self._name, time.perf_counter() - began, workers)

    def _result(self, future: Future[R]) -> R:
        while True:
            self._stop.check()
            try:
                return future.result(_POLL_SECONDS)
            except TimeoutError:
                if future.done():  # it ended just now, or the function raised TimeoutError itself
                    return future.result()

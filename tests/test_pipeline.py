"""Threads that hand items on: order, errors, bounds, early ends and requests to stop."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from videnhance.core import Interrupted
from videnhance.pipeline import Consumer, Meter, Producer, Stop, Workers


def _wait_until(condition: object) -> None:
    end = time.monotonic() + 10
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.002)


def test_a_producer_gives_everything_in_order() -> None:
    with Producer(range(200), 3, "p", Meter(), Stop()) as items:
        assert list(items) == list(range(200))


def test_a_producer_works_on_another_thread() -> None:
    def source() -> Iterator[str]:
        yield threading.current_thread().name

    with Producer(source(), 1, "elsewhere", Meter(), Stop()) as items:
        assert list(items) == ["elsewhere"]


@pytest.mark.parametrize("depth", [1, 2, 5])
def test_a_producer_reads_no_further_ahead_than_its_depth(depth: int) -> None:
    made = []

    def source() -> Iterator[int]:
        for i in range(50):
            made.append(i)
            yield i

    with Producer(source(), depth, "p", Meter(), Stop()) as items:
        for taken in range(1, 20):
            next(items)
            # One in hand behind those in the queue.
            assert len(made) <= taken + depth + 1
        _wait_until(lambda: len(made) == 19 + depth + 1)


def test_an_error_of_a_producer_comes_where_its_item_would_have() -> None:
    def source() -> Iterator[int]:
        yield 1
        yield 2
        raise OSError("broken")

    with Producer(source(), 4, "p", Meter(), Stop()) as items:
        assert [next(items), next(items)] == [1, 2]
        with pytest.raises(OSError, match="broken"):
            next(items)


def test_leaving_a_producer_early_closes_its_source() -> None:
    closed = threading.Event()

    def source() -> Iterator[int]:
        try:
            yield from range(1_000_000)
        finally:
            closed.set()

    with Producer(source(), 2, "p", Meter(), Stop()) as items:
        assert next(items) == 0
    assert closed.is_set()


def test_an_error_of_the_caller_ends_a_producer() -> None:
    def take() -> None:
        with Producer(iter(int, 1), 2, "p", Meter(), Stop()) as items:
            next(items)
            raise KeyError

    with pytest.raises(KeyError):
        take()


def test_a_stop_ends_the_wait_for_a_slow_producer() -> None:
    release, stop = threading.Event(), Stop()

    def source() -> Iterator[int]:
        release.wait(30)
        yield 1

    threading.Timer(0.05, stop.request).start()
    with pytest.raises(Interrupted), Producer(source(), 1, "p", Meter(), stop) as items:
        next(items)
    assert not release.is_set()
    release.set()


def test_a_consumer_takes_everything_in_order() -> None:
    taken: list[int] = []
    with Consumer(taken.append, 2, "c", Meter(), Stop()) as consumer:
        for i in range(100):
            consumer.put(i)
    assert taken == list(range(100))


def test_a_consumer_holds_no_more_than_its_depth() -> None:
    gate, taken = threading.Semaphore(0), []

    def take(item: int) -> None:
        gate.acquire()
        taken.append(item)

    put = []

    def feed(consumer: Consumer[int]) -> None:
        for i in range(10):
            consumer.put(i)
            put.append(i)

    with Consumer(take, 3, "c", Meter(), Stop()) as consumer:
        feeder = threading.Thread(target=feed, args=(consumer,))
        feeder.start()
        _wait_until(lambda: len(put) == 4)  # one in hand, three waiting
        time.sleep(0.05)
        assert len(put) == 4
        gate.release(10)
        feeder.join()
    assert taken == list(range(10))


@pytest.mark.parametrize("behind", [0, 5])
def test_an_error_of_a_consumer_reaches_the_caller(behind: int) -> None:
    def take(item: int) -> None:
        if item == 1:
            raise OSError("disk full")

    def feed() -> None:
        with Consumer(take, 2, "c", Meter(), Stop()) as consumer:
            for i in range(2 + behind):
                consumer.put(i)

    with pytest.raises(OSError, match="disk full"):
        feed()


def test_the_callers_error_matters_more_than_a_consumers() -> None:
    def take(item: int) -> None:
        raise OSError

    def feed() -> None:
        with Consumer(take, 2, "c", Meter(), Stop()) as consumer:
            consumer.put(1)
            raise KeyError

    with pytest.raises(KeyError):
        feed()


def test_what_is_queued_is_dropped_when_the_caller_fails() -> None:
    started, gate, taken = threading.Event(), threading.Event(), []

    def take(item: int) -> None:
        started.set()
        gate.wait(10)
        taken.append(item)

    def feed() -> None:
        with Consumer(take, 8, "c", Meter(), Stop()) as consumer:
            for i in range(6):
                consumer.put(i)
            started.wait(10)
            threading.Timer(0.05, gate.set).start()
            raise KeyError

    with pytest.raises(KeyError):
        feed()
    assert taken == [0]


def test_a_stop_ends_the_wait_for_a_slow_consumer() -> None:
    release, stop = threading.Event(), Stop()

    def take(item: int) -> None:
        release.wait(30)

    def feed() -> None:
        with Consumer(take, 1, "c", Meter(), stop) as consumer:
            for i in range(10):
                consumer.put(i)

    threading.Timer(0.05, stop.request).start()
    with pytest.raises(Interrupted):
        feed()
    assert not release.is_set()
    release.set()


@given(st.lists(st.floats(0, 0.002), max_size=30), st.integers(1, 4))
@settings(max_examples=25, deadline=None)
def test_workers_give_results_in_the_order_of_items(delays: list[float], workers: int) -> None:
    def work(pair: tuple[int, float]) -> int:
        time.sleep(pair[1])
        return pair[0]

    with Workers("w", Meter(), Stop()) as pool:
        assert list(pool.map(work, enumerate(delays), workers)) == list(range(len(delays)))


def test_one_worker_reads_nothing_ahead() -> None:
    read = []

    def source() -> Iterator[int]:
        for i in range(10):
            read.append(i)
            yield i

    with Workers("w", Meter(), Stop()) as pool:
        results = pool.map(str, source(), 1)
        for i in range(10):
            assert next(results) == str(i)
            assert len(read) == i + 1


@pytest.mark.parametrize("workers", [2, 3])
def test_several_workers_work_at_once_and_read_a_bounded_way_ahead(workers: int) -> None:
    meeting = threading.Barrier(workers)
    read = []

    def source() -> Iterator[int]:
        for i in range(workers * 6):
            read.append(i)
            yield i

    def work(item: int) -> int:
        meeting.wait(10)
        return item

    with Workers("w", Meter(), Stop()) as pool:
        for taken, result in enumerate(pool.map(work, source(), workers)):
            assert result == taken
            assert len(read) <= taken + 1 + workers


@pytest.mark.parametrize("workers", [1, 3])
def test_an_error_of_a_worker_comes_in_its_place(workers: int) -> None:
    def work(item: int) -> int:
        if item == 3:
            raise TimeoutError("of the function itself")
        return item

    with Workers("w", Meter(), Stop()) as pool:
        results = pool.map(work, range(10), workers)
        assert [next(results) for _ in range(3)] == [0, 1, 2]
        with pytest.raises(TimeoutError, match="of the function itself"):
            next(results)


@pytest.mark.parametrize("workers", [1, 3])
def test_an_error_of_the_source_reaches_the_caller_of_map(workers: int) -> None:
    def source() -> Iterator[int]:
        yield 1
        raise OSError("source")

    with Workers("w", Meter(), Stop()) as pool, pytest.raises(OSError, match="source"):
        list(pool.map(str, source(), workers))


def test_an_early_end_cancels_what_has_not_begun() -> None:
    done = []

    def work(item: int) -> int:
        time.sleep(0.01)
        done.append(item)
        return item

    with Workers("w", Meter(), Stop()) as pool:
        results = pool.map(work, range(1000), 2)
        next(results)
        results.close()  # type: ignore[attr-defined]
    assert len(done) <= 4


def test_a_stop_ends_the_wait_for_a_slow_worker() -> None:
    release, stop = threading.Event(), Stop()

    def work(item: int) -> None:
        release.wait(30)

    threading.Timer(0.05, stop.request).start()
    with pytest.raises(Interrupted), Workers("w", Meter(), stop) as pool:
        list(pool.map(work, range(4), 2))
    assert not release.is_set()
    release.set()


def test_stop_raises_only_after_the_request() -> None:
    stop = Stop()
    stop.check()
    assert not stop.requested
    stop.request()
    assert stop.requested
    with pytest.raises(Interrupted, match="run the same command again"):
        stop.check()


def test_the_meter_shares_work_among_its_threads() -> None:
    meter = Meter()
    meter.add("decode", 2.0)
    meter.add("enhance", 6.0, workers=2)
    meter.add("enhance", 4.0, workers=2)
    assert meter.busy(10.0) == {"decode": 0.2, "enhance": 0.5}
    assert meter.busy(0.0) == {"decode": 0.0, "enhance": 0.0}


def test_the_meter_counts_every_step() -> None:
    meter = Meter()
    stop = Stop()
    with (
        Producer(range(3), 1, "decode", meter, stop) as items,
        Workers("enhance", meter, stop) as pool,
        Consumer(lambda item: None, 1, "encode", meter, stop) as consumer,
    ):
        for item in pool.map(str, items, 2):
            consumer.put(item)
    assert set(meter.seconds) == {"decode", "enhance", "encode"}
    assert meter.workers == {"decode": 1, "enhance": 2, "encode": 1}

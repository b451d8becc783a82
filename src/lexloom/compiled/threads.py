"""Threads that run compiled code without the GIL while the main thread watches."""

import math
import os
import threading
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

Result = TypeVar("Result")


def available_cores() -> int:
    """Count the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def run_jobs(
    numbers: Sequence[int],
    start_worker: Callable[[], Callable[[int], Result]],
    finished: Callable[[int, Result], None],
    *,
    threads: int,
    until: float = math.inf,
    tick: Callable[[], None] = lambda: None,
) -> None:
    """Run numbered jobs on several threads, each of which takes the next job as soon as it is free.

    When this function returns or raises KeyboardInterrupt, every job that was started has been finished.

    Args:
        numbers: the jobs, taken in this order.
        start_worker: called once by each thread; returns the function that runs a job, with memory of the thread's own.
        finished: called with the number and the result of each job; never by two threads at once.
        threads: how many threads to start at most.
        until: no job is started after this time of `time.monotonic`.
        tick: called by this thread about ten times per second.

    Raises:
        KeyboardInterrupt: after the jobs under way have been finished.
        BaseException: the first exception that a job raised.
    """
    queue, lock, stop = iter(numbers), threading.Lock(), threading.Event()

    def work() -> None:
        run = start_worker()
        while not stop.is_set():
            with lock:
                number = next(queue, None)
            if number is None:
                return
            result = run(number)
            with lock:
                finished(number, result)

    def watch() -> None:
        tick()
        if time.monotonic() >= until:
            stop.set()

    run_threads(work, min(threads, len(numbers)), stop, watch)


def run_threads(work: Callable[[], None], number: int, stop: threading.Event, watch: Callable[[], None]) -> None:
    """Run a function on several threads until all of them have returned.

    Args:
        work: what each thread runs; it must return soon after `stop` is set.
        number: how many threads to start.
        stop: set when a thread fails or this thread is interrupted.
        watch: called by this thread about ten times per second.

    Raises:
        KeyboardInterrupt: after all threads have returned, however often Ctrl-C is pressed meanwhile.
        BaseException: the first exception that a thread raised.
    """
    failures: list[BaseException] = []

    def guarded(ended: threading.Event) -> None:
        try:
            work()
        except BaseException as error:
            failures.append(error)
            stop.set()
        finally:
            ended.set()

    # events instead of Thread.join: until Python 3.13 an interrupted join marks a thread as ended that still runs (CPython gh-90882)
    ends = [threading.Event() for _ in range(number)]
    threads = [threading.Thread(target=guarded, args=(ended,), daemon=True) for ended in ends]
    try:
        for thread in threads:
            thread.start()
        while not all(ended.is_set() for ended in ends):
            for ended in ends:
                ended.wait(0.1 / len(ends))
            watch()
    finally:
        _wait_for([ended for thread, ended in zip(threads, ends, strict=True) if thread.ident is not None], stop)
    if failures:
        raise failures[0]


def _wait_for(ends: list[threading.Event], stop: threading.Event) -> None:
    """Stop the threads that were started and wait for them. A further Ctrl-C is ignored: they still write to shared memory."""
    while True:
        try:
            stop.set()
            for ended in ends:
                ended.wait()
            return
        except KeyboardInterrupt:
            continue

"""Threads that work without the GIL, while this one looks on."""

import threading
from collections.abc import Callable


def run_threads(work: Callable[[], None], number: int, stop: threading.Event, look: Callable[[], None]) -> None:
    """Let threads work until all of them are done.

    Args:
        work: what each does; it is to return soon after `stop` is set.
        number: of threads.
        stop: set where one of them fails, and where this thread is interrupted.
        look: called some ten times a second.

    Raises:
        KeyboardInterrupt: once all have returned.
        BaseException: what the first of them that failed raised.
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

    # Thread.join is not asked: until Python 3.13 an interrupt inside it marks a thread as ended that still runs (CPython gh-90882)
    ends = [threading.Event() for _ in range(number)]
    threads = [threading.Thread(target=guarded, args=(ended,), daemon=True) for ended in ends]
    try:
        for thread in threads:
            thread.start()
        while not all(ended.is_set() for ended in ends):
            for ended in ends:
                ended.wait(0.1 / len(ends))
            look()
    finally:
        stop.set()
        for thread, ended in zip(threads, ends, strict=True):
            if thread.ident is not None:  # it was started
                ended.wait()
    if failures:
        raise failures[0]

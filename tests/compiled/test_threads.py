"""Threads that work while this one watches: what is raised, and that none is left running."""

import os
import signal
import threading
import time
from _thread import interrupt_main

import pytest

from lexloom.compiled.threads import run_jobs, run_threads

LONG = 10.0  # seconds; nothing here waits so long unless it fails


class Work:
    """Threads that wait until they are stopped. Records which began and which returned."""

    def __init__(self, number, first=lambda: None):
        self.number, self.first, self.stop = number, first, threading.Event()
        self.began, self.stopped, self.returned, self.looks = [], [], [], 0
        self.all_began, self._lock = threading.Event(), threading.Lock()

    def _one(self):
        with self._lock:
            self.began.append(threading.get_ident())
            place = len(self.began)
        if place == self.number:
            self.all_began.set()
        try:
            if place == 1:
                self.first()
            self.stopped.append(self.stop.wait(LONG))
            time.sleep(0.05)  # long enough to be missed by a caller that does not wait
        finally:
            with self._lock:
                self.returned.append(threading.get_ident())

    def run(self, look=lambda: None):
        def looking():
            self.looks += 1
            look()

        run_threads(self._one, self.number, self.stop, looking)

    def failing(self, error, look=lambda: None):
        """Run and return the error that is raised; check that every thread that began has returned by then."""
        with pytest.raises(type(error)) as raised:
            self.run(look)
        assert sorted(self.returned) == sorted(self.began)
        assert all(self.stopped)
        return raised.value


def raising(error):
    def call():
        raise error

    return call


@pytest.mark.parametrize("number", [1, 2, 5])
def test_threads_work_at_the_same_time_until_all_are_done(number):
    together, done, stop = threading.Barrier(number), [], threading.Event()

    def work():
        together.wait(LONG)
        time.sleep(0.02 * len(done))
        done.append(threading.get_ident())

    run_threads(work, number, stop, lambda: None)
    assert len(set(done)) == number and threading.get_ident() not in done
    assert stop.is_set()


def test_zero_threads_return_at_once():
    run_threads(raising(AssertionError("no thread was asked for")), 0, threading.Event(), lambda: None)


@pytest.mark.parametrize("number", [1, 3])
def test_this_thread_watches_meanwhile(number):
    work, seen = Work(number), []

    def look():
        seen.append(threading.get_ident())
        if len(seen) == 3:
            work.stop.set()

    work.run(look)
    assert set(seen) == {threading.get_ident()}
    assert len(work.returned) == number


def test_watching_leaves_the_processor_to_the_workers():
    work, begun = Work(4), time.monotonic()
    work.run(lambda: work.stop.set() if work.looks == 3 else None)
    assert time.monotonic() - begun > 0.15


@pytest.mark.parametrize("error", [ValueError("7"), MemoryError(), SystemExit(3), KeyboardInterrupt()], ids=repr)
@pytest.mark.parametrize("number", [1, 4])
def test_an_error_in_a_thread_is_raised_and_stops_the_others(error, number):
    assert Work(number, raising(error)).failing(error) is error


def test_the_first_of_several_errors_is_raised():
    order, stop = iter([ValueError("first"), ValueError("second"), ValueError("third")]), threading.Event()
    turn = threading.Lock()

    def work():
        with turn:
            error = next(order)
            if str(error) != "first":
                assert stop.wait(LONG)
            raise error

    with pytest.raises(ValueError, match="first"):
        run_threads(work, 3, stop, lambda: None)


@pytest.mark.parametrize("error", [ValueError("7"), KeyboardInterrupt()], ids=repr)
@pytest.mark.parametrize("number", [1, 4])
def test_an_error_while_watching_is_raised_and_stops_all(error, number):
    work = Work(number)
    assert work.failing(error, raising(error)) is error
    assert work.looks == 1


def test_control_c_while_watching_stops_all():
    Work(3).failing(KeyboardInterrupt(), lambda: signal.raise_signal(signal.SIGINT))


def test_control_c_while_waiting_stops_all():
    def press():
        assert work.all_began.wait(LONG)
        interrupt_main()

    work = Work(3, press)
    work.failing(KeyboardInterrupt())


def test_threads_that_began_are_stopped_when_another_cannot_start(monkeypatch):
    start, work = threading.Thread.start, Work(4)

    def start_two(thread):
        if len(work.began) == 2:
            raise RuntimeError("can't start new thread")
        start(thread)
        until = time.monotonic() + LONG
        while thread.ident not in work.began and time.monotonic() < until:
            time.sleep(0.001)

    monkeypatch.setattr(threading.Thread, "start", start_two)
    assert str(work.failing(RuntimeError())) == "can't start new thread"
    assert len(work.began) == 2


def test_a_second_control_c_waits_for_the_threads_too():
    stop, writing = threading.Event(), threading.Event()

    def work():
        writing.set()
        assert stop.wait(LONG)
        for _ in range(3):  # by now the first Ctrl-C has come, and the caller waits
            time.sleep(0.1)
            os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.1)
        writing.clear()

    def press():
        assert writing.wait(LONG)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_threads(work, 1, stop, press)
    assert not writing.is_set()


# ---- jobs -------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("threads", [1, 3, 20])
def test_every_job_runs_once_and_its_result_comes_back(threads):
    results = {}
    run_jobs(range(5, 12), lambda: lambda number: number * 10, results.setdefault, threads=threads)
    assert results == {number: number * 10 for number in range(5, 12)}


def test_one_thread_takes_jobs_in_order():
    order = []
    run_jobs(range(6), lambda: lambda number: number, lambda number, _: order.append(number), threads=1)
    assert order == list(range(6))


def test_each_thread_works_in_memory_of_its_own():
    together, memories = threading.Barrier(3), {}

    def start_worker():
        memory = []

        def run(number):
            together.wait(LONG)  # three jobs at a time, so each on a thread of its own
            memory.append(number)
            return memory

        return run

    run_jobs(range(9), start_worker, memories.setdefault, threads=3)
    assert len({id(memory) for memory in memories.values()}) == 3


def test_jobs_that_began_before_the_time_is_up_are_finished():
    begun, finished = [], []

    def run(number):
        begun.append(number)
        time.sleep(0.15)

    run_jobs(range(100), lambda: run, lambda number, _: finished.append(number), threads=2, until=time.monotonic() + 0.2)
    assert sorted(begun) == sorted(finished) == list(range(len(begun)))
    assert 2 <= len(begun) < 100


def test_no_jobs_are_done_at_once():
    run_jobs(range(0), raising(AssertionError("no worker was needed")), raising(AssertionError("no job was done")), threads=4)

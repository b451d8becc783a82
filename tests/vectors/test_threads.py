"""Threads that work while another looks on: what each of them raises, and that none is left behind."""

import signal
import threading
import time
from _thread import interrupt_main

import pytest

from lexloom.vectors.threads import run_threads

LONG = 10.0  # seconds; nothing here waits so long unless it fails


class Work:
    """Threads that wait for a stop, unless told otherwise; knows how many began and how many returned."""

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
            time.sleep(0.05)  # whoever does not wait for it is gone by then
        finally:
            with self._lock:
                self.returned.append(threading.get_ident())

    def run(self, look=lambda: None):
        def looking():
            self.looks += 1
            look()

        run_threads(self._one, self.number, self.stop, looking)

    def failing(self, error, look=lambda: None):
        """Run, and give what is raised, at which moment all that began have returned."""
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
def test_so_many_threads_work_at_the_same_time_until_all_are_done(number):
    together, done, stop = threading.Barrier(number), [], threading.Event()

    def work():
        together.wait(LONG)
        time.sleep(0.02 * len(done))
        done.append(threading.get_ident())

    run_threads(work, number, stop, lambda: None)
    assert len(set(done)) == number and threading.get_ident() not in done
    assert stop.is_set()


def test_no_thread_at_all_is_done_at_once():
    run_threads(raising(AssertionError("nobody works")), 0, threading.Event(), lambda: None)


@pytest.mark.parametrize("number", [1, 3])
def test_this_thread_looks_on_meanwhile(number):
    work, seen = Work(number), []

    def look():
        seen.append(threading.get_ident())
        if len(seen) == 3:
            work.stop.set()

    work.run(look)
    assert set(seen) == {threading.get_ident()}
    assert len(work.returned) == number


def test_looks_leave_the_processor_to_those_who_work():
    work, begun = Work(4), time.monotonic()
    work.run(lambda: work.stop.set() if work.looks == 3 else None)
    assert time.monotonic() - begun > 0.15


@pytest.mark.parametrize("error", [ValueError("7"), MemoryError(), SystemExit(3), KeyboardInterrupt()], ids=repr)
@pytest.mark.parametrize("number", [1, 4])
def test_what_a_thread_raises_comes_out_and_stops_the_others(error, number):
    assert Work(number, raising(error)).failing(error) is error


def test_of_several_failures_the_first_comes_out():
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
def test_what_looking_on_raises_comes_out_and_stops_all(error, number):
    work = Work(number)
    assert work.failing(error, raising(error)) is error
    assert work.looks == 1


def test_control_c_while_this_thread_looks_on_stops_all():
    Work(3).failing(KeyboardInterrupt(), lambda: signal.raise_signal(signal.SIGINT))


def test_control_c_while_this_thread_waits_stops_all():
    def press():
        assert work.all_began.wait(LONG)
        interrupt_main()

    work = Work(3, press)
    work.failing(KeyboardInterrupt())


def test_threads_that_have_begun_are_stopped_where_another_cannot(monkeypatch):
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

"""Signals while a run goes on: handed on, held back, counted."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from nnexp.run import control
from nnexp.run.control import Interrupts

BOTH = (signal.SIGINT, signal.SIGTERM)


@pytest.fixture(autouse=True)
def _handlers() -> Iterator[None]:
    """Let both signals raise KeyboardInterrupt, as in the program, and put all back afterwards."""
    before = [signal.signal(number, signal.default_int_handler) for number in BOTH]
    yield
    for number, handler in zip(BOTH, before, strict=True):
        signal.signal(number, handler)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Give the time, to be set."""
    now = [0.0]
    monkeypatch.setattr(control, "monotonic", lambda: now[0])
    return now


@pytest.mark.parametrize("number", BOTH)
def test_a_signal_is_handed_on(number: signal.Signals) -> None:
    """Wherever the program is, the handler that was there before gets the signal."""
    with Interrupts() as found, pytest.raises(KeyboardInterrupt):
        signal.raise_signal(number)
    assert not found.at_once
    assert signal.getsignal(number) is signal.default_int_handler


def test_a_signal_waits_until_what_is_held_is_done() -> None:
    """What must be done whole is, and then the signal is handed on, once."""
    done = []

    def log(found: Interrupts, *, signalled: bool) -> None:
        with found.deferred():
            if signalled:
                signal.raise_signal(signal.SIGTERM)
            done.append("whole")

    with Interrupts() as found:
        with pytest.raises(KeyboardInterrupt):
            log(found, signalled=True)
        log(found, signalled=False)
    assert done == ["whole"] * 2


@pytest.mark.parametrize("held", [True, False])
def test_a_second_signal_does_not_wait(clock: list[float], held: bool) -> None:
    """It raises KeyboardInterrupt where it comes, and the run is told that it was the second."""
    done = []

    def log(found: Interrupts) -> None:
        with found.deferred():
            signal.raise_signal(signal.SIGTERM)
            done.append("whole")

    with Interrupts() as found:
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        clock[0] = 0.3
        with pytest.raises(KeyboardInterrupt):
            log(found) if held else signal.raise_signal(signal.SIGTERM)
        assert (found.at_once, done) == (True, [])


def test_an_echo_is_no_second_signal(clock: list[float]) -> None:
    """What `timeout` sends to a process and to its group within a moment is one wish."""
    with Interrupts() as found:
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)
        clock[0] = 0.1
        signal.raise_signal(signal.SIGTERM)
        assert not found.at_once


@pytest.mark.parametrize("handler", [signal.SIG_IGN, signal.SIG_DFL])
def test_a_signal_without_a_handler_is_left_alone(handler: signal.Handlers) -> None:
    """A run in the background that ignores Ctrl-C goes on ignoring it, however often it comes."""
    signal.signal(signal.SIGINT, handler)
    with Interrupts() as found:
        assert signal.getsignal(signal.SIGINT) is handler
        if handler is signal.SIG_IGN:
            with found.deferred():
                signal.raise_signal(signal.SIGINT)
                signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is handler


def test_a_handler_that_makes_way_for_another_is_not_put_back() -> None:
    """A worker that ignores further signals after the first goes on doing so."""

    def once(number: int, frame: object) -> None:
        signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, once)
    with Interrupts() as found, pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
    assert not found.at_once

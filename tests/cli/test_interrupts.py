from __future__ import annotations

import os
import signal

import pytest

from reverse_personalization.cli.finishing import finishing, uninterrupted
from reverse_personalization.cli.interrupts import Interrupted, interruptible


@pytest.fixture(autouse=True)
def _heeded() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def test_only_the_first_signal_is_raised() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with interruptible() as interruption:
        with pytest.raises(Interrupted):
            os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGINT)
    assert interruption.number == signal.SIGTERM
    assert signal.getsignal(signal.SIGTERM) is before


def test_ignored_signals_stay_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with interruptible() as interruption:
            os.kill(os.getpid(), signal.SIGHUP)
        assert interruption.number is None
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_signal_waits_for_the_end_of_what_must_not_be_torn_apart() -> None:
    steps = []

    def step() -> None:
        with uninterrupted():
            os.kill(os.getpid(), signal.SIGTERM)
            os.kill(os.getpid(), signal.SIGINT)
            steps.append(interruption.number)

    with interruptible() as interruption:
        with pytest.raises(Interrupted):
            step()
        assert interruption.number == signal.SIGTERM
    assert steps == [None]


def test_after_finishing_the_run_is_asked_whether_a_signal_came() -> None:
    with interruptible() as interruption:
        with finishing():
            os.kill(os.getpid(), signal.SIGINT)
        assert interruption.number == signal.SIGINT


def test_signals_are_heeded_as_before_when_nothing_is_held_any_more() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
    with finishing(), uninterrupted():
        pass
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)] == before

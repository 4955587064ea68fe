from __future__ import annotations

import os
import signal

import pytest

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

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest

from reverse_personalization import errors
from reverse_personalization.cli.failures import failure_of, most_serious, printable


def all_errors(base: type[Exception] = errors.ReversePersonalizationError) -> list[type[Exception]]:
    return [base, *(found for child in base.__subclasses__() for found in all_errors(child))]


@pytest.mark.parametrize("error", all_errors(), ids=lambda error: error.__name__)
def test_every_error_has_an_exit_code_that_a_batch_can_return(error: type[Exception]) -> None:
    failure = failure_of(error("a.png: does not work; do something else."), "a.png")
    assert failure.sentence == "a.png: does not work; do something else."
    assert most_serious([0, failure.exit_code]) == failure.exit_code > 0


@pytest.mark.parametrize(
    ("codes", "expected"),
    [([], 0), ([0, 0], 0), ([3, 0], 3), ([3, 4], 4), ([4, 5], 5), ([5, 7], 7), ([7, 6], 6), ([6, 1, 3], 1)],
)
def test_the_most_serious_code_wins(codes: list[int], expected: int) -> None:
    assert most_serious(codes) == most_serious(reversed(codes)) == expected


def test_a_bug_is_one_sentence_that_names_the_file() -> None:
    failure = failure_of(ValueError("a\nb"), "in/a.png", "out/a.png")
    assert failure.sentence == (
        "in/a.png: unexpected ValueError: a b (this is a bug; run again with REVPERS_DEBUG=1 for details)."
    )
    assert failure.exit_code == 1


@pytest.mark.parametrize(
    "allocate",
    [lambda: bytearray(1 << 62), lambda: cv2.resize(np.zeros((9, 9), np.uint8), (1 << 24, 1 << 24))],
)
def test_memory(allocate: Callable[[], object]) -> None:
    with pytest.raises((MemoryError, cv2.error)) as caught:
        allocate()
    assert failure_of(caught.value, "a.png").sentence.startswith("a.png: the memory did not suffice")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Übung 1 \u202f.jpg", "Übung 1 \u202f.jpg"),
        ("a\x1b[31m\n\x07", "a\\x1b[31m\\n\\x07"),
        ("caf\udce9.jpg", "caf\\udce9.jpg"),
        ("\u2028", "\\u2028"),
    ],
)
def test_printable(text: str, expected: str) -> None:
    assert printable(text) == expected
    printable(text).encode()

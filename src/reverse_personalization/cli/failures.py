"""What went wrong, as one sentence and one exit code: the only place where errors become exit codes.

    0    every photo done
    1    an internal error
    2    wrong options
    3    a photo without a face
    4    an input that cannot be taken
    5    an output that cannot be written, or must not be overwritten
    6    a model file is missing
    7    a face that the engine could not process, and that was obscured
    130  interrupted by Ctrl-C; 143: by SIGTERM; 129: by SIGHUP
    141  whoever read the output went away

A batch returns the most serious code of its photos.
"""

from __future__ import annotations

import logging
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from reverse_personalization.errors import ReversePersonalizationError

DEBUG_VARIABLE: Final = "REVPERS_DEBUG"
SIGNAL_BASE: Final = 128
_INTERNAL: Final = 1
# Most serious first.
_SERIOUSNESS: Final = (_INTERNAL, 2, 6, 7, 5, 4, 3, 0)
_CV2_OUT_OF_MEMORY: Final = -4

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Failure:
    """An error as users see it.

    Attributes:
        kind: name of the error's class.
        sentence: what happened and what to do next.
        exit_code: what `revpers` returns.
    """

    kind: str
    sentence: str
    exit_code: int


def failure_of(error: Exception, *names: object) -> Failure:
    """Describe an error.

    Args:
        error: any error; the traceback goes to the debug log.
        names: the files it is about. The sentence starts with the first, unless it names one already.
    """
    logger.debug("%s", type(error).__name__, exc_info=error)
    sentence = _sentence(error)
    if names and not any(str(name) in sentence for name in names):
        sentence = f"{names[0]}: {sentence}"
    exit_code = error.exit_code if isinstance(error, ReversePersonalizationError) else _INTERNAL
    return Failure(type(error).__name__, sentence, exit_code)


def most_serious(exit_codes: Iterable[int]) -> int:
    """The exit code of a run that is made of several."""
    return min(exit_codes, key=_SERIOUSNESS.index, default=0)


def printable(text: str) -> str:
    """`text` with control and undecodable characters escaped, which upset terminals and encoders."""
    return "".join(_escaped(c) if unicodedata.category(c) in {"Cc", "Cs", "Zl", "Zp"} else c for c in text)


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode()


def _sentence(error: Exception) -> str:
    if isinstance(error, ReversePersonalizationError):
        return str(error)
    if _is_out_of_memory(error):
        return "the memory did not suffice; close other programs, or scale the photo down."
    what = " ".join(f"{type(error).__name__}: {error}".split())
    return f"unexpected {what} (this is a bug; run again with {DEBUG_VARIABLE}=1 for details)."


def _is_out_of_memory(error: Exception) -> bool:
    """Whether Python, OpenCV or torch ran out of memory; the latter two have errors of their own."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return getattr(error, "code", None) == _CV2_OUT_OF_MEMORY

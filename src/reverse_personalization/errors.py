"""Everything that can go wrong, as one tree; each message is one sentence that says what to do next.

    ReversePersonalizationError
    ├── UsageError            options that contradict each other or are out of range
    │   └── ScheduleError     steps and skip that leave no distinct timesteps
    ├── NoFaceError           a picture in which no face was found
    ├── InputError            a file that cannot be taken as it is
    │   ├── UnreadableImageError
    │   ├── UnsupportedImageError
    │   └── ImageTooLargeError
    ├── OutputError           a place that cannot be written, or must not be overwritten
    ├── WeightsError          a model file that is missing, damaged or out of reach
    └── EngineError           a face that an engine could not process

`exit_code` is what `revpers` returns when that error ends a run, or is its most serious one.
"""

from __future__ import annotations


class ReversePersonalizationError(Exception):
    """Base of all errors raised on purpose."""

    exit_code = 1


class UsageError(ReversePersonalizationError):
    """Options that contradict each other or are out of range."""

    exit_code = 2


class ScheduleError(UsageError, ValueError):
    """Steps and skip that leave no distinct timesteps."""


class NoFaceError(ReversePersonalizationError):
    """No face was found, and a missed face would be the worst failure."""

    exit_code = 3


class InputError(ReversePersonalizationError):
    """A file that cannot be taken as it is."""

    exit_code = 4


class UnreadableImageError(InputError):
    """Empty, truncated, damaged, or not a picture at all."""


class UnsupportedImageError(InputError):
    """A picture of a kind that is refused by name."""


class ImageTooLargeError(InputError):
    """More pixels than the stated limit."""


class OutputError(ReversePersonalizationError):
    """A place that cannot be written, or must not be overwritten."""

    exit_code = 5


class WeightsError(ReversePersonalizationError):
    """A model file that is missing, damaged or out of reach."""

    exit_code = 6


class EngineError(ReversePersonalizationError):
    """A face that an engine could not process; the face ends obscured."""

    exit_code = 7

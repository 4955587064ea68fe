"""What the interface's answers are, for its OpenAPI description."""

from typing import Any, Final

from pydantic import BaseModel

BINARY: Final = {"type": "string", "format": "binary"}
# What else than success an answer may be, and why.
MEANINGS: Final = {
    401: "No key, or a wrong one.",
    404: "There is no such job, or its time is over.",
    409: "The job is not done yet.",
    413: "Too many bytes or pixels, or a video that is too long.",
    415: "Not a photo or video, or one that is refused.",
    422: "Nothing in it, or no face found, or a malformed name of a job.",
    429: "Too many in this minute, or too many are waiting.",
    500: "An error of the server.",
    503: "The server cannot work.",
}
TAKING: Final = (401, 413, 415, 422, 429)
FETCHING: Final = (401, 404, 409, 413, 415, 422, 500)


class JobState(BaseModel):
    """Where a job is."""

    id: str
    status: str
    sentence: str = ""
    """Why it failed."""


class Problem(BaseModel):
    """Why a request was refused, or a job failed."""

    detail: str | list[Any]
    """A sentence; or a list, where a job's name is malformed."""


def sends(*kinds: str) -> dict[str, Any]:
    """A request's body in OpenAPI: bytes of these media types."""
    return {"requestBody": {"required": True, "content": {kind: {"schema": BINARY} for kind in kinds}}}


def gives(*kinds: str) -> dict[int | str, Any]:
    """A successful answer in OpenAPI: bytes of these media types."""
    return {200: {"content": {kind: {"schema": BINARY} for kind in kinds}, "description": "The result."}}


def errors(*codes: int) -> dict[int | str, Any]:
    """Answers in OpenAPI that are a sentence."""
    return {code: {"model": Problem, "description": MEANINGS[code]} for code in codes}

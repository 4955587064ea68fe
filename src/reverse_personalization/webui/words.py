"""What the page says: errors, verdicts and similarities in words."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Final

from reverse_personalization.canvas import FaceResult
from reverse_personalization.errors import NoFaceError, ReversePersonalizationError
from reverse_personalization.identity.verification import Similarity

NO_FACE: Final = "No face found, so there is no result."
VERDICTS: Final = {"anonymized": "Replaced and checked", "obscured": "Obscured", "kept": "Left as it is"}


def sentence(error: ReversePersonalizationError, path: str, what: str) -> str:
    """An error's message that names no folder of this machine.

    Args:
        error: what went wrong.
        path: the uploaded file.
        what: how the page calls it, e.g. "This photo".
    """
    if isinstance(error, NoFaceError):
        return f"**{NO_FACE}**"
    return f"**{str(error).replace(path, what).replace(Path(path).name, what)}**"


def outcome(face: FaceResult) -> str:
    """What became of a face, and how alike the recognisers find it now."""
    lines = [f"**{VERDICTS[face.verdict]}.** {face.reason}", *map(_likeness, face.similarities)]
    return "\n\n".join(lines)


def summary(faces: tuple[FaceResult, ...]) -> str:
    """What became of all faces, in a sentence."""
    counts = {verdict: sum(face.verdict == verdict for face in faces) for verdict in VERDICTS}
    told = [f"{count} {VERDICTS[verdict].lower()}" for verdict, count in counts.items() if count]
    return f"**Done:** {', '.join(told)}."


def _likeness(similarity: Similarity) -> str:
    """E.g. "dlib-resnet: different people (0.31; the same from 0.60, itself 0.97)"."""
    if not math.isfinite(similarity.after):
        return f"{similarity.recogniser}: finds no face to compare"
    verdict = "could be the same person" if similarity.matches else "different people"
    itself = f"; its mirror image {similarity.before:.2f}" if math.isfinite(similarity.before) else ""
    return (
        f"{similarity.recogniser}: {verdict} (similarity {similarity.after:.2f}; "
        f"the same person above {similarity.threshold:.2f}{itself})"
    )

"""Videos of a run: each whole or not at all, like its photos."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, cast

from reverse_personalization.cli.outcomes import Outcome, Status
from reverse_personalization.record import Verdict

if TYPE_CHECKING:
    from reverse_personalization.anonymizer import Anonymizer
    from reverse_personalization.cli.batch import PhotoAnonymizer, Policy
    from reverse_personalization.cli.planning import Job
    from reverse_personalization.settings import Settings
    from reverse_personalization.video.record import VideoRecord

Told = Callable[[str, int, int], None]


def do_clip(job: Job, anonymizer: PhotoAnonymizer, settings: Settings, policy: Policy, told: Told | None) -> Outcome:
    """Do one video.

    Raises:
        ReversePersonalizationError: nothing was written.
    """
    from reverse_personalization.video.anonymizing import anonymize_video

    start = time.perf_counter()
    record = anonymize_video(
        job.source,
        job.output,
        settings,
        options=policy.video,
        anonymizer=cast("Anonymizer", anonymizer),
        allow_no_faces=policy.allow_no_faces,
        resumable=policy.resume,
        progress=told,
        credentials=policy.credentials,
    )
    return Outcome(
        str(job.source),
        job.output,
        Status.DONE,
        faces=Counter(track.verdict for track in record.tracks),
        warnings=tuple(about_tracks(record)),
        seconds=time.perf_counter() - start,
    )


def about_tracks(record: VideoRecord) -> Iterator[str]:
    """Sentences about what was lost, about faces that did not become strangers' in all frames, and where to look."""
    yield from record.notes
    for track in record.tracks:
        who = f"person {track.person} (track {track.track})"
        if track.reason:
            yield f"{who} is {track.verdict}: {track.reason}"
        elif hidden := track.frames.get(Verdict.OBSCURED):
            yield f"{who} is obscured in {hidden} of {sum(track.frames.values())} frames."
    if record.doubtful:
        yield f"{len(record.doubtful)} spans in which a face was hardly seen; see the record."

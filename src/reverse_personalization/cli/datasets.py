"""Shards of data sets in a run: each whole or not at all, like its photos."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, cast

from reverse_personalization.cli.clips import Told
from reverse_personalization.cli.failures import failure_of
from reverse_personalization.cli.outcomes import Outcome, Status
from reverse_personalization.errors import InputError, UsageError

if TYPE_CHECKING:
    from reverse_personalization.anonymizer import Anonymizer
    from reverse_personalization.cli.batch import PhotoAnonymizer, Policy
    from reverse_personalization.cli.planning import Job
    from reverse_personalization.settings import Settings

# How many of the samples that were left out are told of one by one.
TOLD = 3


def do_shard(job: Job, anonymizer: PhotoAnonymizer, settings: Settings, policy: Policy, told: Told | None) -> Outcome:
    """Do one shard.

    Raises:
        ReversePersonalizationError: nothing was written.
    """
    from reverse_personalization.shards.anonymizing import anonymize_shard

    if policy.credentials is not None:
        raise UsageError(f"{job.source}: pictures in shards are not signed; leave out --c2pa-cert.")
    record = anonymize_shard(
        job.source,
        job.output,
        settings,
        cast("Anonymizer", anonymizer),
        allow_no_faces=policy.allow_no_faces,
        progress=told,
    )
    failure = None
    if record.left_out:
        some = "; ".join(f"{each.key}: {each.reason}" for each in record.left_out[:TOLD])
        more = f"; and {len(record.left_out) - TOLD} more, see its record" if len(record.left_out) > TOLD else ""
        failure = failure_of(InputError(f"{job.source}: left out were {some}{more}"))
    return Outcome(str(job.source), job.output, Status.DONE, faces=Counter(record.faces), failure=failure)

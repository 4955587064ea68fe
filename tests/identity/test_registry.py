"""Who was met before is known again by all recognisers together, and nobody else is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from reverse_personalization.anonymizer import Anonymizer
from reverse_personalization.errors import UsageError
from reverse_personalization.identity.registry import Registry
from reverse_personalization.identity.verification import Verifier


def test_a_mirror_image_is_somebody_known(astronaut: Any, hopper: Any, verifier: Verifier) -> None:
    registry = Registry(verifier)
    met = [registry.meet(verifier.source(p.image_rgb, p.face).embeddings) for p in (astronaut, hopper, astronaut)]
    assert [person.number for person in met] == [0, 1, 0]
    assert met[0].photos == 2
    mirror = np.ascontiguousarray(astronaut.image_rgb[:, ::-1])
    face = astronaut.face.mirrored(mirror.shape[1])
    assert registry.meet(verifier.source(mirror, face).embeddings) is met[0]


def test_one_recogniser_alone_makes_nobody_known(astronaut: Any, hopper: Any, verifier: Verifier) -> None:
    registry = Registry(verifier)
    one, other = (verifier.source(p.image_rgb, p.face).embeddings for p in (astronaut, hopper))
    registry.meet(one)
    assert registry.meet(other | {"sface": one["sface"]}).number == 1


def test_a_persons_photos_get_one_change(astronaut: Any) -> None:
    anonymizer = Anonymizer(seed=1, consistent=True)
    brighter = np.clip(astronaut.image_rgb * 1.1, 0, 255).astype(np.uint8)
    results = [anonymizer.anonymize(image) for image in (astronaut.image_rgb, brighter)]
    assert [result.faces[0].verdict for result in results] == ["anonymized", "anonymized"]
    assert results[1].faces[0].tries == 1
    recogniser = anonymizer.engine.guide
    one, other = (recogniser.embed(result.image, astronaut.face) for result in results)
    assert recogniser.similarity(one, other).item() > 0.8


def test_only_the_compact_engine_is_consistent() -> None:
    with pytest.raises(UsageError, match="consistent"):
        Anonymizer(engine="sdxl", consistent=True)

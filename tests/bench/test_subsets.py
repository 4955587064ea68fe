"""Numbers by group and for hard photos are those of these photos, and gaps are theirs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reverse_personalization.bench.methods import Outcome
from reverse_personalization.bench.observing import Observation, Observer
from reverse_personalization.bench.privacy import assess
from reverse_personalization.bench.running import MethodResult
from reverse_personalization.bench.statistics import Rate
from reverse_personalization.bench.subsets import Subset, age_of, groups, hard_cases, prompts_by_name, turned
from reverse_personalization.bench.tables import Line, subset_lines
from reverse_personalization.errors import InputError
from reverse_personalization.identity.sface import SFace

COUNT = 40


@pytest.fixture(scope="module")
def seen(astronaut: Any) -> Observation:
    return Observer().observe(astronaut.image_rgb)


def rotation(degrees: float) -> Any:
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]], np.float32)


def test_hard_photos_are_found_by_what_was_seen(seen: Observation) -> None:
    assert turned(replace(seen, pose=rotation(40))) == pytest.approx(40, abs=0.1)
    generator = np.random.default_rng(0)
    photos = [
        replace(
            seen,
            pose=rotation(40 if i < 12 else 5),
            size=50.0 if i % 2 else 200.0,
            score=0.9 - 0.01 * i,
            expression=seen.expression + 0.01 * generator.standard_normal(7).astype(np.float32),
        )
        for i in range(COUNT)
    ]
    found = {subset.name: subset.members for subset in hard_cases([*photos, *photos, *photos])}
    (side,) = [members for name, members in found.items() if "turned" in name]
    np.testing.assert_array_equal(side[:COUNT], np.arange(COUNT) < 12)
    (small,) = [members for name, members in found.items() if "below" in name]
    assert small.mean() == 0.5
    (unsure,) = [members for name, members in found.items() if "least sure" in name]
    assert unsure[COUNT - 1]
    assert not unsure[0]


def test_groups_are_read_from_prompts(tmp_path: Path) -> None:
    table = tmp_path / "labels.csv"
    rows = [f'"a/{i}.jpg","{"White woman" if i % 2 else "Black man"} | 7{i % 10}-year-old"' for i in range(COUNT)]
    table.write_text("file,prompt\n" + "\n".join(rows))
    photos = [Path(f"elsewhere/{i}.jpg") for i in range(COUNT)]
    found = {(s.kind, s.name): s.members for s in groups(photos, prompts_by_name(table))}
    np.testing.assert_array_equal(found["gender", "women"], np.arange(COUNT) % 2 == 1)
    np.testing.assert_array_equal(found["gender", "men"], ~found["gender", "women"])  # "woman" holds "man"
    assert found["age", "65 and older"].all()
    assert ("origin", "Indian") not in found
    assert (age_of("baby boy"), age_of("a 31-year-old man")) == (2, 31)
    assert np.isnan(age_of("person"))
    with pytest.raises(InputError, match="columns"):
        prompts_by_name(tmp_path / "none.csv")


def value(found: list[Line], quantity: str, photos: str, evaluator: str = "sface") -> float:
    (line,) = [f for f in found if (f.quantity, f.photos, f.evaluator) == (quantity, photos, evaluator)]
    return line.value


def test_a_group_that_fares_worse_shows() -> None:
    generator = np.random.default_rng(1)
    gallery = generator.standard_normal((COUNT, 128)).astype(np.float32)
    women = np.arange(COUNT) < 20
    probes = np.where((women & (np.arange(COUNT) % 2 == 0))[:, None], gallery, -gallery)
    privacy = assess(SFace(), "other photo", probes, gallery, range(COUNT), untouched=gallery)
    np.testing.assert_array_equal(privacy.first, women & (np.arange(COUNT) % 2 == 0))
    outcomes = tuple(Outcome("anonymized" if w else "obscured", None) for w in women)
    per_photo = {"gaze, degrees": np.where(women, 4, 2).astype(np.float32)}
    result = MethodResult("m", {}, (privacy,), Rate(0, COUNT), {}, {}, {}, {}, None, 1, per_photo, outcomes)
    subsets = [Subset("gender", "women", women), Subset("gender", "men", ~women)]
    found = subset_lines(subsets, [result])
    assert value(found, "rank-1, other photo", "women") == 0.5
    assert value(found, "rank-1, other photo", "men") == 0
    assert value(found, "gap of rank-1, other photo", "by gender") == 0.5
    assert value(found, "ratio to all of rank-1, other photo", "by gender") == 2
    assert value(found, "anonymized", "women", "run") == 1
    assert value(found, "gaze, degrees, median", "men", "embedded") == 2

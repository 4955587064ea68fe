"""What is fitted of children is what the photos show."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from bench_people import ColourDetector
from PIL import Image

from reverse_personalization.bench.kinds import Told, _women, fit_kinds
from reverse_personalization.errors import InputError
from reverse_personalization.faces.face import ByteArray, Face, FloatArray
from reverse_personalization.identity import kinds
from reverse_personalization.identity.base import cosine


class AgeRecogniser:
    """Knows a picture by green and blue, and its age, the less red the older, by red."""

    name = "sface"

    def embed(self, image_rgb: ByteArray, face: Face) -> FloatArray:
        red, green, blue = image_rgb.reshape(-1, 3).mean(0) / 255 - 0.5
        return np.array([red, green, blue, 0.2], np.float32)

    def similarity(self, a: FloatArray, b: FloatArray) -> FloatArray:
        return cosine(a, b)


def make(root: Path, children: int, grown: int) -> tuple[list[Path], dict[str, str]]:
    """Photos and prompts: children are red, and much alike; one photo is black, one says no age."""
    generator, prompts = np.random.default_rng(0), {}
    for number in range(children + grown + 2):
        years = int(generator.integers(1, 11) if number < children else generator.integers(20, 80))
        is_child = number < children
        others = generator.integers(110, 146, 2) if is_child else generator.integers(1, 255, 2)
        colour = np.array([int(250 - 9 * min(years, 20)), *others])
        name = f"{number:03}.png"
        prompts[name] = "somebody" if number == children + grown else f"a {years}-year-old person"
        colour = colour * (number < children + grown + 1)
        Image.fromarray(np.broadcast_to(colour, (12, 12, 3)).astype(np.uint8)).save(root / name)
    return sorted(root.iterdir()), prompts


def fit(photos: list[Path], prompts: dict[str, str]) -> kinds.Fitted:
    return fit_kinds(
        photos, prompts, ColourDetector(), [AgeRecogniser()], rates=(0.1, 0.01), dataset="reds", command="test"
    )


def test_ages_and_likenesses_are_fitted(tmp_path: Path) -> None:
    photos, prompts = make(tmp_path, 60, 80)
    found = fit(photos, prompts)
    assert (found.people, found.children, found.dataset, found.command) == (140, 60, "reds", "test")
    assert found.error < 4
    recogniser, face = AgeRecogniser(), Face((2, 2, 8, 8), np.zeros((5, 2), np.float32), 0.9)
    pictures = [np.asarray(Image.open(photo)) for photo in photos[:140]]
    rows = np.stack([recogniser.embed(picture, face) for picture in pictures])
    assert np.mean([found.youth(row) for row in rows[:60]]) > 0.8
    assert np.mean([found.youth(row) for row in rows[60:]]) < 0.2
    (of,) = found.kinds
    alike = recogniser.similarity(rows[:60], rows[:60])[np.triu_indices(60, 1)]
    assert of.pairs == len(alike)
    assert (alike > of.similarity).mean() == pytest.approx(0.1, abs=0.002)
    assert (alike > of.strict_similarity).mean() == pytest.approx(0.01, abs=0.002)
    assert of.unadjusted_false_match_rate > of.grown_up_false_match_rate
    units = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    np.testing.assert_allclose(of.child, units[:60].mean(0) - units[60:].mean(0), atol=1e-4)


def test_what_women_have_in_common_is_not_what_their_photographer_likes() -> None:
    generator = np.random.default_rng(0)
    count, shift, likes = 400, np.array([1, 0, -2], np.float32), np.array([0, 9, 4], np.float32)
    in_studio = generator.random(count) < 0.5
    woman = generator.random(count) < np.where(in_studio, 0.8, 0.2)
    rows = woman[:, None] * shift + in_studio[:, None] * likes + generator.normal(0, 0.1, (count, 3))
    told = Told(np.full(count, 40, np.float32), woman.astype(np.float32), np.where(in_studio, "studio", "street"))
    np.testing.assert_allclose(_women(rows.astype(np.float32), told), shift, atol=0.05)


def test_it_survives_the_disk(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    found = fit(*make(tmp_path / "photos", 30, 30))
    kinds.dump(found, tmp_path / "kinds.json")
    assert kinds.Fitted.model_validate_json((tmp_path / "kinds.json").read_bytes()) == found


@pytest.mark.parametrize(("children", "grown"), [(10, 60), (60, 10)])
def test_too_few_are_refused(children: int, grown: int, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="prompts of these photos tell fewer"):
        fit(*make(tmp_path, children, grown))

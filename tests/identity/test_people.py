"""Who stays visible by recognition, and that whatever is doubtful does not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image, ImageEnhance

from reverse_personalization.anonymizer import Anonymizer
from reverse_personalization.errors import InputError, UsageError
from reverse_personalization.identity.people import LEAST_SIZE, People
from reverse_personalization.identity.thresholds import threshold


@pytest.fixture
def folder(tmp_path: Path, astronaut: Any) -> Path:
    """Another picture of the astronaut: mirrored, darker, smaller."""
    (tmp_path / "friends" / "eileen").mkdir(parents=True)
    picture = Image.fromarray(astronaut.image_rgb[:, ::-1].copy()).resize((420, 420))
    ImageEnhance.Brightness(picture).enhance(0.8).save(tmp_path / "friends" / "eileen" / "1.jpg")
    (tmp_path / "friends" / ".hidden.png").write_bytes(b"no picture")
    return tmp_path / "friends"


@pytest.fixture
def both(astronaut: Any, hopper: Any) -> Any:
    """Two people side by side."""
    height = 512
    other = cv2.resize(
        hopper.image_rgb, None, fx=height / hopper.image_rgb.shape[0], fy=height / hopper.image_rgb.shape[0]
    )
    return np.ascontiguousarray(np.hstack([astronaut.image_rgb, other[:height]]))


def verdicts(anonymizer: Anonymizer, picture: Any) -> dict[str, Any]:
    """By person: the one on the left is the astronaut."""
    result = anonymizer.anonymize(picture)
    faces = {"astronaut" if face.box[0] < 512 else "hopper": face for face in result.faces}
    assert len(result.faces) == len(faces) == 2
    for face in faces.values():
        x, y, w, h = (round(v) for v in face.box)
        changed = result.changed[y : y + h, x : x + w]
        assert changed.any() == (face.verdict != "kept")
    return faces


def test_people_of_the_folder_are_kept(folder: Path, both: Any) -> None:
    faces = verdicts(Anonymizer(seed=1, keep_people=str(folder)), both)
    assert faces["hopper"].verdict == "anonymized"
    assert not faces["hopper"].likenesses
    kept = faces["astronaut"]
    assert kept.verdict == "kept"
    assert "people to keep" in kept.reason
    assert [one.recogniser for one in kept.likenesses] == ["sface", "dlib-resnet"]
    for one in kept.likenesses:
        assert one.similarity > one.threshold == threshold(one.recogniser, strict=True).similarity


def test_only_people_of_the_folder_are_replaced(folder: Path, both: Any) -> None:
    faces = verdicts(Anonymizer(seed=1, only=str(folder)), both)
    assert faces["astronaut"].verdict == "anonymized"
    assert faces["hopper"].verdict == "kept"
    for one in faces["hopper"].likenesses:
        assert one.similarity <= one.threshold == threshold(one.recogniser).similarity


class Fixed:
    """A recogniser whose similarity is what the embedding says."""

    def __init__(self, name: str) -> None:
        self.name = name

    def embed(self, image_rgb: Any, face: Any) -> Any:
        raise AssertionError

    def similarity(self, a: Any, b: Any) -> Any:
        return np.atleast_2d(a)[:, :1] + np.atleast_2d(b)[:, 0][None]


def seen(value: float) -> Any:
    """An embedding that `Fixed` finds so much alike; to SFace, a grown-up's."""
    return np.pad(np.array([value], np.float32), (0, 127))


def people(rule: Any, photos: int = 1) -> People:
    recognisers = [Fixed("sface"), Fixed("dlib-resnet")]
    return People(rule, {r.name: np.zeros((photos, 1), np.float32) for r in recognisers}, recognisers)


@pytest.mark.parametrize("rule", ["keep", "only"])
def test_a_face_of_which_one_recogniser_is_in_doubt_does_not_stay(rule: Any) -> None:
    strict = rule == "keep"
    limits = {name: threshold(name, strict=strict).similarity for name in ("sface", "dlib-resnet")}
    step = 0.01 if rule == "keep" else -0.01
    clear = {name: seen(limit + step) for name, limit in limits.items()}
    assert people(rule).leaves(clear, 200)
    for name, limit in limits.items():
        for doubtful in (limit - step, np.nan, np.inf):
            assert not people(rule).leaves(clear | {name: seen(doubtful)}, 200)


def test_between_the_thresholds_nobody_stays() -> None:
    between = {
        name: seen((threshold(name).similarity + threshold(name, strict=True).similarity) / 2)
        for name in ("sface", "dlib-resnet")
    }
    assert not people("keep").leaves(between, 200)
    assert not people("only").leaves(between, 200)


def test_a_small_face_is_doubtful_for_only() -> None:
    unlike = {name: seen(-0.5) for name in ("sface", "dlib-resnet")}
    assert people("only").leaves(unlike, LEAST_SIZE)
    assert not people("only").leaves(unlike, LEAST_SIZE - 1)


def test_a_small_face_must_be_more_alike_to_be_kept() -> None:
    limits = {name: threshold(name, strict=True) for name in ("sface", "dlib-resnet")}
    alike = {name: seen(limit.similarity + 0.01) for name, limit in limits.items()}
    assert people("keep").leaves(alike, 200)
    assert not people("keep").leaves(alike, 12)
    surely = {name: seen(limit.at(12) + 0.01) for name, limit in limits.items()}
    stated = people("keep").leaves(surely, 12)
    assert [one.threshold for one in stated] == [limit.at(12) for limit in limits.values()]


def test_recognisers_must_agree_on_one_photo() -> None:
    recognisers = [Fixed("sface"), Fixed("dlib-resnet")]
    known = {"sface": np.array([[1.0], [-1.0]], np.float32), "dlib-resnet": np.array([[-1.0], [1.0]], np.float32)}
    zero = {name: seen(0) for name in known}
    assert not People("keep", known, recognisers).leaves(zero, 200)


def test_strict_thresholds_are_stricter() -> None:
    for name in ("sface", "dlib-resnet"):
        usual, strict = threshold(name), threshold(name, strict=True)
        assert strict.similarity > usual.similarity
        assert strict.false_match_rate < usual.false_match_rate
        assert strict.impostor_pairs * strict.false_match_rate >= 10
        assert strict.weights_sha256 == usual.weights_sha256


def test_folders_that_tell_nobody_are_refused(folder: Path, both: Any, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no folder with photos"):
        Anonymizer(keep_people=str(tmp_path / "missing"))
    with pytest.raises(UsageError, match="contradict"):
        Anonymizer(keep_people=str(folder), only=str(folder))
    Image.fromarray(both).save(folder / "two.png")
    with pytest.raises(InputError, match=r"two\.png: shows 2 faces"):
        Anonymizer(only=str(folder))
    Image.fromarray(np.full((90, 90, 3), 127, np.uint8)).save(folder / "two.png")
    with pytest.raises(InputError, match=r"two\.png: shows no face"):
        Anonymizer(only=str(folder))

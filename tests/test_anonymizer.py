"""Every face ends replaced and verified, or obscured; whatever goes wrong, none stays as it was."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fake_engines
from reverse_personalization import weights
from reverse_personalization.anonymizer import Anonymizer
from reverse_personalization.errors import EngineError, NoFaceError, UsageError
from reverse_personalization.faces.bearing import Look
from reverse_personalization.faces.compositing import paste
from reverse_personalization.faces.detection import YuNetDetector
from reverse_personalization.faces.face import Face
from reverse_personalization.identity.thresholds import threshold
from reverse_personalization.identity.verification import Check, Similarity, Source, Verifier
from reverse_personalization.media.images import read_mark, read_photo
from reverse_personalization.obscuring import obscure
from reverse_personalization.settings import Settings


@pytest.fixture(scope="session")
def anonymizer() -> Anonymizer:
    return Anonymizer(seed=1, max_tries=2)


@pytest.fixture(scope="session")
def results(anonymizer: Anonymizer, astronaut: Any, hopper: Any) -> dict[int, Any]:
    """What becomes of each portrait, by the picture's id."""
    return {id(p.image_rgb): anonymizer.anonymize(p.image_rgb) for p in (astronaut, hopper)}


@pytest.fixture
def quick() -> Anonymizer:
    """An anonymizer of its own, whose parts a test may replace; tries little."""
    return Anonymizer(seed=1, max_tries=2, steps=4)


def raising(error: Exception) -> Any:
    """What raises an error, whatever it is given."""

    def raises(*args: Any, **options: Any) -> Any:
        raise error

    return raises


def face_region(face: Face) -> tuple[slice, slice]:
    x, y, w, h = (round(value) for value in face.box)
    return slice(y, y + h), slice(x, x + w)


def test_every_face_has_a_verdict_and_none_stays(portrait: Any, results: dict[int, Any]) -> None:
    result = results[id(portrait.image_rgb)]
    assert len(result.faces) == 1
    face = result.faces[0]
    assert face.verdict in ("anonymized", "obscured")
    assert not face.failed
    assert face.tries >= 1
    assert face.box == portrait.face.box
    assert result.changed[face_region(portrait.face)].mean() > 0.2


def test_recognisers_do_not_match_the_result(
    portrait: Any, results: dict[int, Any], verifier: Verifier, detector: YuNetDetector
) -> None:
    result = results[id(portrait.image_rgb)]
    stated = result.faces[0].similarities
    assert [(s.recogniser, s.role) for s in stated] == [("sface", "guide"), ("dlib-resnet", "guide")]
    assert all(s.after <= s.threshold <= threshold(s.recogniser).similarity for s in stated)
    # And again, from the pixels.
    check = verifier.check(result.image, verifier.source(portrait.image_rgb, portrait.face))
    assert not check.matches
    if result.faces[0].verdict == "anonymized":
        assert max(face.score for face in detector.detect(result.image)) > 0.8


def test_nothing_else_changes(portrait: Any, results: dict[int, Any]) -> None:
    result = results[id(portrait.image_rgb)]
    np.testing.assert_array_equal(result.image[~result.changed], portrait.image_rgb[~result.changed])
    assert (result.image != portrait.image_rgb).any(2)[result.changed].all()
    x, y, w, h = portrait.face.box
    rows, columns = np.nonzero(result.changed)
    assert y - 0.3 * h <= rows.min()
    assert rows.max() <= y + 1.3 * h
    assert x - 0.3 * w <= columns.min()
    assert columns.max() <= x + 1.3 * w


def regenerated(portrait: Any, **options: Any) -> tuple[bytes, list[bytes]]:
    """The result of a quick run, and the latents it went through."""
    anonymizer = Anonymizer(**options, max_tries=1, gaze_tries=0, steps=4)
    engine: Any = fake_engines.PassingEngine(anonymizer.engine)  # type: ignore[arg-type]
    anonymizer.engine = engine
    image_rgb = anonymizer.anonymize(portrait.image_rgb).image
    return image_rgb.tobytes(), [latent.tobytes() for latent in engine.latents]


def test_a_seed_makes_a_run_repeatable(hopper: Any) -> None:
    assert regenerated(hopper, seed=1) == regenerated(hopper, seed=1)


def test_the_turn_in_a_batch_does_not_matter(astronaut: Any, hopper: Any, quick: Anonymizer) -> None:
    first = quick.anonymize(hopper.image_rgb).image
    quick.anonymize(astronaut.image_rgb)
    np.testing.assert_array_equal(quick.anonymize(hopper.image_rgb).image, first)


def test_a_batch_gives_what_its_pictures_give_one_by_one(astronaut: Any, hopper: Any, quick: Anonymizer) -> None:
    pictures = [astronaut.image_rgb, hopper.image_rgb, np.ascontiguousarray(astronaut.image_rgb[:, ::-1])]
    together = quick.anonymize_batch(pictures)
    assert len(together) == len(pictures)
    for picture, result in zip(pictures, together, strict=True):
        alone = quick.anonymize(picture)
        np.testing.assert_array_equal(result.image, alone.image)
        assert result.faces == alone.faces


def test_every_key_makes_another_face(hopper: Any) -> None:
    keys: list[dict[str, int]] = [{"seed": 1}, {"seed": 2}, {}, {}]
    latents = [regenerated(hopper, **key)[1] for key in keys]
    assert all(len(of_run) == 1 for of_run in latents)
    assert len({of_run[0] for of_run in latents}) == len(keys)


def test_every_face_of_a_group_is_dealt_with(
    astronaut: Any, hopper: Any, quick: Anonymizer, verifier: Verifier
) -> None:
    pair = np.zeros((606, 1024, 3), np.uint8)
    pair[:512, :512] = astronaut.image_rgb
    pair[: hopper.image_rgb.shape[0], 512:] = hopper.image_rgb[:606, :512]
    result = quick.anonymize(pair)
    assert len(result.faces) == 2
    for face in YuNetDetector().detect(pair):
        assert not verifier.check(result.image, verifier.source(pair, face)).matches


def test_a_picture_without_faces_stays_as_it_is(anonymizer: Anonymizer) -> None:
    image_rgb = np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8)
    result = anonymizer.anonymize(image_rgb)
    assert result.faces == ()
    assert not result.changed.any()
    np.testing.assert_array_equal(result.image, image_rgb)


@pytest.mark.parametrize(
    ("engine", "failed", "tries"),
    [
        (fake_engines.RefusingEngine, False, 0),
        (fake_engines.CrashingEngine, True, 0),
        (fake_engines.CrashingDecoder, True, 1),
        (fake_engines.IdleEngine, False, 2),
        (fake_engines.ErasingEngine, False, 2),
        (fake_engines.NumberlessEngine, None, None),
    ],
)
def test_a_failing_engine_leaves_the_face_obscured(
    engine: type[fake_engines.PassingEngine],
    failed: bool | None,
    tries: int | None,
    portrait: Any,
    quick: Anonymizer,
    verifier: Verifier,
) -> None:
    quick.engine = engine(quick.engine)  # type: ignore[arg-type]
    result = quick.anonymize(portrait.image_rgb)
    (face,) = result.faces
    assert face.verdict == "obscured"
    assert failed is None or face.failed is failed
    assert tries is None or face.tries == tries
    assert face.reason.endswith(".")
    assert result.changed[face_region(portrait.face)].mean() > 0.5
    assert not verifier.check(result.image, verifier.source(portrait.image_rgb, portrait.face)).matches


class SuspiciousVerifier:
    """Matches whatever it is shown."""

    def __init__(self, verifier: Verifier) -> None:
        self._verifier = verifier

    def source(self, image_rgb: Any, face: Face) -> Source:
        return self._verifier.source(image_rgb, face)

    def recognises(self, source: Source) -> bool:
        return self._verifier.recognises(source)

    def knows(self, source: Source) -> bool:
        return self._verifier.knows(source)

    def check(self, image_rgb: Any, source: Source) -> Check:
        return Check((Similarity("sface", "guide", 1.0, 1.0, 0.3),), source.face)


class BlindVerifier(SuspiciousVerifier):
    """Does not know the source from its mirror image."""

    def recognises(self, source: Source) -> bool:
        return False

    knows = recognises


class HalfBlindVerifier(BlindVerifier):
    """One of its recognisers does."""

    def knows(self, source: Source) -> bool:
        return True


class CrashingVerifier(SuspiciousVerifier):
    def source(self, image_rgb: Any, face: Face) -> Source:
        raise RuntimeError("no memory")


@pytest.mark.parametrize(
    ("doubter", "failed"),
    [(SuspiciousVerifier, False), (BlindVerifier, False), (HalfBlindVerifier, False), (CrashingVerifier, True)],
)
def test_what_cannot_be_verified_is_obscured(
    doubter: type[SuspiciousVerifier], failed: bool, astronaut: Any, quick: Anonymizer, verifier: Verifier
) -> None:
    quick.verifier = doubter(quick.verifier)  # type: ignore[assignment]
    result = quick.anonymize(astronaut.image_rgb)
    (face,) = result.faces
    assert face.verdict == "obscured"
    assert face.failed is failed
    source = verifier.source(astronaut.image_rgb, astronaut.face)
    assert not verifier.check(result.image, source).matches


def filled(portrait: Any) -> Any:
    return paste(portrait.image_rgb, obscure(portrait.image_rgb, portrait.face, kind="fill"))


@pytest.mark.parametrize("doubter", [BlindVerifier, HalfBlindVerifier])
def test_what_is_not_known_for_certain_is_filled(
    doubter: type[SuspiciousVerifier], astronaut: Any, quick: Anonymizer
) -> None:
    quick.verifier = doubter(quick.verifier)  # type: ignore[assignment]
    result = quick.anonymize(astronaut.image_rgb)
    assert bool(result.faces[0].similarities) is (doubter is HalfBlindVerifier)
    np.testing.assert_array_equal(result.image, filled(astronaut))


@pytest.mark.parametrize("fallback", ["fill", "pixelate", "blur"])
def test_a_verifier_that_always_matches_ends_with_nothing_left(fallback: Any, astronaut: Any) -> None:
    quick = Anonymizer(seed=1, quality="draft", fallback=fallback)
    quick.verifier = SuspiciousVerifier(quick.verifier)  # type: ignore[assignment]
    result = quick.anonymize(astronaut.image_rgb)
    assert result.faces[0].tries == quick.settings.max_tries
    np.testing.assert_array_equal(result.image, filled(astronaut))


@pytest.mark.parametrize(
    "options",
    [
        {"engine": "unheard-of"},
        {"attributes": "a wizard"},
        {"max_tries": 0},
        {"skip": 1.0},
        {"guidance": float("nan")},
        {"unheard_of": 1},
        {"settings": Settings(), "seed": 1},
    ],
)
def test_bad_options_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        Anonymizer(**options)


def test_models_are_listed_with_licence_and_hash(anonymizer: Anonymizer) -> None:
    names = [card.name for card in anonymizer.models]
    assert len(set(names)) == len(names) >= 6
    assert all(len(card.sha256) == 64 and card.licence and card.file for card in anonymizer.models)
    assert set(names) == set(weights.needed_by("compact"))


def test_single_faces_are_kept_or_obscured_on_request(astronaut: Any, anonymizer: Anonymizer) -> None:
    (face,) = anonymizer.find(astronaut.image_rgb)
    assert face.box == astronaut.face.box
    kept = anonymizer.anonymize(astronaut.image_rgb, choices={0: "keep"})
    assert [f.verdict for f in kept.faces] == ["kept"]
    assert not kept.changed.any()
    obscured = anonymizer.anonymize(astronaut.image_rgb, choices={0: "obscure"})
    assert [(f.verdict, f.reason) for f in obscured.faces] == [("obscured", "Obscured on request.")]


def test_what_hides_a_doubtful_face_does_not_cover_one_that_is_replaced(
    astronaut: Any, quick: Anonymizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    encode = quick.engine.encode

    def only_the_astronaut(image_rgb: Any, face: Face) -> Any:
        if face is not astronaut.face:
            raise EngineError("No mesh fits.")
        return encode(image_rgb, face)

    def beside(other: Face) -> Any:
        monkeypatch.setattr(quick.detector, "detect", lambda image_rgb: [other, astronaut.face])
        return quick.anonymize(astronaut.image_rgb)

    monkeypatch.setattr(quick.engine, "encode", only_the_astronaut)
    x, y, w, h = astronaut.face.box
    moved = astronaut.face.keypoints + np.float32([0, 0.8 * h])
    both = beside(Face((x, y + 0.8 * h, w, h), moved, 0.7))
    alone = beside(Face((0, 0, 8, 8), moved, 0.7))
    assert [face.verdict for face in both.faces] == ["obscured", alone.faces[1].verdict]
    eyes = np.round(astronaut.face.keypoints[:2]).astype(int)
    mouth = np.round(astronaut.face.keypoints[3:]).astype(int)
    rows, columns = slice(eyes[:, 1].min(), mouth[:, 1].max()), slice(eyes[:, 0].min(), eyes[:, 0].max())
    np.testing.assert_allclose(
        both.image[rows, columns].mean(2).mean(1), alone.image[rows, columns].mean(2).mean(1), atol=15
    )
    hidden = slice(round(y + 1.3 * h), round(y + 1.6 * h)), slice(round(x + 0.3 * w), round(x + 0.7 * w))
    assert (both.image[hidden] != astronaut.image_rgb[hidden]).any(2).mean() > 0.9


def test_a_place_marked_by_hand_is_hidden(astronaut: Any, anonymizer: Anonymizer) -> None:
    result = anonymizer.anonymize(astronaut.image_rgb, choices={0: "keep"}, boxes=[(20, 300, 60, 80)])
    assert [(f.verdict, f.reason, f.failed) for f in result.faces][1:] == [("obscured", "Marked by hand.", False)]
    assert result.changed[320:360, 30:70].mean() > 0.9
    assert not result.changed[:250].any()


class Averted:
    """Sees the source look straight ahead, and results as far aside as it was told, one after the other."""

    def __init__(self, source: Any, *degrees: float) -> None:
        self._source, self._degrees, self.seen = source, list(degrees), 0

    def look(self, image_rgb: Any, face: Face) -> Look:
        eyes = tuple(eye + np.array([[-9, 0], [0, -4], [9, 0], [0, 4]], np.float32) for eye in face.keypoints[:2])
        if image_rgb is self._source:
            return Look(np.zeros(2, np.float32), eyes)
        self.seen += 1
        return Look(np.array([self._degrees[self.seen - 1], 0], np.float32), eyes)


@pytest.mark.parametrize(
    ("degrees", "tries", "kept"),
    [
        ((1.0,), 1, 0),
        ((9.0, 2.0), 1, 1),
        ((9.0, 8.0, 2.0), 2, 2),
        ((9.0, 5.0, 7.0, 8.0), 2, 1),
        ((np.nan, 9.0, np.nan, 9.5), 2, 1),
    ],
)
def test_a_face_that_looks_elsewhere_is_drawn_with_eyes_at_rest_then_tried_again(
    degrees: tuple[float, ...], tries: int, kept: int, astronaut: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    anonymizer = Anonymizer(seed=1, steps=4, max_tries=2, gaze_tries=1)
    photo = read_photo(astronaut.image_rgb, max_pixels=10**7)
    onlooker, shown = Averted(photo.image_rgb, *degrees), []
    monkeypatch.setattr(anonymizer, "_onlooker", onlooker)
    monkeypatch.setattr(anonymizer.verifier, "check", lambda image, source: shown.append(image) or safe(source))
    result = anonymizer.anonymize(photo)
    assert [(face.verdict, face.tries) for face in result.faces] == [("anonymized", tries)]
    assert onlooker.seen == len(degrees)
    np.testing.assert_array_equal(result.image, shown[kept])


def test_a_face_whose_gaze_cannot_be_read_is_not_tried_again_for_it(
    astronaut: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    anonymizer = Anonymizer(seed=1, steps=4, max_tries=2, gaze_tries=1)
    photo = read_photo(astronaut.image_rgb, max_pixels=10**7)
    onlooker = Averted(photo.image_rgb)
    nowhere = Look(np.full(2, np.nan, np.float32), onlooker.look(photo.image_rgb, astronaut.face).eyes)
    monkeypatch.setattr(onlooker, "look", lambda image, face: nowhere)
    monkeypatch.setattr(anonymizer, "_onlooker", onlooker)
    monkeypatch.setattr(anonymizer.verifier, "check", lambda image, source: safe(source))
    result = anonymizer.anonymize(photo)
    assert [(face.verdict, face.tries) for face in result.faces] == [("anonymized", 1)]


def test_eyes_at_rest_are_not_taken_if_they_give_somebody_away(astronaut: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    anonymizer = Anonymizer(seed=1, steps=4, max_tries=2, gaze_tries=1)
    photo = read_photo(astronaut.image_rgb, max_pixels=10**7)
    shown: list[Any] = []

    def check(image: Any, source: Source) -> Check:
        shown.append(image)
        after = 0.0 if len(shown) % 2 else 0.9
        return Check((Similarity("sface", "guide", 1.0, after, 0.3),), source.face)

    monkeypatch.setattr(anonymizer, "_onlooker", Averted(photo.image_rgb, 9.0, 8.0))
    monkeypatch.setattr(anonymizer.verifier, "check", check)
    result = anonymizer.anonymize(photo)
    assert [(face.verdict, face.tries) for face in result.faces] == [("anonymized", 2)]
    np.testing.assert_array_equal(result.image, shown[2])


@pytest.mark.parametrize(
    ("guide", "after_tries", "verdict"),
    [
        ((0.36, 0.32, 0.34), 3, "anonymized"),
        ((0.36, 0.38, 0.4), 3, "obscured"),  # matches beyond the margin
        ((0.36, 0.32, 0.34), 4, "obscured"),  # too early to give up
    ],
)
def test_who_is_matched_by_the_margin_alone_is_replaced_in_the_end_by_the_farthest(
    guide: tuple[float, ...], after_tries: int, verdict: str, astronaut: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    anonymizer = Anonymizer(seed=1, quality="draft", max_tries=len(guide), fallback="solid")
    monkeypatch.setattr("reverse_personalization.anonymizer.LENIENT_AFTER", after_tries)
    shown: list[Any] = []

    def check(image: Any, source: Source) -> Check:
        shown.append(image)
        # What hides a face is asked about once the tries are used up.
        after = guide[len(shown) - 1] if len(shown) <= len(guide) else 0.0
        return Check((Similarity("sface", "guide", 1.0, after, 0.3, margin=0.05),), source.face)

    monkeypatch.setattr(anonymizer.verifier, "check", check)
    result = anonymizer.anonymize(astronaut.image_rgb)
    (face,) = result.faces
    if verdict == "obscured":
        assert (face.verdict, len(shown)) == ("obscured", len(guide) + 1)
        return
    assert (face.verdict, face.tries) == ("anonymized", len(guide))
    assert face.similarities[0].after == min(guide) <= face.similarities[0].threshold == pytest.approx(0.35)
    assert "comes close" in face.reason
    np.testing.assert_array_equal(result.image, shown[guide.index(min(guide))])


@pytest.mark.parametrize(("near", "tries"), [(0.41, 8), (0.39, 12), (np.nan, 8)])
def test_who_stays_far_from_hidden_is_tried_no_more(
    near: float, tries: int, astronaut: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    anonymizer = Anonymizer(seed=1, quality="draft", max_tries=12, fallback="solid")
    shown: list[Any] = []

    def check(image: Any, source: Source) -> Check:
        shown.append(image)
        after = 0.0 if len(shown) > tries else near if len(shown) == 3 else 0.9
        return Check((Similarity("sface", "guide", 1.0, after, 0.3, margin=0.05),), source.face)

    monkeypatch.setattr(anonymizer.verifier, "check", check)
    (face,) = anonymizer.anonymize(astronaut.image_rgb).faces
    assert (face.verdict, face.tries, len(shown)) == ("obscured", tries, tries + 1)


def safe(source: Source) -> Check:
    """Somebody whom nobody knows."""
    return Check((Similarity("sface", "guide", 1.0, 0.0, 0.3),), source.face)


def test_a_result_shares_no_memory_with_the_callers_array(anonymizer: Anonymizer, astronaut: Any) -> None:
    frame = np.full_like(astronaut.image_rgb, 128)
    result = anonymizer.anonymize(frame)
    frame[:] = astronaut.image_rgb  # the next frame comes into the same memory
    assert not result.faces
    assert (result.image == 128).all()
    assert (result.photo.image_rgb == 128).all()
    assert result.image.flags.writeable


def test_threads_share_an_anonymizer(quick: Anonymizer, astronaut: Any, hopper: Any) -> None:
    pictures = [astronaut.image_rgb, hopper.image_rgb] * 2
    alone = [quick.anonymize(picture).image for picture in pictures]
    with ThreadPoolExecutor(4) as pool:
        together = [result.image for result in pool.map(quick.anonymize, pictures)]
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    "wrong",
    [
        {"choices": {0: "KEEP"}},
        {"choices": {0: None}},
        {"choices": {1: "keep"}},
        {"choices": {-1: "keep"}},
        {"choices": {"0": "keep"}},
        {"boxes": [(0, 0, 0, 5)]},
        {"boxes": [(0, 0, -5, 5)]},
        {"boxes": [(5000, 0, 50, 50)]},
        {"boxes": [(0, float("nan"), 5, 5)]},
        {"boxes": [(0, 0, float("inf"), 5)]},
        {"boxes": [(1, 2, 3)]},
    ],
)
def test_choices_and_boxes_that_mean_nothing_are_refused(
    anonymizer: Anonymizer, astronaut: Any, monkeypatch: pytest.MonkeyPatch, wrong: Any
) -> None:
    monkeypatch.setattr(anonymizer.engine, "encode", raising(AssertionError("worked on")))
    with pytest.raises(UsageError):
        anonymizer.anonymize(astronaut.image_rgb, **wrong)


def test_boxes_may_come_from_arrays(anonymizer: Anonymizer, astronaut: Any) -> None:
    marked = anonymizer.anonymize(astronaut.image_rgb, choices={0: "keep"}, boxes=np.array([[20, 300, 60, 80]]))
    assert marked.faces[-1].box == (20.0, 300.0, 60.0, 80.0)


def test_why_nothing_could_be_embedded_is_said(quick: Anonymizer, astronaut: Any) -> None:
    quick.verifier.source = raising(EngineError("The recogniser gave nothing."))  # type: ignore[method-assign]
    (face,) = quick.anonymize(astronaut.image_rgb).faces
    assert (face.verdict, face.reason, face.failed) == ("obscured", "The recogniser gave nothing.", True)


def test_results_are_saved_as_the_command_saves_them(results: dict[int, Any], astronaut: Any, tmp_path: Path) -> None:
    result = results[id(astronaut.image_rgb)]
    assert result.save(tmp_path / "out.png") == ()
    assert read_mark(tmp_path / "out.png") is not None
    written = read_photo(tmp_path / "out.png", max_pixels=10**8).image_rgb
    np.testing.assert_array_equal(written, result.image)
    result.save(tmp_path / "plain.png", mark=False)
    assert read_mark(tmp_path / "plain.png") is None


def test_what_shows_no_face_is_saved_on_request_only(anonymizer: Anonymizer, tmp_path: Path) -> None:
    result = anonymizer.anonymize(np.full((64, 64, 3), 128, np.uint8))
    with pytest.raises(NoFaceError, match="allow_no_faces"):
        result.save(tmp_path / "out.png")
    assert not list(tmp_path.iterdir())
    result.save(tmp_path / "out.png", allow_no_faces=True)
    assert read_mark(tmp_path / "out.png") is None


@pytest.mark.parametrize("nothing", [None, 3, ["a.jpg"], memoryview(b"abc")])
def test_what_is_no_picture_is_refused(anonymizer: Anonymizer, nothing: Any) -> None:
    with pytest.raises(UsageError, match="no picture"):
        anonymizer.anonymize(nothing)
    with pytest.raises(UsageError, match="sequence"):
        anonymizer.anonymize_batch("photo.jpg")


@pytest.mark.parametrize("settings", [3, {"seed": 1}])
def test_settings_that_are_none_are_refused(settings: Any) -> None:
    with pytest.raises(UsageError, match="give Settings"):
        Anonymizer(settings=settings)


def test_contradictions_are_said_in_a_sentence() -> None:
    with pytest.raises(UsageError) as raised:
        Anonymizer(keep_people=Path("some"), only=Path("others"))
    assert str(raised.value) == "--keep-people and --only contradict each other; give one of them."

"""The compact engine: what it refuses, whom it draws, and that nothing pushed is nothing changed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from reverse_personalization import inversion
from reverse_personalization.engines.compact.engine import CompactEngine, Identity
from reverse_personalization.engines.compact.strangers import CANDIDATES, Strangers
from reverse_personalization.errors import EngineError
from reverse_personalization.faces.compositing import paste
from reverse_personalization.faces.face import Face
from reverse_personalization.faces.regions import region_mask
from reverse_personalization.identity.sface import SFace
from reverse_personalization.inversion import Row
from reverse_personalization.noise import KeyedNoise

STEPS, SKIP = 6, 0.3
NULL = Identity(np.zeros((1, 128), np.float32))


def regenerate(engine: CompactEngine, encoded: Any, fields: Any, key: KeyedNoise) -> Any:
    (x,) = inversion.regenerate(
        engine.stack([encoded.x0]),
        noise=engine.noise([encoded], STEPS, key, [("test",)]),
        timesteps=inversion.timesteps(STEPS, SKIP),
        predict=engine.predict,
        inversion=fields.inversion,
        generation=fields.generation,
        schedule=engine.schedule,
        keep=encoded.keep,
    )
    return x


def test_the_null_identity_everywhere_returns_the_picture(
    portrait: Any, compact_engine: CompactEngine
) -> None:
    encoded = compact_engine.encode(portrait.image_rgb, portrait.face)
    fields = inversion.coupled(-8.0, null=NULL, identity=NULL)
    x = regenerate(compact_engine, encoded, fields, KeyedNoise(1))
    np.testing.assert_array_equal(x, encoded.x0)
    assert not compact_engine.decode(portrait.image_rgb, encoded, x).changed.any()


def test_pushing_away_changes_the_face_and_keeps_what_is_kept(
    portrait: Any, compact_engine: CompactEngine, sface: SFace
) -> None:
    encoded = compact_engine.encode(portrait.image_rgb, portrait.face)
    own = compact_engine.conditions([sface.embed(portrait.image_rgb, portrait.face)], KeyedNoise(1), [(0,)])
    fields = inversion.coupled(-1.5, null=own.null, identity=own.identity)
    x = regenerate(compact_engine, encoded, fields, KeyedNoise(1))
    assert np.isfinite(x).all()
    np.testing.assert_array_equal(x[encoded.keep == 1], encoded.x0[encoded.keep == 1])
    assert np.abs(x - encoded.x0).max() > 0.1
    assert compact_engine.decode(portrait.image_rgb, encoded, x).changed.any()


def test_rendering_stays_within_the_mesh(portrait: Any, compact_engine: CompactEngine) -> None:
    encoded = compact_engine.encode(portrait.image_rgb, portrait.face)
    assert encoded.keep is not None
    rendering = compact_engine.decode(portrait.image_rgb, encoded, encoded.x0 + (1 - encoded.keep))
    rows, columns = np.nonzero(rendering.changed)
    points = encoded.context.mesh.points
    found = np.stack([columns + rendering.columns.start, rows + rendering.rows.start], 1)
    assert (found.min(0) >= points.min(0) - 2).all()
    assert (found.max(0) <= points.max(0) + 2).all()


def test_kept_parts_do_not_change_by_a_bit(portrait: Any, compact_engine: CompactEngine) -> None:
    keeping = CompactEngine(keep=["eyes", "mouth"])
    encoded = keeping.encode(portrait.image_rgb, portrait.face)
    assert encoded.keep is not None
    x = encoded.x0 + (1 - encoded.keep)
    points = encoded.context.mesh.points
    kept = region_mask(["eyes", "mouth"], points, portrait.image_rgb.shape[:2]) == 1
    changed = {
        engine: paste(portrait.image_rgb, engine.decode(portrait.image_rgb, encoded, x)) != portrait.image_rgb
        for engine in (keeping, compact_engine)
    }
    assert not changed[keeping][kept].any()
    assert changed[keeping][~kept].any()
    assert changed[compact_engine][kept].any()


@pytest.mark.parametrize("shift", [(150, 150), (-150, 280)])
def test_what_is_no_face_is_refused(
    shift: tuple[int, int], astronaut: Any, compact_engine: CompactEngine
) -> None:
    x, y, w, h = astronaut.face.box
    elsewhere = Face(
        (x + shift[0], y + shift[1], w, h), astronaut.face.keypoints + np.array(shift, np.float32), 0.9
    )
    with pytest.raises(EngineError, match="mesh"):
        compact_engine.encode(astronaut.image_rgb, elsewhere)


def test_a_batch_predicts_what_single_rows_do(
    astronaut: Any, compact_engine: CompactEngine, sface: SFace
) -> None:
    encoded = compact_engine.encode(astronaut.image_rgb, astronaut.face)
    known = compact_engine.conditions(
        [sface.embed(astronaut.image_rgb, astronaut.face)], KeyedNoise(1), [(0,)]
    )
    x = compact_engine.stack([encoded.x0])
    rows = [Row(x, 700, known.null), Row(x, 20, known.identity)]
    together = compact_engine.predict(rows)
    for row, eps in zip(rows, together, strict=True):
        np.testing.assert_allclose(compact_engine.predict([row])[0], eps, atol=1e-4)


def test_strangers_are_unit_vectors_unlike_the_source(
    portrait: Any, compact_engine: CompactEngine, sface: SFace
) -> None:
    embedding = sface.embed(portrait.image_rgb, portrait.face)
    known = compact_engine.conditions([embedding], KeyedNoise(1), [("photo", 0)])
    assert known.surrogate is not None
    own, stranger = known.identity.embeddings[0], known.surrogate.embeddings[0]
    assert np.linalg.norm(own) == pytest.approx(1, abs=1e-5)
    assert np.linalg.norm(stranger) == pytest.approx(1, abs=1e-5)
    assert own @ embedding > 0
    assert abs(own @ stranger) < 0.3
    assert not known.null.embeddings.any()


def test_strangers_hang_on_key_and_labels(compact_engine: CompactEngine) -> None:
    own = np.eye(128, dtype=np.float32)[0]

    def stranger(key: KeyedNoise, *labels: str | int) -> Any:
        surrogate = compact_engine.conditions([own], key, [labels]).surrogate
        assert surrogate is not None
        return surrogate.embeddings[0]

    first = stranger(KeyedNoise(1), "a", 0)
    np.testing.assert_array_equal(first, stranger(KeyedNoise(1), "a", 0))
    for other in (
        stranger(KeyedNoise(1), "a", 1),
        stranger(KeyedNoise(2), "a", 0),
        stranger(KeyedNoise(), 0),
    ):
        assert first @ other < 0.999


def test_noise_is_standard_normal_and_its_own_for_each_label(
    astronaut: Any, compact_engine: CompactEngine
) -> None:
    encoded = compact_engine.encode(astronaut.image_rgb, astronaut.face)
    noise, again, other = (
        np.asarray(compact_engine.noise([encoded], 40, KeyedNoise(1), [(label,)]))[:, 0]
        for label in ("a", "a", "b")
    )
    assert noise.shape == (40, len(encoded.x0))
    assert noise.dtype == np.float32
    np.testing.assert_array_equal(noise, again)
    assert abs(np.corrcoef(noise.ravel(), other.ravel())[0, 1]) < 0.05
    assert noise.std() == pytest.approx(1, abs=0.05)


def test_of_several_strangers_the_aptest_is_drawn() -> None:
    strangers = Strangers({"mean": np.zeros(128), "factor": np.eye(128)})
    own = np.eye(128, dtype=np.float32)[5]
    cosines = [strangers.draw(own, np.random.default_rng(seed)) @ own for seed in range(20)]
    # One of that many random directions nearly always comes this near; a single one seldom does.
    assert CANDIDATES > 10
    assert np.abs(np.array(cosines) - 0.05).max() < 0.03

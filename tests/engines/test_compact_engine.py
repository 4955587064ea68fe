"""The compact engine: what it refuses, whom it draws, and that nothing pushed is nothing changed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from reverse_personalization import inversion
from reverse_personalization.engines.compact.denoiser import Expectation
from reverse_personalization.engines.compact.engine import MILDEST, CompactEngine
from reverse_personalization.engines.compact.frame import SIZE
from reverse_personalization.engines.compact.rendering import Renderer
from reverse_personalization.errors import EngineError
from reverse_personalization.faces.bearing import expression
from reverse_personalization.faces.compositing import paste
from reverse_personalization.faces.face import Face
from reverse_personalization.faces.mesh import FaceMesher
from reverse_personalization.faces.regions import region_mask
from reverse_personalization.identity.sface import SFace
from reverse_personalization.inversion import Row
from reverse_personalization.noise import KeyedNoise

STEPS, SKIP = 6, 0.3
NULL = Expectation(np.zeros((1, 368), np.float32))


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


def told(engine: CompactEngine, encoded: Any, embedding: Any, *label: Any, key: int | None = 1) -> Any:
    return engine.conditions([encoded], [embedding], KeyedNoise(key), [label or (0,)])


def test_the_null_identity_everywhere_returns_the_picture(portrait: Any, compact_engine: CompactEngine) -> None:
    encoded = compact_engine.encode(portrait.image_rgb, portrait.face)
    fields = inversion.coupled(-8.0, null=NULL, identity=NULL)
    x = regenerate(compact_engine, encoded, fields, KeyedNoise(1))
    np.testing.assert_array_equal(x, encoded.x0)
    assert not compact_engine.decode(portrait.image_rgb, encoded, x).changed.any()


def test_pushing_away_changes_the_face_and_keeps_what_is_kept(
    portrait: Any, compact_engine: CompactEngine, sface: SFace
) -> None:
    encoded = compact_engine.encode(portrait.image_rgb, portrait.face)
    own = told(compact_engine, encoded, sface.embed(portrait.image_rgb, portrait.face))
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
def test_what_is_no_face_is_refused(shift: tuple[int, int], astronaut: Any, compact_engine: CompactEngine) -> None:
    x, y, w, h = astronaut.face.box
    elsewhere = Face((x + shift[0], y + shift[1], w, h), astronaut.face.keypoints + np.array(shift, np.float32), 0.9)
    with pytest.raises(EngineError, match="mesh"):
        compact_engine.encode(astronaut.image_rgb, elsewhere)


def test_a_batch_predicts_what_single_rows_do(astronaut: Any, compact_engine: CompactEngine, sface: SFace) -> None:
    encoded = compact_engine.encode(astronaut.image_rgb, astronaut.face)
    known = told(compact_engine, encoded, sface.embed(astronaut.image_rgb, astronaut.face))
    x = compact_engine.stack([encoded.x0])
    rows = [Row(x, 700, known.null), Row(x, 20, known.identity)]
    together = compact_engine.predict(rows)
    for row, eps in zip(rows, together, strict=True):
        np.testing.assert_allclose(compact_engine.predict([row])[0], eps, atol=1e-4)


def test_the_surrogate_leads_to_a_stranger_and_leaves_what_is_kept(
    portrait: Any, compact_engine: CompactEngine, sface: SFace
) -> None:
    encoded = compact_engine.encode(portrait.image_rgb, portrait.face)
    known = told(compact_engine, encoded, sface.embed(portrait.image_rgb, portrait.face))
    fields = inversion.coupled(0.0, null=known.null, identity=known.identity)
    fields = inversion.toward(fields, 1.0, surrogate=known.surrogate, null=known.null)
    x = regenerate(compact_engine, encoded, fields, KeyedNoise(1))
    stranger = encoded.x0 + known.surrogate.mean[0]
    np.testing.assert_array_equal(stranger[encoded.keep == 1], encoded.x0[encoded.keep == 1])
    assert np.abs(x - stranger).mean() < 0.15 * np.abs(encoded.x0 - stranger).mean()


def test_negative_guidance_leads_away_from_the_embedding(
    portrait: Any, compact_engine: CompactEngine, sface: SFace
) -> None:
    encoded = compact_engine.encode(portrait.image_rgb, portrait.face)
    own = sface.embed(portrait.image_rgb, portrait.face)
    known = told(compact_engine, encoded, own)
    similarities = []
    for w in (0.0, -2.0, -4.0):
        fields = inversion.coupled(w, null=known.null, identity=known.identity)
        x = regenerate(compact_engine, encoded, fields, KeyedNoise(1))
        after = paste(portrait.image_rgb, compact_engine.decode(portrait.image_rgb, encoded, x))
        similarities.append(float(sface.similarity(own, sface.embed(after, portrait.face)).item()))
    assert similarities[0] > similarities[1] > similarities[2]
    assert similarities[2] < 0.8


def test_strangers_hang_on_key_and_labels(astronaut: Any, compact_engine: CompactEngine, sface: SFace) -> None:
    encoded = compact_engine.encode(astronaut.image_rgb, astronaut.face)
    own = sface.embed(astronaut.image_rgb, astronaut.face)

    def stranger(*label: str | int, key: int | None = 1) -> Any:
        return told(compact_engine, encoded, own, *label, key=key).surrogate.mean[0]

    first = stranger("a", 0)
    np.testing.assert_array_equal(first, stranger("a", 0))
    for other in (stranger("a", 1), stranger("a", 0, key=2), stranger("a", 0, key=None)):
        assert np.abs(first - other).mean() > 0.1


def test_noise_is_standard_normal_and_its_own_for_each_label(astronaut: Any, compact_engine: CompactEngine) -> None:
    encoded = compact_engine.encode(astronaut.image_rgb, astronaut.face)
    noise, again, other = (
        np.asarray(compact_engine.noise([encoded], 40, KeyedNoise(1), [(label,)]))[:, 0] for label in ("a", "a", "b")
    )
    assert noise.shape == (40, len(encoded.x0))
    assert noise.dtype == np.float32
    np.testing.assert_array_equal(noise, again)
    assert abs(np.corrcoef(noise.ravel(), other.ravel())[0, 1]) < 0.05
    assert noise.std() == pytest.approx(1, abs=0.05)


def test_settling_brings_the_expression_back(
    astronaut: Any, hopper: Any, compact_engine: CompactEngine, sface: SFace
) -> None:
    """Where much is lost, as of Hopper's, and together: of the astronaut's little is lost, and nothing comes back."""
    mesher = FaceMesher()
    lost: dict[str, list[float]] = {"settled": [], "only in its place": []}
    for portrait in (astronaut, hopper):
        image, encoded = portrait.image_rgb, compact_engine.encode(portrait.image_rgb, portrait.face)
        own, before = sface.embed(image, portrait.face), expression(mesher.again(image, encoded.context.mesh))
        for label in range(16):
            conditions = told(compact_engine, encoded, own, label)
            guided = encoded.x0 + conditions.surrogate.mean[0] - MILDEST * conditions.identity.mean[0]
            settled = compact_engine.settle(image, encoded, guided)
            for way, codes in (("settled", settled.codes), ("only in its place", guided)):
                rendering = compact_engine.decode(image, encoded, codes, drift=settled.drift)
                after = expression(mesher.again(paste(image, rendering), encoded.context.mesh))
                lost[way].append(float(np.linalg.norm(after - before)))
            np.testing.assert_array_equal(settled.codes[encoded.keep == 1], encoded.x0[encoded.keep == 1])
    composed, in_place = (np.reshape(lost[way], (2, -1)).mean(1) for way in ("settled", "only in its place"))
    assert composed[1] < 0.96 * in_place[1]
    assert composed.mean() < in_place.mean()


def test_what_lies_on_lips_holds_a_mouth_as_a_whole(compact_engine: CompactEngine) -> None:
    """Else the few texels of closed lips, seen all over an open mouth, would tear its teeth."""
    frame = compact_engine._codec.frame
    texel_y, texel_x = np.mgrid[:SIZE, :SIZE].astype(np.float32)
    mouth = frame.lips
    seen = np.ones((SIZE, SIZE), np.float32)
    seen[:, 1::3] = np.where(mouth[:, 1::3] > 0, 0.0, 1.0)
    moving = Renderer(frame)._moving(seen, texel_x, texel_y)
    inside = mouth > 0.98
    assert np.ptp(seen[inside]) == 1
    assert np.ptp(moving[inside]) < 0.03
    np.testing.assert_array_equal(moving[mouth == 0], seen[mouth == 0])

"""Training data, on the two portraits, and the fit of the population on faces that are made up."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load_file

from reverse_personalization import weights
from reverse_personalization.engines.compact.attributes import NAMES
from reverse_personalization.engines.compact.codec import FaceCodec
from reverse_personalization.engines.compact.parts import read_parts
from reverse_personalization.engines.compact.population import Population
from reverse_personalization.engines.compact.textures import luma_of
from reverse_personalization.errors import InputError
from reverse_personalization.prompts import read_prompts
from reverse_personalization.training import effects as effects_module
from reverse_personalization.training.beards import LEAST_MEN, measure_beards
from reverse_personalization.training.dataset import TrainingFaces, build_dataset
from reverse_personalization.training.effects import light_of, measure_effects
from reverse_personalization.training.glasses import AROUND_EYES, measure_glasses
from reverse_personalization.training.labels import BY_EYE, HAIR, Labels, read_labels
from reverse_personalization.training.population_fitting import (
    GUIDANCE_UNIT,
    find_glasses,
    fit_population,
    follow_effects,
)


def test_a_dataset_holds_each_face_and_its_mirror_image(astronaut: Any, hopper: Any, tmp_path: Path) -> None:
    for name, portrait in (("a", astronaut), ("b", hopper)):
        Image.fromarray(portrait.image_rgb).save(tmp_path / f"{name}.png")
    faces = build_dataset(tmp_path)
    assert list(faces.source) == ["a.png", "a.png", "b.png", "b.png"]
    np.testing.assert_allclose(np.linalg.norm(faces.embedding, axis=1), 1, atol=1e-5)
    alike = faces.embedding @ faces.embedding.T
    assert min(alike[0, 1], alike[2, 3]) > max(alike[0, 2], alike[1, 3])
    faces.save(tmp_path / "faces.npz")
    again = TrainingFaces.load(tmp_path / "faces.npz")
    np.testing.assert_array_equal(again.crop, faces.crop)
    np.testing.assert_array_equal(again.vertices, faces.vertices)


def test_a_folder_without_faces_is_refused(tmp_path: Path) -> None:
    Image.new("RGB", (80, 80), "teal").save(tmp_path / "a.png")
    with pytest.raises(InputError, match="no face"):
        build_dataset(tmp_path)


def test_labels_are_read_from_prompts(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text(
        "file,licence,prompt\n"
        '"a.jpg","CC0","profile picture of a 22-year-old woman from Eswatini"\n'
        '"b.jpg","CC0","Black | boy | wearing glasses | beard"\n'
    )
    values = read_labels(tmp_path, ["a.jpg", "b.jpg", "c.jpg", "twfy_mpsOfficial/d.jpg"]).values
    np.testing.assert_array_equal(values["growth"], [20, 9, np.nan, np.nan])
    np.testing.assert_array_equal(values["ageing"], [2, 0, np.nan, np.nan])
    np.testing.assert_array_equal(values["woman"], [1, 0, np.nan, np.nan])
    np.testing.assert_array_equal(values["glasses"], [0, 1, np.nan, np.nan])
    np.testing.assert_array_equal(values["beard"], [np.nan, 1, np.nan, np.nan])
    np.testing.assert_array_equal(values["black"], [np.nan, 1, np.nan, np.nan])
    assert np.isnan(read_labels(tmp_path / "nowhere", ["a.jpg"]).values["growth"]).all()


def test_labels_are_what_was_seen_in_photos_of_ours(tmp_path: Path) -> None:
    seen = read_prompts(BY_EYE)
    assert len(seen) > 2900
    values = read_labels(tmp_path, list(seen)).values
    assert np.isfinite(values["growth"] + values["ageing"]).all()
    assert values["ageing"].max() > 60
    assert values["growth"].min() < 3
    of_women = values["woman"] == 1
    assert 900 < of_women.sum() < 1400
    assert np.nanmean(values["beard"][of_women]) < 0.01
    goatees = np.array(["goatee" in prompt for prompt in seen.values()])
    assert np.isnan(values["moustache"][goatees]).all()
    assert (values["beard"][goatees] > 0.5).all()
    assert all(any(word in prompt for prompt in seen.values()) for word in HAIR)
    of_all = np.nan_to_num(values["beard"])
    assert 0.05 < (of_all == 1).mean() < (of_all > 0).mean() < 0.2


def made_up(n: int = 1500, d: int = 40) -> Any:
    """Codes of which some tell the embedding, one the gender and one the age; two are kept."""
    generator = np.random.default_rng(0)
    codes = generator.standard_normal((n, d), np.float32)
    mixing = generator.standard_normal((10, 128)) * 0.3
    embeddings = codes[:, 10:20] @ mixing + 0.5 * generator.standard_normal((n, 128))
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    values = {name: np.full(n, np.nan, np.float32) for name in (*NAMES, "glasses")}
    values["woman"][:600] = codes[:600, 5] > 0
    values["ageing"][:600] = 20 + 10 * codes[:600, 6]
    values["glasses"][:600] = codes[:600, 7] > 1.5
    kept = (np.arange(d) < 2).astype(np.float32)
    return codes, embeddings.astype(np.float32), Labels(values), kept


def test_the_population_finds_what_is_in_the_data() -> None:
    codes, embeddings, labels, kept = made_up()
    used = np.arange(len(codes)) < 1200
    tensors = fit_population(codes, embeddings, labels, kept, used)
    population, untouched = Population(tensors, kept), slice(1200, None)
    expected = population.expected(embeddings[untouched])
    null = (codes[untouched, 10:20] ** 2).mean()
    assert ((expected - codes[untouched])[:, 10:20] ** 2).mean() < 0.6 * null
    assert not expected[:, :2].any()
    told = np.array([population.attributes(c, e) for c, e in zip(codes[untouched], embeddings[untouched], strict=True)])
    assert np.corrcoef(told[:, NAMES.index("ageing")], codes[untouched, 6])[0, 1] > 0.9
    assert np.corrcoef(told[:, NAMES.index("woman")], codes[untouched, 5])[0, 1] > 0.6
    # Attributes of which nothing is known steer nothing.
    assert not tensors["attributes"][NAMES.index("indian")].any()


def test_glasses_are_found_and_without_labels_none() -> None:
    codes, _, labels, _ = made_up()
    found = find_glasses(codes, labels, np.ones(len(codes), bool))
    assert codes[found, 7].mean() > codes[~found, 7].mean() + 1
    nothing = Labels({name: np.full(len(codes), np.nan, np.float32) for name in (*NAMES, "glasses")})
    assert not find_glasses(codes, nothing, np.ones(len(codes), bool)).any()


def test_beards_are_found_where_bearded_men_are_darker(hopper: Any, tmp_path: Path) -> None:
    Image.fromarray(hopper.image_rgb).save(tmp_path / "a.png")
    one = build_dataset(tmp_path)
    codec = FaceCodec(read_parts()["codec"])
    chin = one.vertices[0][152][1] - 0.35 * (one.vertices[0][152][1] - one.vertices[0][1][1])
    dark = one.crop[0].copy()
    dark[int(chin) :] = dark[int(chin) :] * 0.5
    count = 2 * LEAST_MEN
    crops = np.stack([one.crop[0]] * LEAST_MEN + [dark] * LEAST_MEN)
    repeated = [np.stack([array[0]] * count) for array in (one.vertices, one.embedding)]
    faces = TrainingFaces(np.array(["a"] * count), crops, *repeated)
    beard = np.repeat([0.0, 1.0], LEAST_MEN).astype(np.float32)
    same = {name: np.full(count, value, np.float32) for name, value in (("woman", 0), ("growth", 20), ("moustache", 0))}
    everybody, shape = np.ones(count, bool), codec.mean_shape
    found = measure_beards(faces, everybody, Labels(same | {"beard": beard}), shape)
    x, y = np.round(codec.frame.vertices[199]).astype(int)
    assert found["beard"][y, x] > 0.2
    assert not found["beard"][: int(codec.frame.vertices[2, 1]) - 6].any()
    assert not found["moustache"].any()
    fewer = measure_beards(faces, everybody & (np.arange(count) > 0), Labels(same | {"beard": beard}), shape)
    assert not fewer["beard"].any()


def test_patterns_of_glasses_lie_around_the_eyes(astronaut: Any, tmp_path: Path) -> None:
    codec = read_parts()["codec"]
    frame = FaceCodec(codec).frame

    def faces(image_rgb: Any) -> TrainingFaces:
        folder = tmp_path / hashlib.sha256(image_rgb.tobytes()).hexdigest()
        folder.mkdir()
        Image.fromarray(image_rgb).save(folder / "a.png")
        return build_dataset(folder)

    worn_rgb, (right, left) = astronaut.image_rgb.copy(), astronaut.face.keypoints[:2]
    radius = round(0.36 * float(np.linalg.norm(left - right)))
    for eye in (right, left):
        cv2.circle(worn_rgb, [round(float(v)) for v in eye], radius, (20, 20, 20), 4, cv2.LINE_AA)
    bare, worn = faces(astronaut.image_rgb), faces(worn_rgb)
    assert measure_glasses(bare, np.ones(2, bool), codec).shape == (0, len(codec["rotation"]))
    assert len(measure_glasses(worn, np.zeros(2, bool), codec)) == 0
    found = measure_glasses(worn, np.ones(2, bool), codec)[0]

    points = bare.vertices[0, :, :2]
    glasses = luma_of(frame.sample(worn.crop[0], points) - frame.sample(bare.crop[0], points))
    glasses *= frame.from_eyes < AROUND_EYES
    known = FaceCodec(codec).meaning(glasses + glasses[:, ::-1])
    assert abs(found @ known) > 0.6 * np.linalg.norm(found) * np.linalg.norm(known)


def test_guidance_follows_the_effects_that_were_measured() -> None:
    codes, embeddings, labels, kept = made_up()
    tensors = fit_population(codes, embeddings, labels, kept, np.ones(len(codes), bool))
    effects = np.zeros((codes.shape[1], 128), np.float32)
    effects[10:20] = np.random.default_rng(0).standard_normal((10, 128)) * 0.3  # what `made_up` mixes is not known here
    effects[10:20] += np.linalg.lstsq(codes[:, 10:20], embeddings, rcond=None)[0]
    dear = np.zeros((codes.shape[1], codes.shape[1]), np.float32)
    followed = follow_effects(tensors, effects, dear, codes, embeddings)
    np.testing.assert_array_equal(followed["embedding"], effects)
    # Attributes stay where they are when identity moves.
    np.testing.assert_allclose(followed["identity"] @ tensors["attributes"].T, 0, atol=1e-4)
    expected = (embeddings - tensors["embedding_mean"]) @ followed["identity"] / GUIDANCE_UNIT
    for scale in (0.8, 1.2):  # neither shorter nor longer fits the codes better
        assert ((expected - codes) ** 2).mean() < ((scale * expected - codes) ** 2).mean()
    # What would change the light is left to other codes.
    dear[10:15, 10:15] = np.eye(5)
    spared = follow_effects(tensors, effects, dear, codes, embeddings)["identity"]
    shares = [float((of[:, 10:15] ** 2).sum() / (of**2).sum()) for of in (followed["identity"], spared)]
    assert shares[1] < 0.1 * shares[0]


def test_shading_is_light_and_lines_are_not() -> None:
    codec, _ = shipped_tensors()
    light = light_of(codec)
    np.testing.assert_allclose(light, light.T, atol=1e-4)
    assert np.linalg.eigvalsh(light).min() > -1e-3
    # The first codes hold shading, and all that is kept; the last ones what hardly shows.
    assert light.diagonal()[codec["kept"] == 1].mean() > 3 * light.diagonal()[codec["kept"] == 0].mean()


def test_effects_are_measured_on_rendered_faces(
    astronaut: Any, hopper: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, portrait in (("a", astronaut), ("b", hopper)):
        Image.fromarray(portrait.image_rgb).save(tmp_path / f"{name}.png")
    monkeypatch.setattr(effects_module, "CHANGES", 40)
    monkeypatch.setattr(effects_module, "OF_EFFECTS", 30.0)
    faces, (codec, population) = build_dataset(tmp_path), shipped_tensors()
    effects = measure_effects(faces, np.ones(len(faces.source), bool), codec, population)
    kept = codec["kept"] == 1
    assert not effects.embeddings[kept].any()
    assert not effects.expressions[kept].any()
    # What little was learnt from two people agrees with what was learnt from many.
    assert np.corrcoef(effects.embeddings.ravel(), population["embedding"].ravel())[0, 1] > 0.2
    assert np.corrcoef(effects.expressions.ravel(), population["expressions"].ravel())[0, 1] > 0.05


def shipped_tensors() -> tuple[dict[str, Any], dict[str, Any]]:
    tensors = load_file(weights.path("compact"))
    codec, population = (
        {name.removeprefix(part): tensor for name, tensor in tensors.items() if name.startswith(part)}
        for part in ("codec.", "population.")
    )
    return codec, population

"""The package of docs/plugins.md, installed and used."""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reverse_personalization import plugins
from reverse_personalization.anonymizer import Anonymizer
from reverse_personalization.bench.observing import Observer
from reverse_personalization.cli import main
from reverse_personalization.errors import EngineError, UsageError
from reverse_personalization.faces.plugged import PluggedDetector
from reverse_personalization.identity.plugged import PluggedRecogniser, PluginName
from reverse_personalization.record import read_record
from reverse_personalization.settings import Settings
from reverse_personalization.video.rendering import VideoAnonymizer

PAGE = Path(__file__).parents[1] / "docs" / "plugins.md"


@pytest.fixture(autouse=True)
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """As pip lays it out."""
    project_text, module_text = (
        re.search(rf"```{kind}\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL) for kind in ("toml", "python")
    )
    assert project_text
    assert module_text
    project = tomllib.loads(project_text[1])["project"]
    site = tmp_path / "site"
    info = site / "our_faces-1.0.dist-info"
    info.mkdir(parents=True)
    site.joinpath("our_faces.py").write_text(module_text[1])
    info.joinpath("METADATA").write_text(
        f"Metadata-Version: 2.4\nName: {project['name']}\nVersion: {project['version']}\n"
        f"License-Expression: {project['license']}\n"
    )
    info.joinpath("RECORD").write_text("our_faces.py,,\n")
    lines = []
    for group, entries in project["entry-points"].items():
        lines += [f"[{group}]", *(f"{name} = {value}" for name, value in entries.items())]
    info.joinpath("entry_points.txt").write_text("\n".join(lines))
    monkeypatch.syspath_prepend(str(site))
    yield __import__("our_faces")
    sys.modules.pop("our_faces")


def test_all_three_are_used_and_recorded(astronaut: Any, tmp_path: Path) -> None:
    source = tmp_path / "photo.png"
    from PIL import Image

    Image.fromarray(astronaut.image_rgb).save(source)
    options = ["--verifiers", "thumbnail", "--detector", "upright", "--engine", "calm", "--seed", "1"]
    assert main(["anonymize", str(source), "-o", str(tmp_path / "out.png"), *options]) == 0
    record = read_record(tmp_path / "out.png.json")
    assert record is not None
    assert [(model.name, model.file, model.licence) for model in record.models][-3:] == [
        ("calm", "our-faces==1.0", "MIT"),
        ("upright", "our-faces==1.0", "MIT"),
        ("thumbnail", "our-faces==1.0", "MIT"),
    ]
    (face,) = record.faces
    assert [similarity.recogniser for similarity in face.similarities] == ["sface", "dlib-resnet", "thumbnail"]
    assert face.similarities[-1].threshold == 0.97


def test_a_plugin_that_matches_obscures(astronaut: Any, package: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(package.Thumbnail, "similarity", lambda self, a, b: np.ones((1, 1)))
    result = Anonymizer(verifiers=("thumbnail",), seed=1, max_tries=1).anonymize(astronaut.image_rgb)
    (face,) = result.faces
    assert (face.verdict, face.reason) == ("obscured", "A recogniser still matched the result after 1 try.")


@pytest.mark.parametrize("given", [np.full(64, np.nan), np.zeros(63), np.zeros((1, 64)), "words"])
def test_no_embedding_obscures(astronaut: Any, package: Any, monkeypatch: pytest.MonkeyPatch, given: Any) -> None:
    monkeypatch.setattr(package.Thumbnail, "embed", lambda self, image_rgb, face: given)
    result = Anonymizer(verifiers=("thumbnail",), seed=1, max_tries=1).anonymize(astronaut.image_rgb)
    assert [face.verdict for face in result.faces] == ["obscured"]


def test_a_recogniser_that_fails_is_named(astronaut: Any, package: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*given: Any) -> Any:
        raise RuntimeError("no\nluck")

    thumbnail = PluggedRecogniser(PluginName("thumbnail"))
    monkeypatch.setattr(package.Thumbnail, "embed", fails)
    monkeypatch.setattr(package.Thumbnail, "similarity", fails)
    with pytest.raises(EngineError, match=r"recogniser thumbnail failed \(RuntimeError: no luck\)"):
        thumbnail.embed(astronaut.image_rgb, astronaut.face)
    with pytest.raises(EngineError, match=r"thumbnail failed .* n x m"):
        thumbnail.similarity(np.ones((2, 64)), np.ones((3, 64)))


def test_matrices_are_compared_as_matrices(package: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    thumbnail = PluggedRecogniser(PluginName("thumbnail"))
    one, two, three = (np.ones((rows, 64), np.float32) for rows in (1, 2, 3))
    assert thumbnail.similarity(two, three).shape == (2, 3)
    for given, (a, b) in ((1.0, (one[0], one[0])), (np.ones(3), (one[0], three)), (np.ones((2, 3)), (two, three))):
        monkeypatch.setattr(package.Thumbnail, "similarity", lambda self, a, b, given=given: given)
        assert thumbnail.similarity(a, b).shape == (len(np.atleast_2d(a)), len(b) if b.ndim == 2 else 1)
    for wrong in (1.0, np.ones(6), np.ones((3, 2))):
        monkeypatch.setattr(package.Thumbnail, "similarity", lambda self, a, b, wrong=wrong: wrong)
        with pytest.raises(EngineError, match="thumbnail gave no 2 x 3 numbers"):
            thumbnail.similarity(two, three)


def test_what_is_no_face_is_an_error(astronaut: Any, package: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    (face,) = PluggedDetector("upright", 0.6).detect(astronaut.image_rgb)
    for box in ((0, 0, np.nan, 5), (0, 0, 5), (1, 2, 0, 3)):
        wrong = type(face)(box, face.keypoints, 1.0)
        monkeypatch.setattr(package.Upright, "detect", lambda self, image_rgb, wrong=wrong: [wrong])
        with pytest.raises(EngineError, match="no face"):
            PluggedDetector("upright", 0.6).detect(astronaut.image_rgb)


def test_a_detector_that_fails_is_named(
    astronaut: Any, package: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: Any
) -> None:
    from PIL import Image

    source = tmp_path / "photo.png"
    Image.fromarray(astronaut.image_rgb).save(source)

    def fails(*given: Any) -> Any:
        raise RuntimeError("no luck")

    for detect in (fails, lambda self, image_rgb: None, lambda self, image_rgb: ["no face"]):
        monkeypatch.setattr(package.Upright, "detect", detect)
        options = ["-o", str(tmp_path / "out.png"), "--detector", "upright"]
        assert main(["anonymize", str(source), *options]) == EngineError.exit_code
        assert "detector upright failed" in capsys.readouterr().err
        assert not (tmp_path / "out.png").exists()


def test_a_plugin_cannot_change_the_photo(astronaut: Any, package: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    before = astronaut.image_rgb.copy()
    monkeypatch.setattr(package.Upright, "detect", lambda self, image_rgb: image_rgb.fill(0) or [])
    PluggedDetector("upright", 0.6).detect(astronaut.image_rgb)
    np.testing.assert_array_equal(astronaut.image_rgb, before)


def test_the_bench_asks_them(astronaut: Any) -> None:
    observer = Observer([PluginName("thumbnail")])
    assert observer.observe(astronaut.image_rgb).embeddings["thumbnail"].shape == (64,)
    assert observer.nothing().embeddings["thumbnail"].shape == (64,)
    assert PluginName("thumbnail").pinned.startswith("our-faces==1.0 ")


def test_what_cannot_be_loaded_is_said(package: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for options, words in (
        ({"engine": "other"}, "installed are: calm"),
        ({"detector": "other"}, "installed are: upright"),
        ({"verifiers": ("other",)}, "installed are: thumbnail"),
        ({"verifiers": ("thumbnail", "thumbnail")}, "name of another"),
    ):
        with pytest.raises(UsageError, match=words):
            Anonymizer(**options)
    monkeypatch.setattr(package.Thumbnail, "threshold", "high")
    with pytest.raises(UsageError, match="no threshold"):
        PluggedRecogniser(PluginName("thumbnail"))
    for name, options in (("Thumbnail", {"verifiers": ("thumbnail",)}), ("calm", {"engine": "calm"})):
        monkeypatch.delattr(package, name)
        with pytest.raises(UsageError, match="cannot be imported"):
            Anonymizer(**options)
    with pytest.raises(UsageError, match="for photos so far"):
        VideoAnonymizer(Settings(detector="upright"))


def test_the_doctor_lists_them(capsys: Any) -> None:
    assert {plugin.name for plugin in plugins.plugins()} >= {"thumbnail", "upright", "calm"}
    main(["doctor"])
    assert "our-faces==1.0" in capsys.readouterr().out

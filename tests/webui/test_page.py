"""The page in a real browser: photos and a clip through clicks, and no word to anybody else."""

from __future__ import annotations

import hashlib
import io
import json
import os
import zipfile
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms

from reverse_personalization.cli import main
from reverse_personalization.webui.painting import painted_boxes

SHOTS = os.environ.get("REVPERS_SCREENSHOTS")
"""A folder for docs/images/ui-*.webp, where they are to be made anew."""


@pytest.fixture(scope="module")
def pair(astronaut: Any, hopper: Any) -> Any:
    """Two people beside each other; the astronaut's face is the larger one."""
    small = cv2.resize(hopper.image_rgb, (427, 512), interpolation=cv2.INTER_AREA)
    return np.hstack([astronaut.image_rgb, small])


def _save_shot(page: Any, name: str, tmp_path: Path) -> None:
    page.screenshot(path=tmp_path / f"{name}.png", full_page=True)
    if SHOTS:
        Image.open(tmp_path / f"{name}.png").convert("RGB").save(Path(SHOTS) / f"{name}.webp", quality=70, method=6)


def _download(page: Any, button: str, path: Path) -> dict[str, bytes]:
    with page.expect_download() as waiting:
        page.locator(button).click()
    waiting.value.save_as(path)
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _upload(page: Any, photo: Path, told: str) -> None:
    page.locator("#photo input[type=file]").set_input_files(photo)
    page.get_by_text(told).wait_for(timeout=60_000)


def _set_seed(page: Any, seed: int) -> None:
    page.get_by_text("Repeatable results").locator("visible=true").click()
    page.get_by_label("Seed").locator("visible=true").fill(str(seed))
    page.get_by_label("Seed").locator("visible=true").press("Tab")


def test_painted_places_are_boxes() -> None:
    layer = np.zeros((50, 60, 4), np.uint8)
    layer[10:20, 5:25, 3] = 255
    layer[40:44, 50:58, 3] = 90
    assert painted_boxes({"layers": [layer]}) == [(5, 10, 20, 10), (50, 40, 8, 4)]
    assert painted_boxes({"layers": [layer]}, (120, 100))[0] == (10, 20, 40, 20)
    assert painted_boxes(None) == painted_boxes({"layers": []}) == []


@pytest.mark.parametrize("width", [1200, 390])
def test_every_face_has_its_choice_and_its_verdict(opened: Any, pair: Any, tmp_path: Path, width: int) -> None:
    Image.fromarray(pair).save(tmp_path / "photo.png")
    page = opened(width)
    _upload(page, tmp_path / "photo.png", "2 faces found")
    page.locator("#face-2").get_by_text("only obscure").click()
    page.locator("#start").click()
    page.locator("#outcome-1").get_by_text("different people").first.wait_for(timeout=90_000)
    page.locator("#outcome-2").get_by_text("Obscured on request.").wait_for()
    page.locator("#compared img").first.wait_for()
    page.wait_for_function(f"document.documentElement.scrollWidth <= {width + 1}", timeout=30_000)
    _save_shot(page, f"ui-{width}", tmp_path)
    got = _download(page, "#download", tmp_path / "got.zip")
    record = json.loads(got["anonymous.png.json"])
    assert Image.open(io.BytesIO(got["anonymous.png"])).size == pair.shape[1::-1]
    assert [face["verdict"] for face in record["faces"]] == ["anonymized", "obscured"]
    assert hashlib.sha256(got["anonymous.png"]).hexdigest() == record["output"]["sha256"]


def test_a_face_stays_only_by_choice_and_choices_go_with_their_photo(
    opened: Any, pair: Any, astronaut: Any, tmp_path: Path
) -> None:
    Image.fromarray(pair).save(tmp_path / "photo.png")
    Image.fromarray(astronaut.image_rgb).save(tmp_path / "other.png")
    page = opened(1200)
    _upload(page, tmp_path / "photo.png", "2 faces found")
    for number in (1, 2):
        page.locator(f"#face-{number}").get_by_text("leave as it is").click()
    page.locator("#start").click()
    page.locator("#outcome-2").get_by_text("Left on request.").wait_for(timeout=90_000)
    got = _download(page, "#download", tmp_path / "kept.zip")
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(got["anonymous.png"]))), pair)
    page.locator("#photo").get_by_label("Clear").or_(page.locator("#photo [aria-label*=emove]")).first.click()
    _upload(page, tmp_path / "other.png", "1 face found")
    assert page.locator("#face-1 input:checked").get_attribute("value") == "replace by a stranger"
    page.locator("#start").click()
    page.locator("#outcome-1").get_by_text("Replaced and checked").wait_for(timeout=90_000)


def test_a_missed_face_is_painted_over(opened: Any, tmp_path: Path) -> None:
    grey = np.full((1500, 2000, 3), 120, np.uint8)  # larger than its preview
    grey[:750, :1000] = 200
    Image.fromarray(grey).save(tmp_path / "photo.png")
    page = opened(1200)
    _upload(page, tmp_path / "photo.png", "No face found")
    page.locator("#start").click()
    page.locator("#verdicts").get_by_text("there is no result").wait_for(timeout=60_000)
    page.get_by_text("A face was missed?").click()
    canvas = page.locator("#editor canvas").first
    canvas.wait_for()
    page.wait_for_timeout(1500)  # until the picture has been fitted
    canvas.scroll_into_view_if_needed()
    area = canvas.bounding_box()
    across, down = area["x"] + area["width"] / 2, area["y"] + area["height"] / 2
    page.mouse.move(across, down)
    page.mouse.down()
    page.mouse.move(across + 30, down, steps=8)
    page.mouse.up()
    page.wait_for_timeout(800)
    page.screenshot(path=tmp_path / "painted.png", full_page=True)
    page.locator("#start").click()
    page.locator("#verdicts").get_by_text("1 obscured").wait_for(timeout=60_000)
    got = _download(page, "#download", tmp_path / "got.zip")
    face = json.loads(got["anonymous.png.json"])["faces"][0]
    assert (face["verdict"], face["reason"]) == ("obscured", "Marked by hand.")
    x, y, w, h = face["box"]
    # Painted from the middle to the right.
    assert x < 1000 < x + w
    assert y < 750 < y + h
    assert 800 < x + w / 2 < 1400
    changed = (np.asarray(Image.open(io.BytesIO(got["anonymous.png"]))) != grey).any(2)
    assert changed[int(y + h / 2), int(x + w / 2)]
    assert not changed[:200].any()


def _grey_alpha(rgb: Any) -> Image.Image:
    grey = Image.fromarray(rgb).convert("L")
    return Image.merge("LA", (grey, Image.linear_gradient("L").resize(grey.size)))


def _write_kind(kind: str, rgb: Any, folder: Path) -> Path:
    image = Image.fromarray(rgb)
    if kind == "16bit.png":
        cv2.imwrite(
            str(folder / kind), (cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR).astype(np.uint16) * 256 + 77).astype(np.uint16)
        )
    elif kind == "alpha.png":
        image.putalpha(Image.linear_gradient("L").resize(image.size))
        image.save(folder / kind)
    elif kind == "turned.jpg":
        exif = Image.Exif()
        exif[0x0112] = 6
        profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
        image.rotate(90, expand=True).save(folder / kind, exif=exif, icc_profile=profile, quality=95)
    else:
        _grey_alpha(rgb).save(folder / kind)
    return folder / kind


def test_the_page_writes_what_the_command_writes(opened: Any, astronaut: Any, tmp_path: Path) -> None:
    kinds = ["16bit.png", "alpha.png", "turned.jpg", "grey-alpha.tif"]
    paths = [_write_kind(kind, astronaut.image_rgb, tmp_path) for kind in kinds]
    page = opened(1200)
    page.get_by_role("tab", name="Several photos").click()
    page.locator("#photos input[type=file]").set_input_files(paths)
    _set_seed(page, 5)
    page.locator("#start-photos").click()
    page.locator("#told-photos").get_by_text(f"anonymous-{len(kinds)}").wait_for(timeout=120_000)
    got = _download(page, "#download-photos", tmp_path / "got.zip")
    for number, path in enumerate(paths, 1):
        name = f"anonymous-{number}{path.suffix}"
        expected = tmp_path / "expected" / name
        expected.parent.mkdir(exist_ok=True)
        assert main(["anonymize", str(path), "-o", str(expected), "--seed", "5", "--progress", "none"]) == 0
        assert got[name] == expected.read_bytes(), path.name


def test_errors_are_one_sentence(opened: Any, astronaut: Any, tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    Image.new("1", (20_000, 6_000)).save(tmp_path / "huge.png")
    Image.new("RGB", (300, 200), "grey").save(tmp_path / "empty.png")
    Image.fromarray(astronaut.image_rgb).save(tmp_path / "good.png")
    page = opened(390)
    for name, told in (("broken.png", "This photo"), ("huge.png", "pixels")):
        _upload(page, tmp_path / name, told)
        said = page.locator("#told").inner_text()
        assert said.strip().endswith(".")
        assert str(tmp_path) not in said
        page.locator("#start").click()
        page.locator("#verdicts").get_by_text(told).wait_for()
        page.reload()
    page.get_by_role("tab", name="Several photos").click()
    page.locator("#photos input[type=file]").set_input_files(
        [tmp_path / name for name in ("broken.png", "empty.png", "good.png")]
    )
    page.locator("#start-photos").click()
    page.locator("#told-photos").get_by_text("1 replaced and checked").wait_for(timeout=90_000)
    assert page.locator("#told-photos").get_by_text("Left out").count() == 2
    assert sorted(_download(page, "#download-photos", tmp_path / "got.zip")) == [
        "anonymous-3.png",
        "anonymous-3.png.json",
    ]


def test_a_clip_through_clicks(opened: Any, astronaut: Any, tmp_path: Path) -> None:
    small = cv2.resize(astronaut.image_rgb, (320, 320), interpolation=cv2.INTER_AREA)
    with av.open(str(tmp_path / "clip.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.height, stream.width, stream.pix_fmt = 320, 320, "yuv420p"
        for shift in range(8):
            frame = av.VideoFrame.from_ndarray(np.roll(small, shift, 1), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    page = opened(390)
    page.get_by_role("tab", name="A video").click()
    page.locator("#clip input[type=file]").set_input_files(tmp_path / "clip.mp4")
    page.locator("#start-clip").click()
    page.locator("#told-clip").get_by_text("1 face followed").wait_for(timeout=120_000)
    got = _download(page, "#download-clip", tmp_path / "got.zip")
    assert sorted(got) == ["anonymous.mp4", "anonymous.mp4.json"]
    with av.open(io.BytesIO(got["anonymous.mp4"])) as container:
        assert sum(1 for _ in container.decode(video=0)) == 8
    assert len(json.loads(got["anonymous.mp4.json"])["tracks"]) == 1

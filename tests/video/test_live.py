"""Live pictures: no source face in any, and nobody else is let in."""

from __future__ import annotations

import http.client
import re
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reverse_personalization.anonymizer import Anonymizer
from reverse_personalization.cli import main
from reverse_personalization.errors import InputError, UsageError
from reverse_personalization.faces.face import Face
from reverse_personalization.identity.verification import Verifier
from reverse_personalization.settings import Settings
from reverse_personalization.video.live import LiveAnonymizer
from reverse_personalization.video.streaming import Stream, camera
from reverse_personalization.video.tracking import Tracker


@pytest.fixture(scope="module")
def anonymizer() -> Anonymizer:
    return Anonymizer(seed=0)


def test_no_picture_shows_a_face_that_was_there(crowd: Path, anonymizer: Anonymizer) -> None:
    live = LiveAnonymizer(anonymizer.settings, anonymizer=anonymizer)
    # Without the guide's margin, which is for what one frame's face differs from those on which its stranger was found.
    verifier = Verifier(anonymizer.detector, [(each, "verifier") for each in anonymizer.verifier.recognisers])
    replaced = []
    for image_rgb in camera(str(crowd)):
        result = live.anonymize(image_rgb)
        faces = anonymizer.detector.detect(image_rgb)
        assert len(faces) == 2
        checks = [verifier.check(result, verifier.source(image_rgb, face)) for face in faces]
        assert not [check.similarities for check in checks if check.matches]
        replaced.append(sum(check.face is not None for check in checks))
    assert replaced[0] == 0  # nobody is met yet
    assert max(replaced[4:]) == 2
    assert live.anonymize(np.zeros((0, 0, 3), np.uint8)).size == 0


def test_what_goes_wrong_is_black(anonymizer: Anonymizer, astronaut: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    live = LiveAnonymizer(anonymizer.settings, anonymizer=anonymizer)
    monkeypatch.setattr(live._detector, "detect", lambda image_rgb: 1 / 0)
    assert not live.anonymize(astronaut.image_rgb).any()


def test_a_face_that_is_lost_stays_obscured(
    anonymizer: Anonymizer, astronaut: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    live = LiveAnonymizer(anonymizer.settings, anonymizer=anonymizer)
    live.anonymize(astronaut.image_rgb)
    monkeypatch.setattr(live._detector, "detect", lambda image_rgb: [])
    x, y, w, h = (int(each) for each in astronaut.face.box)
    result = live.anonymize(astronaut.image_rgb)
    middle = np.s_[y + h // 4 : y + 3 * h // 4, x + w // 4 : x + 3 * w // 4]
    assert np.abs(result[middle].astype(int) - astronaut.image_rgb[middle]).mean() > 5


def test_an_unsure_face_does_not_cover_a_surer_one(
    anonymizer: Anonymizer, astronaut: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    x, y, w, h = (int(each) for each in astronaut.face.box)
    beside = Face((x + 0.7 * w, y, w, h), astronaut.face.keypoints + np.array([0.7 * w, 0], np.float32), 0.4)
    results = []
    for faces in ([astronaut.face], [astronaut.face, beside]):
        live = LiveAnonymizer(anonymizer.settings, anonymizer=anonymizer)
        monkeypatch.setattr(live._detector, "detect", lambda image_rgb, faces=faces: faces)
        results.append([live.anonymize(astronaut.image_rgb) for _ in range(6)][-1])
    assert (results[0] != results[1]).any()
    overlap = np.s_[y + h // 3 : y + h // 2, x + int(0.6 * w) : x + int(0.9 * w)]
    # Softly, what hides the other one reaches the hair beside the face, and that the renderer's last digit.
    np.testing.assert_allclose(results[0][overlap].astype(int), results[1][overlap].astype(int), atol=1)


def test_an_endless_picture_is_forgotten() -> None:
    tracker, image_rgb = Tracker(10), np.zeros((90, 90, 3), np.uint8)
    face = Face((10, 10, 30, 30), np.full((5, 2), 20, np.float32), 0.9)
    for frame in range(100):
        tracker.advance(frame, image_rgb, [face])
        tracker.forget(frame - 30)
    assert tracker.missing(99) == []
    (lost,) = tracker.missing(100)
    assert (lost.box, lost.score) == (face.box, 0)
    (track,) = tracker.finish()
    assert len([how for how in track.how.values() if how == "detected"]) <= 31


def test_nobody_stays_visible(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="leave out"):
        LiveAnonymizer(Settings(keep_people=str(tmp_path)))


def test_no_camera_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no camera"):
        next(camera(str(tmp_path / "none.mp4")))


def asked(port: int, path: str, host: str) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request("GET", path, headers={"Host": host})
    return connection.getresponse()


def test_the_page_is_for_this_machine_only(astronaut: Any) -> None:
    stream = Stream(0)
    port = int(stream.address.rsplit(":", 1)[1])
    try:
        own = f"127.0.0.1:{port}"
        assert b"/pictures" in asked(port, "/", own).read()
        assert asked(port, "/", f"elsewhere.example:{port}").status == 403
        assert asked(port, "/other", own).status == 404
        with pytest.raises(UsageError, match=f"Port {port} is taken"):
            Stream(port)
        # The stream begins with its first picture.
        assert stream.run(iter([astronaut.image_rgb]), lambda image_rgb: image_rgb // 2) == 1
        answer = asked(port, "/pictures", own)
        assert answer.getheader("Cross-Origin-Resource-Policy") == "same-origin"
        assert b"image/jpeg" in answer.read(60)
    finally:
        stream.close()


def test_a_port_that_is_taken(crowd: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Told as by the other servers, and before models are fetched or loaded."""
    monkeypatch.setattr("reverse_personalization.cli.live.fetch_weights", lambda: pytest.fail("went on"))
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        assert main(["live", str(crowd), "--no-browser", "--port", str(port)]) == 2
    assert capsys.readouterr().err == f"error: Port {port} is taken; give another --port.\n"


def test_no_extra_is_needed() -> None:
    """What else listens needs starlette, which comes with extras."""
    code = (
        "import sys; sys.modules['starlette'] = None; "
        "from reverse_personalization.video.streaming import Stream; Stream(0).close()"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_the_command(crowd: Path) -> None:
    line = [sys.executable, "-m", "reverse_personalization", "live", str(crowd), "--port", "0", "--no-browser"]
    done = subprocess.run([*line, "--seed", "1"], capture_output=True, text=True, timeout=200, check=True)
    assert "Open http://127.0.0.1:" in done.stderr
    assert re.search(r"15 pictures, \d+\.\d a second", done.stderr)

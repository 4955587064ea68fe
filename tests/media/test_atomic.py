"""A file is written whole or not at all."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import textwrap
from pathlib import Path

import media_samples as samples
import numpy as np
import pytest

from reverse_personalization.errors import OutputError
from reverse_personalization.media.atomic import write_atomically
from reverse_personalization.media.images import read_photo, write_photo

RGB = samples.astronaut()
NOTHING = np.zeros(RGB.shape[:2], bool)


def test_replaces_and_leaves_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "out.png"
    target.write_bytes(b"old")
    write_atomically(target, b"new")
    assert target.read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["out.png"]


def test_rights_follow_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_atomically(tmp_path / "out", b"x")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == 0o640


def test_a_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link.png").symlink_to(tmp_path / "real" / "out.png")
    write_atomically(tmp_path / "link.png", b"x")
    assert (tmp_path / "link.png").is_symlink()
    assert (tmp_path / "real" / "out.png").read_bytes() == b"x"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("missing/out.png", "folder does not exist"),
        ("file/out.png", "folder is a file"),
        ("folder", "is a folder or a device"),
        ("x" * 300, "name is too long"),
    ],
)
def test_places_that_cannot_be_written(name: str, reason: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "folder").mkdir()
    with pytest.raises(OutputError, match=reason) as caught:
        write_atomically(tmp_path / name, b"x")
    assert "\n" not in str(caught.value)
    assert sorted(os.listdir(tmp_path)) == ["file", "folder"]


def test_devices_are_not_replaced() -> None:
    with pytest.raises(OutputError, match="a folder or a device"):
        write_atomically(Path(os.devnull), b"x")
    assert stat.S_ISCHR(os.stat(os.devnull).st_mode)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_folder_without_rights(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(OutputError, match="not writable"):
        write_atomically(tmp_path / "out.png", b"x")


WRITER = """
    import resource, sys
    import numpy as np
    from pathlib import Path
    from reverse_personalization.errors import OutputError
    from reverse_personalization.media.images import read_photo, write_photo

    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
    noise = np.random.default_rng(0).integers(0, 256, (300, 300, 3), np.uint8)
    photo = read_photo(noise, max_pixels=10**6)
    try:
        write_photo(photo, sys.argv[1], image_rgb=noise, changed=np.zeros((300, 300), bool))
    except OutputError as error:
        print(error)
        sys.exit(error.exit_code)
"""


def test_a_disk_that_fills_up_in_the_middle(tmp_path: Path) -> None:
    """The limit on file sizes stops a real write half-way, as a full disk does."""
    target = tmp_path / "out.png"
    target.write_bytes(b"the old picture")
    command = [sys.executable, "-c", textwrap.dedent(WRITER), str(target), "50000"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (5, "")
    assert "cannot be written, since the file would be larger" in done.stdout
    assert target.read_bytes() == b"the old picture"
    assert os.listdir(tmp_path) == ["out.png"]


def test_a_full_disk_is_called_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        with open("/dev/full", "wb", buffering=0) as device:
            device.write(b"x")

    monkeypatch.setattr(os, "fsync", full)
    photo = read_photo(RGB, max_pixels=10**6)
    with pytest.raises(OutputError, match="the disk is full; free some space"):
        write_photo(photo, tmp_path / "out.png", image_rgb=RGB, changed=NOTHING)
    assert os.listdir(tmp_path) == []


def test_interruption_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda _: signal.raise_signal(signal.SIGINT))
    (tmp_path / "out.png").write_bytes(b"the old picture")
    photo = read_photo(RGB, max_pixels=10**6)
    with pytest.raises(KeyboardInterrupt):
        write_photo(photo, tmp_path / "out.png", image_rgb=RGB, changed=NOTHING)
    assert (tmp_path / "out.png").read_bytes() == b"the old picture"
    assert os.listdir(tmp_path) == ["out.png"]


@pytest.mark.parametrize("name", ["out.gif", "out", "out.txt", "out.jpg.json"])
def test_unknown_suffixes_are_refused(name: str, tmp_path: Path) -> None:
    photo = read_photo(RGB, max_pixels=10**6)
    with pytest.raises(OutputError, match=r"end the name in one of \.jpg, \.png"):
        write_photo(photo, tmp_path / name, image_rgb=RGB, changed=NOTHING)
    assert os.listdir(tmp_path) == []


def test_a_failing_encoder_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "out.webp"
    target.write_bytes(b"the old picture")
    tall = np.zeros((20_000, 1, 3), np.uint8)
    photo = read_photo(tall, max_pixels=10**6)
    with pytest.raises(OutputError, match="could not be encoded"):
        write_photo(photo, target, image_rgb=tall, changed=np.zeros((20_000, 1), bool))
    assert target.read_bytes() == b"the old picture"

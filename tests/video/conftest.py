"""Clips that several tests use."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from video_clips import CROWD_FRAMES, beside, write_clip


@pytest.fixture(scope="session")
def crowd(tmp_path_factory: pytest.TempPathFactory, astronaut: Any, hopper: Any) -> Path:
    """A clip of the astronaut on the left and Grace Hopper on the right."""
    path = tmp_path_factory.mktemp("crowd") / "crowd.mp4"
    return write_clip(path, [beside(astronaut, hopper, i) for i in range(CROWD_FRAMES)])


@pytest.fixture(scope="session")
def friends(tmp_path_factory: pytest.TempPathFactory, astronaut: Any) -> Path:
    """A folder with a photo of the astronaut."""
    folder = tmp_path_factory.mktemp("friends")
    Image.fromarray(astronaut.image_rgb[:, ::-1].copy()).save(folder / "1.png")
    return folder

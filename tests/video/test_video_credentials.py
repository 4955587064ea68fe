"""A video's content credentials, through the command and back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from video_clips import scene, write_clip

pytest.importorskip("c2pa", reason="the extra c2pa is not installed")
pytest.importorskip("cryptography", reason="the extra c2pa is not installed")

from certificates import make_chain
from reverse_personalization.cli import main


def test_a_video_is_signed_and_read_back(tmp_path: Path, astronaut: Any, capsys: Any) -> None:
    clip, output, chain = tmp_path / "clip.mp4", tmp_path / "out.mp4", make_chain(tmp_path / "chain")
    write_clip(clip, [scene(astronaut, i) for i in range(4)], sound=True)
    signing = ["--c2pa-cert", str(chain.certificate), "--c2pa-key", str(chain.key)]
    assert main(["anonymize", str(clip), "-o", str(tmp_path / "out.mkv"), *signing]) == 5
    assert "cannot carry content credentials" in capsys.readouterr().err
    assert main(["anonymize", str(clip), "-o", str(output), *signing]) == 0
    assert json.loads((tmp_path / "out.mp4.json").read_bytes())["output"]["credentials"] is True
    capsys.readouterr()
    assert main(["inspect", str(output), "--json", "--c2pa-trust", str(chain.root)]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["credentials"]["state"], told["record"]) == ("trusted", "matches")
    assert told["digital_source_type"] == told["credentials"]["digital_source_type"]
    changed = bytearray(output.read_bytes())
    changed[changed.index(b"mdat") + 200] ^= 1
    output.write_bytes(changed)
    assert main(["inspect", str(output), "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["credentials"]["state"] == "invalid"
    assert not list(tmp_path.glob(".revpers-*"))

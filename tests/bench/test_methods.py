"""The contract with other programs: what is missing, broken or unchanged is a failure."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reverse_personalization.bench.methods import Classical, Command, Precomputed, make_method
from reverse_personalization.errors import InputError, UsageError

PROGRAM = """
import sys
from pathlib import Path
from PIL import Image, ImageFilter
given, made, how = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
for number, path in enumerate(sorted(given.iterdir())):
    if how == "crash" and number == 1:
        raise SystemExit("out of memory")
    if how == "every way":
        if number == 0:
            continue
        if number == 1:
            (made / f"{path.stem}.png").write_bytes(b"no picture")
            continue
        if number == 2:
            Image.open(path).save(made / f"{path.stem}.png")
            continue
    Image.open(path).rotate(180).save(made / f"{path.stem}.png")
"""


@pytest.fixture
def photos(tmp_path: Path) -> list[Path]:
    generator = np.random.default_rng(0)
    paths = []
    for number in range(4):
        path = tmp_path / "photos" / f"person{number}" / "0001.png"
        path.parent.mkdir(parents=True)
        Image.fromarray(generator.integers(0, 255, (24, 24, 3), np.uint8)).save(path)
        paths.append(path)
    return paths


def command(tmp_path: Path, how: str) -> Command:
    (tmp_path / "program.py").write_text(PROGRAM)
    return Command("theirs", f"{sys.executable} {tmp_path / 'program.py'} {{in_dir}} {{out_dir}} '{how}'")


def statuses(method: Command, photos: list[Path], out: Path) -> list[str]:
    return [outcome.status for outcome in method.run(photos, out, lambda done, total: None)]


def test_a_program_that_keeps_the_contract(tmp_path: Path, photos: list[Path]) -> None:
    method, out = command(tmp_path, "well"), tmp_path / "out"
    assert statuses(method, photos, out) == ["anonymized"] * 4
    written = {path: path.stat().st_mtime_ns for path in out.glob("*.png")}
    assert statuses(method, photos, out) == ["anonymized"] * 4
    assert {path: path.stat().st_mtime_ns for path in out.glob("*.png")} == written


def test_a_program_that_breaks_it_in_every_way(tmp_path: Path, photos: list[Path]) -> None:
    found = statuses(command(tmp_path, "every way"), photos, tmp_path / "out")
    assert sorted(found) == ["anonymized", "missing", "unreadable", "untouched"]


def test_a_program_that_crashes_keeps_what_it_wrote(tmp_path: Path, photos: list[Path]) -> None:
    found = statuses(command(tmp_path, "crash"), photos, tmp_path / "out")
    assert sorted(found) == ["anonymized", "missing", "missing", "missing"]
    assert "out of memory" in (tmp_path / "out" / "_output.txt").read_text()


def test_a_program_that_is_not_there(tmp_path: Path, photos: list[Path]) -> None:
    method = Command("theirs", "/nowhere/program {in_dir} {out_dir}")
    assert statuses(method, photos, tmp_path / "out") == ["missing"] * 4


def test_a_program_that_hangs_is_stopped(tmp_path: Path, photos: list[Path]) -> None:
    method = Command("theirs", "sleep 60 {in_dir} {out_dir}", timeout=0.2)
    assert statuses(method, photos, tmp_path / "out") == ["missing"] * 4


def test_outputs_made_elsewhere(tmp_path: Path, photos: list[Path]) -> None:
    made = tmp_path / "made"
    made.mkdir()
    Image.new("RGB", (24, 24), "teal").save(made / "0001.jpg")
    found = Precomputed("theirs", made).run(photos, tmp_path, lambda done, total: None)
    assert [outcome.status for outcome in found] == ["anonymized"] * 4
    with pytest.raises(InputError, match="no such folder"):
        Precomputed("theirs", tmp_path / "nowhere")


def test_what_is_no_method_is_refused() -> None:
    with pytest.raises(UsageError, match="out_dir"):
        Command("theirs", "program {in_dir}")
    with pytest.raises(UsageError, match="k-same"):
        make_method("magic")


def test_nothing_done_is_untouched_and_a_blurred_face_is_not(tmp_path: Path, astronaut: object) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(astronaut.image_rgb).save(path)  # type: ignore[attr-defined]
    for kind, status in (("none", "untouched"), ("blur", "anonymized"), ("solid", "anonymized")):
        (outcome,) = Classical(kind).run([path], tmp_path / kind, lambda done, total: None)  # type: ignore[arg-type]
        assert outcome.status == status
        assert outcome.seconds is not None

"""The contract with other programs: what is missing, broken or unchanged is a failure."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from PIL import Image

from reverse_personalization.bench import methods
from reverse_personalization.bench.adapters import ADAPTERS, make_adapter
from reverse_personalization.bench.methods import Classical, Command, EngineMethod, Precomputed, make_method
from reverse_personalization.engines.compact.engine import CompactEngine
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


def test_no_faces_have_no_mean(tmp_path: Path) -> None:
    Image.new("RGB", (60, 60)).save(tmp_path / "a.png")
    (outcome,) = make_method("k-same").run([tmp_path / "a.png"], tmp_path / "made", lambda done, total: None)
    assert outcome.status == "no face found"


def test_an_interrupted_output_is_not_there(tmp_path: Path, astronaut: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(self: Image.Image, file: Any, *given: Any) -> None:
        Path(file).write_bytes(b"half")
        raise KeyboardInterrupt

    Image.fromarray(astronaut.image_rgb).save(tmp_path / "a.png")
    monkeypatch.setattr(Image.Image, "save", interrupted)
    with pytest.raises(KeyboardInterrupt):
        make_method("none").run([tmp_path / "a.png"], tmp_path / "made", lambda done, total: None)
    assert not list((tmp_path / "made").iterdir())


def test_nothing_done_is_untouched_and_a_blurred_face_is_not(tmp_path: Path, astronaut: object) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(astronaut.image_rgb).save(path)  # type: ignore[attr-defined]
    for kind, status in (("none", "untouched"), ("blur", "anonymized"), ("solid", "anonymized")):
        (outcome,) = Classical(kind).run([path], tmp_path / kind, lambda done, total: None)  # type: ignore[arg-type]
        assert outcome.status == status
        assert outcome.seconds is not None


WRAPPER = """
seen = []
def anonymize(image):
    seen.append(image)
    if len(seen) == 1:
        return None
    if len(seen) == 2:
        raise MemoryError("no room")
    return image if len(seen) == 3 else image.rotate(180)
"""


def test_somebodys_function_is_driven_over_a_folder(tmp_path: Path, photos: list[Path]) -> None:
    (tmp_path / "wrapper.py").write_text(WRAPPER)
    method = make_adapter("nullface", f"{tmp_path / 'wrapper.py'},{sys.executable}")
    found = [outcome.status for outcome in method.run(photos, tmp_path / "out", lambda done, total: None)]
    assert sorted(found) == ["anonymized", "missing", "missing", "untouched"]
    told = json.loads((tmp_path / "out" / "_run.json").read_text())
    assert sorted(told["missing"].values()) == ["no face found", "no room"]
    assert len(told["seconds"]) == 4


def test_a_checkout_is_run_where_it_lies(tmp_path: Path, photos: list[Path]) -> None:
    checkout = tmp_path / "deep_privacy2"
    (checkout / "configs" / "anonymizers").mkdir(parents=True)
    (checkout / "configs" / "anonymizers" / "face.py").write_text("")
    (checkout / "anonymize.py").write_text(
        "import sys\nfrom pathlib import Path\nfrom PIL import Image\n"
        "assert Path.cwd() == Path(sys.argv[0]).parent and sys.argv[1].endswith('face.py')\n"
        "given, made = Path(sys.argv[3]), Path(sys.argv[5])\n"
        "for path in given.iterdir():\n    Image.open(path).rotate(90).save(made / path.name)\n"
    )
    method = make_adapter("deepprivacy2", str(checkout))
    found = method.run(photos, tmp_path / "out", lambda done, total: None)
    assert [outcome.status for outcome in found] == ["anonymized"] * 4


def test_every_system_of_the_paper_has_an_adapter(tmp_path: Path, photos: list[Path]) -> None:
    assert set(ADAPTERS) == {"nullface", "fams", "falco", "riddle", "ldfa", "deepprivacy2"}
    for name in ("falco", "riddle", "ldfa"):
        (outcome, *_) = make_adapter(name, str(tmp_path)).run(photos, tmp_path, lambda done, total: None)
        assert outcome.status == "missing"
    with pytest.raises(UsageError, match="falco"):
        make_adapter("magic", "here")
    with pytest.raises(InputError, match="anonymize"):
        make_adapter("fams", str(tmp_path / "nowhere.py"))


def test_processes_side_by_side_make_what_one_makes(astronaut: Any, hopper: Any, tmp_path: Path) -> None:
    photos = []
    for name, portrait in (("astronaut", astronaut), ("hopper", hopper)):
        for size in (200, 240):
            photos.append(tmp_path / f"{name}{size}.png")
            Image.fromarray(portrait.image_rgb).resize((size, size)).save(photos[-1])
    done: list[int] = []
    two = EngineMethod("compact", workers=2, seed=3, drawing="unverified")
    beside = two.run(photos, tmp_path / "two", lambda number, total: done.append(number))
    alone = EngineMethod("compact", seed=3, drawing="unverified").run(
        photos, tmp_path / "one", lambda number, total: None
    )
    assert done == [1, 2, 3, 4]
    assert [o.status for o in beside] == [o.status for o in alone] == ["anonymized"] * 4
    for one, other in zip(alone, beside, strict=True):
        assert one.path is not None
        assert other.path is not None
        before, after = (np.asarray(Image.open(o.path), np.int16) for o in (one, other))
        assert np.abs(before - after).mean() < 0.5  # threads round otherwise


def test_outputs_of_another_program_are_not_taken_for_this_one_s(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, text in (("engine.py", "a = 1"), ("bench/tables.py", "b = 1")):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(methods, "_PACKAGE", tmp_path)

    def key() -> str:
        methods.program.cache_clear()
        return methods.program()

    first = key()
    (tmp_path / "bench/tables.py").write_text("b = 2")
    assert key() == first
    (tmp_path / "engine.py").write_text("a = 2")
    assert key() != first
    monkeypatch.undo()
    methods.program.cache_clear()


def test_nobodys_face_is_the_same_whoever_draws_it_and_is_the_persons_no_more(astronaut: Any) -> None:
    one, other = (EngineMethod("compact", drawing="nobody", seed=seed) for seed in (1, 2))
    (drawn, status), (again, _) = one(astronaut.image_rgb), other(astronaut.image_rgb)
    assert status == "anonymized"
    assert np.array_equal(drawn, again)
    changed = (drawn != astronaut.image_rgb).any(2)
    assert 0.02 < changed.mean() < 0.5
    engine = cast(CompactEngine, one.anonymizer.engine)
    encoded = engine.encode(astronaut.image_rgb, astronaut.face)
    nobody, kept = engine.nobody(encoded), engine._codec.kept == 1
    assert np.array_equal(nobody[kept], cast(Any, encoded.x0)[kept])
    assert np.abs(engine._codec.own(nobody)).max() < 1e-4 < np.abs(engine._codec.own(cast(Any, encoded.x0))).max()

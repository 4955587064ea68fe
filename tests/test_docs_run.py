"""The commands in the documentation do what it says they do."""

from __future__ import annotations

import io
import json
import os
import shlex
import shutil
import tarfile
from collections.abc import Iterator
from fractions import Fraction
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import av
import numpy as np
import pytest
from PIL import Image

from documented import PAGES, mentions
from reverse_personalization.bench import judging, kinds
from reverse_personalization.cli import main

SERVES, HUB, CLUSTER = "serves until it is stopped", "needs a hub", "needs a cluster, or a GPU"
PLUGIN, NAME = "needs the plugin of its page", "only names a command, without what that needs"
NOT_RUN: Final = {
    "revpers ui": SERVES,
    "revpers live": SERVES,
    "revpers live 1": SERVES,
    "revpers live clip.mp4": SERVES,
    "revpers serve": SERVES,
    "revpers models pull --engine sdxl": HUB,
    "revpers models pull sd15 faceid-sd15": HUB,
    "revpers models convert faceid-sdxl faceid-sdxl.safetensors": HUB,
    "revpers anonymize photo.jpg -o out.jpg --engine sdxl --guidance -10 --skip 0.7 --steps 100 "
    '--attributes "an old man"': HUB,
    "revpers cluster /shared/photos -o /shared/anonymized --address auto --workers 64": CLUSTER,
    "revpers cluster /shared/photos -o /shared/anonymized --address auto --workers 8 --gpus 1 --engine sdxl "
    "--set quality=paper": CLUSTER,
    "revpers train compact --data FOLDER --out compact.safetensors": "needs thousands of photos",
    "revpers train obstacles --data FOLDER --out obstacles.safetensors": "needs thousands of photos, and torch",
    "revpers anonymize photo.jpg -o out.jpg --verifiers thumbnail --detector upright --engine calm": PLUGIN,
    "revpers bench run --dataset lfw --out report --recogniser thumbnail": PLUGIN,
    "revpers anonymize": NAME,
    "revpers anonymize clip.mp4": NAME,
    "revpers inspect": NAME,
    "revpers models pull": NAME,
    "revpers models convert": NAME,
    "revpers bench run": NAME,
    "revpers bench run --recogniser": NAME,
    "revpers bench attributes": NAME,
}
# By what shows in a command that it needs something, and whether that is here.
NEEDS: Final = {
    "revpers cluster": find_spec("ray") is not None,
    ".parquet": find_spec("pyarrow") is not None,
    "--c2pa": find_spec("c2pa") is not None,
    "--codec hevc": "libx265" in av.codecs_available,
}
# Appended to what the bench is told, as a hundred people would take minutes; the last value of an option holds.
FEW = ("--limit", "2")
# Two people do not pay for processes that load the models again.
FEWER: Final = {
    "run": (*FEW, "--workers", "1"),
    "strength": (*FEW, "--at", "0.5,1"),
    "attributes": FEW,
    "consistency": FEW,
    "nearest": FEW,
    "calibrate": ("--false-match-rate", "0.3"),
}
OUTPUTS = ("-o", "--out", "--contact-sheet", "--page", "--manifest")


def encoded(picture: Image.Image) -> bytes:
    file = io.BytesIO()
    picture.save(file, "JPEG")
    return file.getvalue()


def portraits(astronaut: Any, hopper: Any) -> list[Image.Image]:
    """Two people, 224 x 224 pixels."""
    cut = astronaut.image_rgb[:256, 96:352], hopper.image_rgb[60:372, 100:412]
    return [Image.fromarray(of).resize((224, 224)) for of in cut]


def turned(person: Image.Image, degrees: int) -> Image.Image:
    return person.rotate(degrees, fillcolor=(90, 90, 90))


def save(picture: Image.Image, *paths: str) -> None:
    for path in paths:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        picture.save(path)


def make_photos(one: Image.Image, other: Image.Image) -> None:
    both = Image.fromarray(np.hstack([one, other]))
    save(one, "photo.jpg", "photos/1.jpg", "holiday/1.jpg", "album/1.jpg", "scans/1.tif", "shared/photos/1.jpg")
    save(other, "photos/more/2.jpg", "holiday/beach/2.png", "family/2.jpg", "shared/in/2.jpg")
    save(turned(one, 3), "album/2.jpg", "scans/2.tif")
    save(both, "party/1.jpg")


def make_clip(person: Image.Image) -> None:
    """Eight frames in sixteen seconds, so that there is something after the tenth."""
    with av.open("clip.mp4", "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(1, 2))
        stream.height, stream.width, stream.pix_fmt = 224, 224, "yuv420p"
        for shift in range(8):
            frame = av.VideoFrame.from_ndarray(np.roll(np.asarray(person), shift, 1), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def make_shards(person: Image.Image) -> None:
    content = encoded(person)
    Path("shards").mkdir()
    for name in ("faces.tar", "faces-000.tar", "shards/000.tar"):
        with tarfile.open(name, "w") as file:
            member = tarfile.TarInfo("0.jpg")
            member.size = len(content)
            file.addfile(member, io.BytesIO(content))
    if NEEDS[".parquet"]:
        from pyarrow import Table, parquet

        row = {"image": {"bytes": content, "path": "0.jpg"}, "label": 5}
        parquet.write_table(Table.from_pylist([row]), "train.parquet")


def make_data_sets(one: Image.Image, other: Image.Image) -> None:
    """Twelve people with two photos, three of them in another folder as well, and labelled portraits."""
    for number in range(12):
        for photo in range(2):
            picture = turned((one, other)[number % 2].resize((210 + 10 * (number // 2), 224)), 3 * photo)
            folders = ("lfw", "FOLDER") if number < 3 else ("lfw",)
            save(picture, *(f"{folder}/{number:02}/{photo}.jpg" for folder in folders))
    lines = ["file,prompt"]
    for number in range(28):
        save(turned((one, other)[number % 2], number - 14), f"portraits/{number}.jpg", f"sdfd/{number}.jpg")
        lines.append(f"{number}.jpg,{('a girl', 'a 40-year-old man with a beard')[number % 2]}")
    Path("labels.csv").write_text("\n".join(lines), "utf-8")


def make_certificates() -> None:
    if NEEDS["--c2pa"]:
        from certificates import make_chain

        make_chain(Path()).root.rename("authorities.pem")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, astronaut: Any, hopper: Any) -> Iterator[Path]:
    """The working directory, with all that the commands name."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("docs"))
        # Other processes would take longer to load the models than these few photos take.
        patch.setattr(os, "cpu_count", lambda: 1)
        # Judges that are any good learn from more photos; these only have to speak.
        for learner in (judging, kinds):
            patch.setattr(learner, "LEAST", 5)
        people = portraits(astronaut, hopper)
        make_photos(*people)
        make_clip(people[0])
        make_shards(people[0])
        make_data_sets(*people)
        make_certificates()
        yield Path.cwd()


def outputs(arguments: list[str]) -> list[Path]:
    return [Path(value) for option, value in pairwise(arguments) if option in OUTPUTS]


def remove(path: Path) -> None:
    """An earlier command's output, and its record."""
    for each in (path, Path(f"{path}.json")):
        if each.is_dir():
            shutil.rmtree(each)
        else:
            each.unlink(missing_ok=True)


def files_below(path: Path) -> list[Path]:
    return [each for each in path.rglob("*") if each.is_file()] if path.is_dir() else [path]


def verdicts(path: Path) -> set[str]:
    """Of all faces in a photo's, a video's or a shard's record."""
    record = json.loads(path.read_text("utf-8"))
    faces = record["tracks"] if "tracks" in record else record["faces"]
    return set(faces) if isinstance(faces, dict) else {face["verdict"] for face in faces}


def check_records(output: Path) -> None:
    made = [path for path in files_below(output) if path.suffix not in {".json", ".jsonl"}]
    assert made
    for path in made:
        assert path.stat().st_size
        found = verdicts(Path(f"{path}.json"))
        assert found
        assert found <= {"anonymized", "obscured", "kept"}


def run(line: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = shlex.split(line.replace("/shared/", f"{folder}/shared/"))[1:]
    named = outputs(arguments)
    if arguments[0] == "bench":
        # What is kept beside the report serves the next command.
        arguments += FEWER.get(arguments[1], ())
    else:
        for path in named:
            remove(path)
    code = main(arguments)
    told = capsys.readouterr()
    assert code == 0, told.err
    assert told.out.strip() or (named and arguments[0] != "bench")
    if "--dry-run" in arguments:
        assert not any(path.exists() for path in named)
        return
    for path in named:
        assert any(each.stat().st_size for each in files_below(path))
    if arguments[0] in {"anonymize", "cluster"} and named:
        check_records(named[0])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_work(page: Path, folder: Path, capsys: pytest.CaptureFixture[str], subtests: pytest.Subtests) -> None:
    for line in mentions(page):
        if line in NOT_RUN:
            continue
        with subtests.test(line):
            lacks = [what for what, is_here in NEEDS.items() if what in line and not is_here]
            if lacks:
                pytest.skip(f"what {lacks[0]} needs is not installed")
            run(line, folder, capsys)


def test_no_reason_outlives_its_command() -> None:
    assert set(NOT_RUN) <= {line for page in PAGES for line in mentions(page)}

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from reverse_personalization import weights
from reverse_personalization.cli import doctor
from reverse_personalization.cli.doctor import EXTRAS, PACKAGES, Package, examine_extra, examine_package
from reverse_personalization.settings import Settings
from tiny_hub import make_tiny_hub
from tiny_index import TinyIndex, make_tiny_index

Revpers = Callable[..., Any]
PYPROJECT = tomllib.loads(Path(__file__).parents[2].joinpath("pyproject.toml").read_text())["project"]
OPENCV = next(package for package in PACKAGES if package.module == "cv2")


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TinyIndex:
    return make_tiny_index(tmp_path, monkeypatch)


def test_packages_are_those_of_pyproject() -> None:
    assert sorted(package.requirement for package in PACKAGES) == sorted(PYPROJECT["dependencies"])


def test_extras_are_those_of_pyproject() -> None:
    names = {
        extra: tuple(re.split("[><=]", requirement)[0] for requirement in requirements)
        for extra, requirements in PYPROJECT["optional-dependencies"].items()
        if extra not in {"lint", "test"}  # these are for who works on the program
    }
    assert names == EXTRAS


def test_the_engine_is_the_default_one() -> None:
    assert Settings().engine == doctor.DEFAULT_ENGINE


def test_a_healthy_machine(revpers: Revpers, index: TinyIndex) -> None:
    weights.pull()
    ran = revpers("doctor")
    assert ran.code == 0
    assert max(map(len, ran.out.splitlines())) <= 80
    assert all(re.search(rf"{package.name} +│ \d[\w.]* +│ ok ", ran.out) for package in PACKAGES)
    assert ran.out.endswith("The compact engine can run.\n")


def test_missing_models(revpers: Revpers, index: TinyIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "PACKAGES", ())
    monkeypatch.setenv("REVPERS_OFFLINE", "1")
    weights_here = index.place("seer")
    weights_here.parent.mkdir(parents=True)
    weights_here.write_bytes(b"damaged")
    ran = revpers("doctor", "--json")
    found = json.loads(ran.out)
    assert ran.code == found["exit_code"] == 6
    assert found["models"] == {"seer": "damaged", "knower": "missing", "teller": "missing"}
    assert found["offline"]
    assert found["cache_folder"] == str(index.cache)
    assert found["cores"] > 0
    assert found["memory"] > 2**28
    ran = revpers("doctor")
    assert ran.code == 6
    assert "Missing or damaged: seer, knower, teller; run `revpers models pull`" in ran.out


@pytest.mark.parametrize(
    ("code", "state", "problem", "remedy"),
    [
        ("__version__ = '5.0.0'", "wrong version", "opencv-python-headless>=4.11,<5 is needed", ""),
        ("__version__ = '4.10.9'", "wrong version", "opencv-python-headless>=4.11,<5 is needed", ""),
        ("raise ImportError('libGL.so.1: gone')", "broken", "ImportError: libGL.so.1", "--force-reinstall "),
        (
            "import os; os.kill(os.getpid(), 4)",
            "broken",
            "its import is ended by SIGILL",
            "--force-reinstall ",
        ),
    ],
)
def test_a_package_that_will_not_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, state: str, problem: str, remedy: str
) -> None:
    tmp_path.joinpath("cv2.py").write_text(code)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    finding = examine_package(OPENCV)
    assert finding.state == state
    assert finding.problem.startswith(problem)
    assert finding.remedy == f"pip install {remedy}'opencv-python-headless>=4.11,<5'"


def test_a_package_matters_more_than_a_model(
    revpers: Revpers, index: TinyIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = Package("pip", "pip", "9999")
    monkeypatch.setattr(doctor, "PACKAGES", (package,))
    ran = revpers("doctor")
    assert ran.code == 1
    assert "pip: pip>=9999 is needed; pip install 'pip>=9999'." in ran.out
    assert "can run" not in ran.out


def test_a_package_that_is_not_there() -> None:
    finding = examine_package(Package("no-such-distribution", "no_such_module.inside", "1.2"))
    assert (finding.state, finding.remedy) == ("missing", "pip install 'no-such-distribution>=1.2'")


@pytest.mark.parametrize(
    ("number", "accepted"),
    [
        ("4.11", True),
        ("4.14.0.94", True),
        ("4.9.0", False),
        ("5.0.0-dev", False),
        ("4.11.0rc1", True),
        ("?", True),
    ],
)
def test_versions_are_compared_as_numbers(number: str, accepted: bool) -> None:
    assert OPENCV.accepts(number) is accepted


def test_an_extra_that_is_not_there() -> None:
    finding = examine_extra("heic", ("pip", "no-such-distribution"))
    assert finding.versions == {"pip": version("pip"), "no-such-distribution": ""}
    assert finding.missing == ("no-such-distribution",)
    assert finding.remedy == "pip install 'reverse-personalization[heic]'"
    assert examine_extra("heic", ("pip",)).remedy == ""


def test_versions_and_remedies_of_extras_are_shown(
    revpers: Revpers, index: TinyIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    extras = {"good": ("pip",), "some": ("pip", "no-such"), "none": ("no-such",)}
    monkeypatch.setattr(doctor, "PACKAGES", ())
    monkeypatch.setattr(doctor, "EXTRAS", extras)
    out = revpers("doctor").out
    for name, state, packages in (
        ("good", "ok", f"pip {version('pip')}"),
        ("some", "incomplete", f"pip {version('pip')}, no-such -"),
        ("none", "not installed", "no-such -"),
    ):
        assert re.search(rf"{name} +│ {state} +│ {re.escape(packages)} +│", out)
        sentence = f"Extra {name}: pip install 'reverse-personalization[{name}]'."
        assert (sentence in out) == (name != "good")
    found = json.loads(revpers("doctor", "--json").out)["extras"]
    assert [extra["missing"] for extra in found] == [[], ["no-such"], ["no-such"]]


def test_the_models_of_the_hub_are_offered_and_not_demanded(
    revpers: Revpers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_tiny_hub(tmp_path, monkeypatch)
    monkeypatch.setattr(doctor, "PACKAGES", ())
    ran = revpers("doctor")
    assert ran.code == 0
    assert "For --engine sdxl: `revpers models pull --engine sdxl`" in ran.out
    assert "The compact engine can run." in ran.out

"""The container's files: nobody special runs it, nothing can be written but its folder, no private name."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer

from reverse_personalization.cli import app

yaml = pytest.importorskip("yaml", reason="PyYAML is not installed")

ROOT = Path(__file__).parents[1]
FILES = ("Dockerfile", "compose.yaml", ".dockerignore")


@pytest.fixture(scope="module")
def steps() -> list[tuple[str, str]]:
    """Instructions of the Dockerfile: name and rest."""
    text = re.sub(r"\\\n", " ", (ROOT / "Dockerfile").read_text("utf-8"))
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [(line.split(None, 1)[0], line.split(None, 1)[1]) for line in lines]


@pytest.fixture(scope="module")
def service() -> dict[str, Any]:
    (one,) = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))["services"].values()
    return dict(one)


def test_every_image_is_the_public_python_one(steps: list[tuple[str, str]]) -> None:
    images = [rest.split()[0] for name, rest in steps if name == "FROM"]
    assert images
    assert all(re.fullmatch(r"python:3\.\d+-slim", image) for image in images)


def test_nobody_special_runs_it(steps: list[tuple[str, str]], service: dict[str, Any]) -> None:
    last = max(i for i, (name, _) in enumerate(steps) if name == "FROM")
    users = [(i, rest) for i, (name, rest) in enumerate(steps) if name == "USER" and i > last]
    ((at, user),) = users
    assert re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", user)
    assert service["user"] == user
    assert not [name for name, _ in steps[at:] if name in ("RUN", "COPY", "ADD")]
    assert any(name == "RUN" and "/data" in rest and f"-o {user.split(':')[0]} " in rest for name, rest in steps)


def test_nothing_can_be_written_but_its_folder(steps: list[tuple[str, str]], service: dict[str, Any]) -> None:
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not {"privileged", "cap_add", "network_mode", "devices", "pid"} & set(service)
    assert service["tmpfs"] == ["/tmp"]  # noqa: S108
    assert [volume.split(":")[1] for volume in service["volumes"]] == ["/data"]
    assert ("VOLUME", "/data") in steps
    assert not any(volume.startswith((".", "/", "~")) for volume in service["volumes"])


def test_only_this_machine_reaches_it_and_with_a_key(service: dict[str, Any]) -> None:
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])
    assert re.fullmatch(r"\$\{REVPERS_API_KEYS:\?.+\}", service["environment"]["REVPERS_API_KEYS"])


def test_it_needs_no_network_when_it_runs(steps: list[tuple[str, str]]) -> None:
    environment = " ".join(rest for name, rest in steps if name == "ENV")
    assert "REVPERS_OFFLINE=1" in environment
    (folder,) = set(re.findall(r"REVPERS_CACHE=(\S+)", " ".join(rest for _, rest in steps)))
    assert any(name == "RUN" and "revpers models pull" in rest for name, rest in steps)
    assert ("COPY", f"--from=build {folder} {folder}") in steps


def test_its_commands_are_commands(steps: list[tuple[str, str]]) -> None:
    given = {name: json.loads(rest) for name, rest in steps if name in ("ENTRYPOINT", "CMD")}
    assert given["ENTRYPOINT"] == ["revpers"]
    command = typer.main.get_command(app)
    with command.make_context("revpers", [], resilient_parsing=True) as context:
        _, chosen, arguments = command.resolve_command(context, given["CMD"])  # type: ignore[attr-defined]
        chosen.make_context("serve", arguments, parent=context)
    health = next(rest for name, rest in steps if name == "HEALTHCHECK")
    python, option, code = json.loads(health[health.index("[") :])
    assert (python, option) == ("python", "-c")
    compile(code, "healthcheck", "exec")


def test_what_is_copied_is_there_and_is_let_in(steps: list[tuple[str, str]]) -> None:
    let_in = {line[1:] for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines() if line.startswith("!")}
    copied = {
        part for name, rest in steps if name == "COPY" and "--from" not in rest for part in shlex.split(rest)[:-1]
    }
    assert copied == let_in
    assert all((ROOT / part).exists() for part in copied)


@pytest.mark.parametrize("file", FILES)
def test_no_registry_and_no_place_of_somebodys_machine_is_named(file: str) -> None:
    text = (ROOT / file).read_text("utf-8")
    hosts = set(re.findall(r"https?://([^/,\s'\"]+)", text))
    assert hosts <= {"127.0.0.1:8000"}
    assert not re.search(r"/(work|home|Users|root|mnt)\b", text)
    assert not re.search(r"--(extra-)?index-url|\.(io|com|org|net)/", text)

"""The server with the real engine: results, records, and everything that clients do wrong."""

from __future__ import annotations

import io
import json
import logging
import random
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from PIL import Image

from reverse_personalization import Anonymizer
from reverse_personalization.cli import main
from reverse_personalization.media.shredding import shred
from reverse_personalization.server.app import Config, Limits, create_app
from reverse_personalization.server.jobs import JobStore
from reverse_personalization.settings import Settings

KEY = "correct-horse"
JPEG = {"content-type": "image/jpeg"}
BASE = "http://127.0.0.1"


@pytest.fixture(scope="module")
def photo(astronaut: Any) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(astronaut.image_rgb).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture(scope="module")
def anonymizer() -> Anonymizer:
    return Anonymizer(seed=1)


@pytest.fixture
def config(tmp_path: Path, anonymizer: Anonymizer) -> Config:
    return Config(tmp_path / "jobs", lambda settings: anonymizer, Settings(seed=1), limits=Limits(per_minute=5000))


@pytest.fixture
def client(config: Config) -> Iterator[TestClient]:
    with TestClient(create_app(config), base_url=BASE) as opened:
        yield opened


def ended(client: TestClient, job: str) -> str:
    for _ in range(400):
        status = client.get(f"/v1/jobs/{job}").json()["status"]
        if status in ("done", "failed"):
            return str(status)
        time.sleep(0.05)
    raise AssertionError("the job never ended")


def test_submit_poll_fetch_delete(client: TestClient, config: Config, photo: bytes) -> None:
    answer = client.post("/v1/jobs", content=photo, headers=JPEG)
    assert answer.status_code == 202
    job = answer.json()["id"]
    assert ended(client, job) == "done"
    result = client.get(f"/v1/jobs/{job}/result")
    assert result.headers["content-type"] == "image/png"
    assert Image.open(io.BytesIO(result.content)).size == (512, 512)
    record = client.get(f"/v1/jobs/{job}/record").json()
    assert [face["verdict"] for face in record["faces"]] == ["anonymized"]
    assert record["source"] == {"file": "photo"}
    assert not list(config.folder.glob("*.in"))
    assert client.delete(f"/v1/jobs/{job}").status_code == 204
    assert client.get(f"/v1/jobs/{job}").status_code == client.delete(f"/v1/jobs/{job}").status_code == 404
    assert {path.name for path in config.folder.iterdir()} == {"jobs.sqlite"}


def test_waiting_gives_what_the_command_gives(client: TestClient, photo: bytes, tmp_path: Path) -> None:
    answer = client.post("/v1/anonymize", content=photo, headers=JPEG)
    assert answer.status_code == 200
    (tmp_path / "photo.png").write_bytes(photo)
    assert main(["anonymize", str(tmp_path / "photo.png"), "-o", str(tmp_path / "out.png"), "--seed", "1"]) == 0
    with Image.open(io.BytesIO(answer.content)) as served, Image.open(tmp_path / "out.png") as written:
        assert served.tobytes() == written.tobytes()
    assert client.get(f"/v1/jobs/{answer.headers['x-job-id']}/record").status_code == 200


@pytest.mark.parametrize(
    ("content", "headers", "status"),
    [
        (b"", JPEG, 422),
        (b"dear diary", JPEG, 415),
        (b"<svg/>", {"content-type": "image/svg+xml"}, 415),
        (b"x", {"content-type": "text/plain"}, 415),
        (b"x" * 2_000_001, JPEG, 413),
    ],
)
def test_wrong_photos_get_a_sentence(config: Config, content: bytes, headers: dict[str, str], status: int) -> None:
    small = Config(config.folder, config.load, config.settings, limits=Limits(upload_bytes=2_000_000))
    with TestClient(create_app(small), base_url=BASE) as client:
        answer = client.post("/v1/anonymize", content=content, headers=headers)
    assert answer.status_code == status
    assert answer.json()["detail"].endswith((".", ")."))
    assert str(config.folder) not in answer.text


def test_a_bomb_and_a_photo_without_faces(client: TestClient) -> None:
    for image, status in ((Image.new("1", (20_000, 20_000)), 413), (Image.new("RGB", (64, 64)), 422)):
        buffer = io.BytesIO()
        image.save(buffer, "PNG")
        assert client.post("/v1/anonymize", content=buffer.getvalue(), headers=JPEG).status_code == status


def test_broken_photos_break_nothing(client: TestClient) -> None:
    generator = random.Random(0)  # noqa: S311
    buffer = io.BytesIO()
    Image.effect_noise((24, 24), 60).convert("RGB").save(buffer, "JPEG")
    for _ in range(200):
        content = bytearray(buffer.getvalue())
        for _ in range(generator.randint(1, 12)):
            content[generator.randrange(len(content))] = generator.randrange(256)
        answer = client.post(
            "/v1/anonymize", content=bytes(content[: generator.randint(1, len(content))]), headers=JPEG
        )
        assert answer.status_code in (415, 422), answer.text
    assert client.get("/healthz").json() == {"status": "ok"}


@pytest.mark.parametrize("name", ["..%2f..%2fetc%2fpasswd", "%2e%2e", "jobs.sqlite", "0" * 31, "G" * 32, "0" * 32])
def test_names_are_no_paths(client: TestClient, name: str) -> None:
    for path in (f"/v1/jobs/{name}", f"/v1/jobs/{name}/result", f"/v1/jobs/{name}/record"):
        assert client.get(path).status_code in (404, 422)


def test_keys_are_asked_for(config: Config, photo: bytes, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    guarded = Config(config.folder, config.load, config.settings, keys=("other", KEY))
    with TestClient(create_app(guarded), base_url=BASE) as client:
        for headers in (JPEG, JPEG | {"x-api-key": "wrong"}, JPEG | {"x-api-key": ""}, JPEG | {"x-api-key": KEY[:-1]}):
            assert client.post("/v1/jobs", content=photo, headers=headers).status_code == 401
        assert client.get(f"/v1/jobs/{'0' * 32}").status_code == 401
        answer = client.post("/v1/jobs", content=photo, headers=JPEG | {"x-api-key": KEY})
        assert answer.status_code == 202
        numbers = client.get("/metrics").text
    assert 'revpers_refused_total{reason="key"} 4.0' in numbers or 'reason="key"} 5.0' in numbers
    assert KEY not in caplog.text + numbers
    assert answer.json()["id"] not in numbers


def test_other_sites_do_not_reach_it(client: TestClient, photo: bytes) -> None:
    assert client.get("/healthz", headers={"host": "evil.example"}).status_code == 400
    answer = client.post("/v1/jobs", content=photo, headers=JPEG | {"origin": "https://evil.example"})
    assert "access-control-allow-origin" not in answer.headers


def test_at_overload_it_says_so(config: Config, photo: bytes) -> None:
    hold = threading.Event()

    class Slow:
        def anonymize(self, photo: Any) -> Any:
            hold.wait(20)
            raise ValueError("never done")

    load: Any = lambda settings: Slow()  # noqa: E731
    crowded = Config(config.folder, load, config.settings, limits=Limits(waiting=3, per_minute=6))
    with TestClient(create_app(crowded), base_url=BASE) as client:
        answers = [client.post("/v1/jobs", content=photo, headers=JPEG) for _ in range(8)]
        hold.set()
    assert [answer.status_code for answer in answers] == [202, 202, 202, 429, 429, 429, 429, 429]
    told = [answer.json()["detail"] for answer in (answers[3], answers[7])]
    assert told == ["Too many jobs are waiting; come back later.", "Too many jobs in this minute; wait."]


def test_jobs_survive_a_restart(config: Config, photo: bytes) -> None:
    store = JobStore(config.folder)
    job = store.add(photo)
    assert job is not None
    taken = store.take()
    assert taken is not None
    assert taken.status == "running"
    with TestClient(create_app(config), base_url=BASE) as client:
        assert ended(client, job.id) == "done"


def test_results_expire_and_are_shredded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = JobStore(tmp_path)
    done, waiting = store.add(b"secret"), store.add(b"secret")
    assert done is not None
    assert waiting is not None
    store.finish(done.id, b"result", b"{}")
    assert store.expire(3600) == 0
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 4000)
    assert store.expire(3600) == 1
    assert store.get(done.id) is None
    assert store.get(waiting.id) is not None
    assert not store.output(done).exists()
    held = tmp_path / "held"
    held.write_bytes(b"secret")
    with held.open("rb") as still_open:
        shred(held)
        assert still_open.read() == bytes(6)
    assert not held.exists()


def test_deleted_while_it_runs_leaves_nothing(tmp_path: Path) -> None:
    store = JobStore(tmp_path)
    job = store.add(b"photo")
    assert job is not None
    store.take()
    threads = [threading.Thread(target=store.delete, args=(job.id,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    store.finish(job.id, b"result", b"{}")
    assert {path.name for path in tmp_path.iterdir()} == {"jobs.sqlite"}


def test_files_are_the_owners_alone(tmp_path: Path) -> None:
    store = JobStore(tmp_path / "jobs")
    job = store.add(b"photo")
    assert job is not None
    assert (tmp_path / "jobs").stat().st_mode & 0o777 == 0o700
    assert store.input(job.id).stat().st_mode & 0o777 == 0o600


def test_the_interface_is_described(client: TestClient) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    assert set(paths) >= {"/v1/jobs", "/v1/jobs/{job_id}", "/v1/anonymize", "/healthz", "/metrics"}
    assert "image/*" in paths["/v1/jobs"]["post"]["requestBody"]["content"]


def test_other_machines_need_keys(capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REVPERS_API_KEYS", raising=False)
    assert main(["serve", "--host", "0.0.0.0"]) == 2  # noqa: S104
    assert "REVPERS_API_KEYS" in capsys.readouterr().err


def test_a_port_that_is_taken(capsys: Any, tmp_path: Path) -> None:
    """Wrong options, since nothing was done; and nobody is told that it listens."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        assert main(["serve", "--port", str(port), "--folder", str(tmp_path / "jobs")]) == 2
    assert capsys.readouterr().err == f"error: Port {port} is taken; give another --port.\n"
    assert not (tmp_path / "jobs").exists()


def test_an_address_of_another_machine(capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REVPERS_API_KEYS", KEY)
    assert main(["serve", "--host", "192.0.2.1"]) == 2
    assert "error: Cannot listen on 192.0.2.1, port 8000: " in capsys.readouterr().err


def test_inspect_tells_marks_and_records(photo: bytes, tmp_path: Path, capsys: Any) -> None:
    source, out = tmp_path / "photo.png", tmp_path / "out.png"
    source.write_bytes(photo)
    assert main(["anonymize", str(source), "-o", str(out)]) == 0
    capsys.readouterr()
    assert main(["inspect", str(out), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["digital_source_type"].endswith("compositeWithTrainedAlgorithmicMedia")
    assert told["record"] == "matches"
    Image.open(out).save(out)
    assert main(["inspect", str(out)]) == 1
    assert "differs" in capsys.readouterr().out
    assert main(["inspect", str(source)]) == 1
    assert "missing" in capsys.readouterr().out
    assert main(["inspect", str(tmp_path / "nothing.png")]) == 4


def test_the_limit_holds_however_slowly_photos_come(tmp_path: Path) -> None:
    store = JobStore(tmp_path)
    assert [store.add(b"photo", most=2) is not None for _ in range(4)] == [True, True, False, False]
    assert len(list(tmp_path.glob("*.in"))) == 2


def test_what_a_crash_left_goes_at_the_next_start(tmp_path: Path) -> None:
    store = JobStore(tmp_path)
    kept = store.add(b"photo")
    assert kept is not None
    for name in (f"{'a' * 32}.in", f"{'b' * 32}.png", f"{'c' * 32}.partial"):
        (tmp_path / name).write_bytes(b"left")
    JobStore(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"jobs.sqlite", f"{kept.id}.in"}


def test_results_expire_while_others_wait(config: Config, photo: bytes) -> None:
    store = JobStore(config.folder)
    old = store.add(photo)
    assert old is not None
    store.finish(old.id, b"result", b"{}")
    for _ in range(3):
        store.add(b"no photo")
    brief = Config(config.folder, config.load, config.settings, limits=Limits(keep_seconds=0))
    with TestClient(create_app(brief), base_url=BASE):
        for _ in range(100):
            if store.get(old.id) is None:
                break
            time.sleep(0.02)
    assert store.get(old.id) is None
    assert not store.output(old).exists()

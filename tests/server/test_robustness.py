"""What goes wrong with a server that nobody watches: deletion in the middle, deadly photos, a failing disk."""

from __future__ import annotations

import asyncio
import io
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image
from video_clips import scene, write_clip

from reverse_personalization.anonymizer import Anonymizer
from reverse_personalization.server import app as server
from reverse_personalization.server.app import Config, Limits, RateLimit, create_app
from reverse_personalization.server.jobs import ATTEMPTS, DEADLY, JobStore
from reverse_personalization.server.worker import Worker
from reverse_personalization.settings import Settings
from reverse_personalization.video.reading import UnreadableVideoError, VideoReader

BASE = "http://127.0.0.1"
JPEG = {"content-type": "image/jpeg"}


def never(settings: Settings) -> Any:
    raise AssertionError("not to be loaded")


def until(done: Callable[[], Any], seconds: float = 20) -> Any:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if value := done():
            return value
        time.sleep(0.02)
    raise AssertionError("it never happened")


def finished(store: JobStore, size: int = 3_000_000) -> str:
    """A job's name, done by the test: a worker that runs beside would take it in between."""
    job = store.add(b"photo")
    assert job is not None
    store.take()
    store.finish(job.id, b"\1" * size, b'{"ok": 1}')
    return job.id


def test_fetching_while_it_is_deleted_is_whole_or_not_found(tmp_path: Path) -> None:
    """Neither half a picture, nor zeros, nor an error of the server."""
    config = Config(tmp_path, never)
    seen: set[int] = set()
    client = TestClient(create_app(config), base_url=BASE, raise_server_exceptions=False)
    store = JobStore(tmp_path)
    for _ in range(12):
        job_id = finished(store)
        answers: list[Any] = []

        def fetch(job_id: str = job_id, answers: list[Any] = answers) -> None:
            for _ in range(6):
                answers.append(client.get(f"/v1/jobs/{job_id}/result"))

        threads = [threading.Thread(target=fetch) for _ in range(3)]
        for thread in threads:
            thread.start()
        time.sleep(0.01)
        codes = {client.delete(f"/v1/jobs/{job_id}").status_code, client.delete(f"/v1/jobs/{job_id}").status_code}
        for thread in threads:
            thread.join()
        assert codes == {204, 404}
        for answer in answers:
            seen.add(answer.status_code)
            assert answer.status_code in (200, 404)
            assert answer.status_code == 404 or answer.content == b"\1" * 3_000_000
    assert 404 in seen


def test_a_file_that_vanishes_before_it_is_read(tmp_path: Path) -> None:
    client = TestClient(create_app(Config(tmp_path, never)), base_url=BASE)
    job_id = finished(JobStore(tmp_path), 10)
    (tmp_path / f"{job_id}.png").unlink()
    assert client.get(f"/v1/jobs/{job_id}/result").status_code == 404


def test_what_is_deleted_while_it_is_read_is_not_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = JobStore(tmp_path)
    job_id = finished(store, 10)
    path, read = tmp_path / f"{job_id}.png", Path.read_bytes

    def slow(self: Path) -> bytes:
        store.delete(job_id)
        return b"zeros"

    monkeypatch.setattr(Path, "read_bytes", slow)
    assert store.content(path, job_id) is None
    monkeypatch.setattr(Path, "read_bytes", read)


def test_clients_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(server.time, "monotonic", lambda: now)
    limit = RateLimit(2)
    for i in range(1000):
        assert limit.allows(f"10.0.{i // 250}.{i % 250}")
    assert len(limit) == 1000
    now += 30
    assert limit.allows("late")
    now += 31
    assert [limit.allows("late"), limit.allows("late")] == [True, False]
    assert len(limit) == 1


def test_a_photo_that_ends_the_process_is_given_up(tmp_path: Path) -> None:
    """A real process that is killed in the middle of it, each time that it begins."""
    store = JobStore(tmp_path)
    deadly, good = store.add(b"deadly"), store.add(b"good")
    assert deadly is not None
    assert good is not None
    script = (
        "import os, signal, sys\nfrom pathlib import Path\n"
        "from reverse_personalization.server.jobs import JobStore\n"
        "store = JobStore(Path(sys.argv[1]))\njob = store.take()\n"
        "if store.input(job.id).read_bytes() == b'deadly':\n    os.kill(os.getpid(), signal.SIGKILL)\n"
        "store.finish(job.id, b'result', b'{}')\n"
    )
    codes = [
        subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=False, env=os.environ).returncode
        for _ in range(ATTEMPTS + 1)
    ]
    assert codes == [-signal.SIGKILL] * ATTEMPTS + [0]
    ended = store.get(deadly.id)
    assert ended is not None
    assert (ended.status, ended.sentence, ended.code) == ("failed", DEADLY, 500)
    assert not store.input(deadly.id).exists()
    done = store.get(good.id)
    assert done is not None
    assert done.status == "done"


def test_a_failing_database_does_not_end_the_worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reverse_personalization.server.worker.IDLE", 0.05)
    broken = threading.Event()
    take = JobStore.take

    def failing(self: JobStore) -> Any:
        if broken.is_set():
            raise sqlite3.OperationalError("disk I/O error")
        return take(self)

    monkeypatch.setattr(JobStore, "take", failing)
    config = Config(tmp_path, never, limits=Limits(per_minute=1000))
    with TestClient(create_app(config), base_url=BASE) as client:
        broken.set()
        until(lambda: client.get("/healthz").status_code == 503)
        assert client.get("/healthz").json() == {"detail": "Jobs cannot be read or written (OperationalError)."}
        job = client.post("/v1/jobs", content=b"no photo", headers=JPEG).json()["id"]
        broken.clear()
        until(lambda: client.get(f"/v1/jobs/{job}").json()["status"] == "failed")
        assert client.get("/healthz").status_code == 200


def test_a_job_whose_end_could_not_be_written_is_done_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reverse_personalization.server.worker.IDLE", 0.05)
    store, failures = JobStore(tmp_path), iter([True, False, False])
    fail = JobStore.fail

    def failing(self: JobStore, *arguments: Any) -> None:
        if next(failures):
            raise sqlite3.OperationalError("database is locked")
        fail(self, *arguments)

    monkeypatch.setattr(JobStore, "fail", failing)
    job = store.add(b"no photo")
    assert job is not None
    worker = Worker(store, Settings(), never, keep_seconds=3600)
    worker.start()
    try:
        ended = until(lambda: (got := store.get(job.id)) and got.status == "failed" and got)
    finally:
        worker.stop()
    assert ended.status == "failed"
    assert not worker.trouble


def test_a_folder_of_an_earlier_version_is_taken_over(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "jobs.sqlite") as database:
        database.execute("CREATE TABLE jobs (id TEXT PRIMARY KEY, status TEXT, created REAL, sentence TEXT, code INT)")
        database.execute("INSERT INTO jobs VALUES (?, 'running', 1.0, '', 0)", ("a" * 32,))
        database.execute("INSERT INTO jobs VALUES (?, 'failed', 2.0, 'No photo.', 4)", ("b" * 32,))
    store = JobStore(tmp_path)
    job = store.take()
    assert job is not None
    assert (job.id, job.media, job.status) == ("a" * 32, "image", "running")
    answer = TestClient(create_app(Config(tmp_path, never)), base_url=BASE).get(f"/v1/jobs/{'b' * 32}/result")
    assert (answer.status_code, answer.json()) == (500, {"detail": "No photo."})


def test_what_a_crash_left_in_the_working_folder_goes(tmp_path: Path) -> None:
    store = JobStore(tmp_path)
    job = store.add(b"a video", media="video")
    assert job is not None
    work = tmp_path / "tmpabc"
    work.mkdir()
    os.link(store.input(job.id), work / "video")
    (work / "result.mp4").write_bytes(b"half")
    JobStore(tmp_path)
    assert not work.exists()
    assert store.input(job.id).read_bytes() == b"a video"


def test_a_slow_upload_that_breaks_off_leaves_nothing(tmp_path: Path) -> None:
    small = Config(tmp_path, never, limits=Limits(upload_bytes=1000, video_bytes=2000))
    with TestClient(create_app(small), base_url=BASE) as client:
        chunks = (b"x" * 300 for _ in range(10))
        assert client.post("/v1/jobs", content=chunks, headers=JPEG).status_code == 413
        chunks = (b"x" * 300 for _ in range(10))
        assert client.post("/v1/jobs", content=chunks, headers={"content-type": "video/mp4"}).status_code == 413
        assert client.post("/v1/jobs", content=b"", headers=JPEG).status_code == 422
    assert {path.name for path in tmp_path.iterdir()} == {"jobs.sqlite"}


def test_a_client_that_goes_away_is_no_error_of_the_server(tmp_path: Path) -> None:
    """An exception that leaves the application is one that uvicorn logs with a trace."""
    coming = iter([{"type": "http.request", "body": b"x" * 300, "more_body": True}, {"type": "http.disconnect"}])
    sent: list[Any] = []

    async def receive() -> Any:
        return next(coming)

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"host", b"127.0.0.1"), (b"content-type", b"image/jpeg"), (b"content-length", b"1000")]
    scope = {"type": "http", "method": "POST", "path": "/v1/jobs", "headers": headers, "query_string": b""}
    asyncio.run(create_app(Config(tmp_path, never))(scope, receive, send))
    assert sent[0]["status"] == 400
    assert {path.name for path in tmp_path.iterdir()} == {"jobs.sqlite"}


def test_a_video_of_too_many_pixels_is_too_large(tmp_path: Path, astronaut: Any) -> None:
    clip = write_clip(tmp_path / "clip.mp4", [scene(astronaut, 0)] * 3)
    config = Config(tmp_path / "jobs", never, Settings(max_pixels=1000))
    with TestClient(create_app(config), base_url=BASE) as client:
        job = client.post("/v1/jobs", content=clip.read_bytes(), headers={"content-type": "video/mp4"}).json()["id"]
        until(lambda: client.get(f"/v1/jobs/{job}").json()["status"] == "failed")
        answer = client.get(f"/v1/jobs/{job}/result")
    assert answer.status_code == 413
    assert "more than 1000 pixels" in answer.json()["detail"]


def test_videos_are_not_waited_for(tmp_path: Path) -> None:
    with TestClient(create_app(Config(tmp_path, never)), base_url=BASE) as client:
        answer = client.post("/v1/anonymize", content=b"x", headers={"content-type": "video/mp4"})
    assert answer.status_code == 415
    assert "/v1/jobs" in answer.json()["detail"]


def load(settings: Settings) -> Anonymizer:
    return Anonymizer(settings=settings)


@pytest.mark.parametrize("seconds", [0.5, 60.0])
def test_a_video_through_the_server(tmp_path: Path, astronaut: Any, seconds: float) -> None:
    clip = write_clip(tmp_path / "clip.mp4", [scene(astronaut, i) for i in range(12)], sound=True)
    config = Config(tmp_path / "jobs", load, Settings(seed=1), limits=Limits(video_seconds=seconds))
    with TestClient(create_app(config), base_url=BASE) as client:
        job = client.post("/v1/jobs", content=clip.read_bytes(), headers={"content-type": "video/mp4"}).json()["id"]
        state = until(
            lambda: (got := client.get(f"/v1/jobs/{job}").json())["status"] in ("done", "failed") and got, seconds=90
        )
        result = client.get(f"/v1/jobs/{job}/result")
        record = client.get(f"/v1/jobs/{job}/record")
        if seconds < 1:
            assert state["sentence"] == "The video is longer than 0.5 s; send a shorter one."
            assert result.status_code == 413
        else:
            assert (state["status"], result.headers["content-type"]) == ("done", "video/mp4")
            assert record.json()["source"] == {"file": "video"}
            assert str(config.folder) not in record.text
            assert job not in record.text
            assert b"ftyp" in result.content[:64]
        assert not list(config.folder.glob("*.in"))
        assert client.delete(f"/v1/jobs/{job}").status_code == 204
    assert {path.name for path in config.folder.iterdir()} == {"jobs.sqlite"}


def test_a_video_is_given_up_when_it_is_deleted(tmp_path: Path, astronaut: Any) -> None:
    still = scene(astronaut, 3)
    clip = write_clip(tmp_path / "clip.mp4", [still for _ in range(1000)])
    config = Config(tmp_path / "jobs", load, Settings(seed=1))
    with TestClient(create_app(config), base_url=BASE) as client:
        job = client.post("/v1/jobs", content=clip.read_bytes(), headers={"content-type": "video/mp4"}).json()["id"]
        until(lambda: client.get(f"/v1/jobs/{job}").json()["status"] == "running")
        assert client.delete(f"/v1/jobs/{job}").status_code == 204
        until(lambda: {path.name for path in config.folder.iterdir()} == {"jobs.sqlite"})
        second = client.post("/v1/jobs", content=clip.read_bytes(), headers={"content-type": "video/mp4"}).json()["id"]
        until(lambda: client.get(f"/v1/jobs/{second}").json()["status"] == "running")
    store = JobStore(config.folder)
    left = store.get(second)
    assert left is not None
    assert left.status == "queued"
    assert store.input(second).read_bytes() == clip.read_bytes()


PLAYLISTS = {
    "HLS": "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nfile://{clip}\n#EXT-X-ENDLIST\n",
    "concat": "ffconcat version 1.0\nfile '{clip}'\n",
    "DASH": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><BaseURL>{clip}</BaseURL></MPD>',
}


@pytest.mark.parametrize("kind", PLAYLISTS)
def test_a_playlist_opens_no_other_file(tmp_path: Path, astronaut: Any, kind: str) -> None:
    clip = write_clip(tmp_path / "private.mp4", [scene(astronaut, 0)] * 3)
    config = Config(tmp_path / "jobs", never)
    content = PLAYLISTS[kind].format(clip=clip).encode()
    with TestClient(create_app(config), base_url=BASE) as client:
        job = client.post("/v1/jobs", content=content, headers={"content-type": "video/mp4"}).json()["id"]
        until(lambda: client.get(f"/v1/jobs/{job}").json()["status"] == "failed")
        answer = client.get(f"/v1/jobs/{job}/result")
    assert answer.status_code == 415
    assert "no video" in answer.json()["detail"]


def test_a_signed_result(tmp_path: Path, astronaut: Any) -> None:
    pytest.importorskip("c2pa", reason="the extra c2pa is not installed")
    from certificates import make_chain
    from reverse_personalization import Anonymizer
    from reverse_personalization.media.credentials import Credentials, read_credentials

    chain = make_chain(tmp_path / "chain")
    credentials = Credentials(chain.certificate, chain.key).checked()
    config = Config(tmp_path / "jobs", lambda chosen: Anonymizer(settings=chosen), credentials=credentials)
    buffer = io.BytesIO()
    Image.fromarray(np.asarray(astronaut.image_rgb)).save(buffer, "PNG")
    with TestClient(create_app(config), base_url=BASE) as client:
        answer = client.post("/v1/anonymize", content=buffer.getvalue(), headers=JPEG)
    (tmp_path / "got.png").write_bytes(answer.content)
    found = read_credentials(tmp_path / "got.png", trust=chain.root)
    assert found is not None
    assert found.state == "trusted"


@pytest.mark.parametrize(("kind", "name"), [("HLS", "list.m3u8"), ("concat", "list.ffconcat")])
def test_a_reader_opens_no_playlist_whatever_its_name(tmp_path: Path, astronaut: Any, kind: str, name: str) -> None:
    clip = write_clip(tmp_path / "private.mp4", [scene(astronaut, 0)] * 3)
    (tmp_path / name).write_text(PLAYLISTS[kind].format(clip=clip.name).replace("file://", ""))
    with av.open(str(tmp_path / name)) as opened:  # what ffmpeg would do by itself
        assert opened.streams.video
    with pytest.raises(UnreadableVideoError):
        VideoReader(tmp_path / name)

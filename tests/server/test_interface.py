"""schemathesis asks the server whatever its OpenAPI description allows, and much that it does not."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import uvicorn
from hypothesis import HealthCheck, Phase, given, settings
from PIL import Image

from reverse_personalization.anonymizer import ModelCard
from reverse_personalization.canvas import AnonymizedPhoto, FaceResult
from reverse_personalization.server.app import Config, Limits, create_app
from reverse_personalization.server.jobs import JobStore

schemathesis = pytest.importorskip("schemathesis", reason="schemathesis is not installed")
KEY = "correct-horse"
EXAMPLES = settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


class Quick:
    """An anonymizer without models: the interface is what is tested here."""

    models = (ModelCard("fake-net", "fake.onnx", "0" * 64, "CC0-1.0"),)

    def anonymize(self, photo: Any) -> AnonymizedPhoto:
        face = FaceResult((0.0, 0.0, 4.0, 4.0), 0.9, "obscured", "Obscured.", 0)
        changed = np.zeros((photo.height, photo.width), bool)
        return AnonymizedPhoto(photo.image_rgb, changed, (face,), photo)


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Config:
    load: Any = lambda settings: Quick()  # noqa: E731
    limits = Limits(per_minute=1_000_000, waiting=10_000, sync_seconds=0.2, upload_bytes=1_000_000)
    return Config(tmp_path_factory.mktemp("jobs"), load, keys=(KEY,), limits=limits, hosts=("*",))


@pytest.fixture(scope="module")
def api(config: Config) -> Iterator[Any]:
    """The description, and a real server behind it."""
    server = uvicorn.Server(uvicorn.Config(create_app(config), port=0, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.01)
    (port,) = {socket.getsockname()[1] for one in server.servers for socket in one.sockets}
    yield schemathesis.openapi.from_url(f"http://127.0.0.1:{port}/openapi.json")
    server.should_exit = True
    thread.join(20)


def test_every_request_gets_a_described_answer(api: Any) -> None:
    """No error of the server, the described statuses, content types and bodies; refused without a key."""
    asked = 0
    for found in api.get_all_operations():
        operation = found.ok()

        @EXAMPLES
        @given(case=operation.as_strategy())
        def ask(case: Any) -> None:
            nonlocal asked
            asked += 1
            case.call_and_validate(headers={"X-API-Key": KEY})

        ask()
    assert asked > 200


def test_a_job_from_beginning_to_end_is_as_described(api: Any, config: Config) -> None:
    """The answers that random requests hardly ever get."""
    buffer = io.BytesIO()
    Image.new("RGB", (16, 16)).save(buffer, "PNG")
    store = JobStore(config.folder)
    job = store.add(buffer.getvalue())
    assert job is not None
    store.finish(job.id, buffer.getvalue(), b"{}")
    for path, method in (("", "GET"), ("/result", "GET"), ("/record", "GET"), ("", "DELETE"), ("", "GET")):
        operation = api[f"/v1/jobs/{{job_id}}{path}"][method]
        case = operation.Case(path_parameters={"job_id": job.id})
        answer = case.call(headers={"X-API-Key": KEY})
        case.validate_response(answer, headers={"X-API-Key": KEY})
    assert answer.status_code == 404

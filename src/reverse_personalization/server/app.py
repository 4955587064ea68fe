"""The HTTP interface."""

import asyncio
import hmac
import threading
import time
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

from fastapi import APIRouter, Depends, FastAPI, HTTPException, Request, Response
from fastapi import Path as Part
from fastapi.responses import FileResponse, JSONResponse, PlainTextResponse
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from pydantic import BaseModel
from starlette.middleware.trustedhost import TrustedHostMiddleware

from reverse_personalization.server.jobs import Job, JobStore
from reverse_personalization.server.worker import Worker
from reverse_personalization.settings import Settings
from reverse_personalization.version import tool_version

if TYPE_CHECKING:
    from reverse_personalization.anonymizer import Anonymizer

LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")
# As they stand in requests.
LOCAL_HOSTS: Final = (*LOOPBACK, "[::1]")
# What an exit code of `revpers` is in HTTP.
STATUS_OF_CODE: Final = {2: 422, 3: 422, 4: 415}
JobId = Annotated[str, Part(pattern="^[0-9a-f]{32}$")]


@dataclass(frozen=True)
class Limits:
    """What a client may ask for.

    Attributes:
        upload_bytes: of a photo's file.
        waiting: jobs, of all clients.
        per_minute: photos of one client.
        sync_seconds: for which a request may wait for its result.
        keep_seconds: for which results are kept.
    """

    upload_bytes: int = 25_000_000
    waiting: int = 32
    per_minute: int = 60
    sync_seconds: float = 120.0
    keep_seconds: float = 3600.0


@dataclass(frozen=True)
class Config:
    """How a server runs.

    Attributes:
        folder: for jobs and results.
        settings: of the method.
        keys: one of which a client must show; none where everybody on this machine may come.
        limits: for clients.
        hosts: names by which it is addressed; others are refused, so that no web page reaches it by a trick.
        load: makes the anonymizer.
    """

    folder: Path
    load: "Callable[[Settings], Anonymizer]"
    settings: Settings = field(default_factory=Settings)
    keys: Sequence[str] = ()
    limits: Limits = field(default_factory=Limits)
    hosts: Sequence[str] = LOCAL_HOSTS


class JobState(BaseModel):
    """Where a job is."""

    id: str
    status: str
    sentence: str = ""
    """Why it failed."""


class Metrics:
    """Numbers without anything personal."""

    def __init__(self) -> None:
        """Begin to count."""
        self.registry = CollectorRegistry()
        self.photos = Counter("revpers_photos", "Photos taken.", registry=self.registry)
        self.refused = Counter("revpers_refused", "Requests refused.", ["reason"], registry=self.registry)
        self.waiting = Gauge("revpers_waiting", "Jobs queued or running.", registry=self.registry)
        self.seconds = Histogram(
            "revpers_seconds", "Seconds until a waiting client had a result.", registry=self.registry
        )


class RateLimit:
    """So many photos a minute, for each client."""

    def __init__(self, per_minute: int) -> None:
        """Take the limit."""
        self._most, self._lock = per_minute, threading.Lock()
        self._times: dict[str, deque[float]] = defaultdict(deque)

    def allows(self, client: str) -> bool:
        """Whether a client may come now, which counts."""
        now = time.monotonic()
        with self._lock:
            times = self._times[client]
            while times and times[0] < now - 60:
                times.popleft()
            if len(times) >= self._most:
                return False
            times.append(now)
            return True


class Service:
    """What the routes share: jobs, the worker, limits, numbers."""

    def __init__(self, config: Config) -> None:
        """Set up; the worker starts with the application."""
        self.keys, self.limits = tuple(config.keys), config.limits
        self.store, self.metrics = JobStore(config.folder), Metrics()
        self.worker = Worker(self.store, config.settings, config.load, keep_seconds=self.limits.keep_seconds)
        self._rate = RateLimit(self.limits.per_minute)

    def authorised(self, request: Request) -> None:
        """Ask for a key, where there are any."""
        given = request.headers.get("x-api-key", "").encode()
        # Every key is compared, each in the same time whatever was given.
        fits = sum(hmac.compare_digest(given, key.encode()) for key in self.keys)
        if self.keys and not fits:
            self.metrics.refused.labels("key").inc()
            raise HTTPException(401, "Show a key in the header X-API-Key.")

    async def submitted(self, request: Request) -> Job:
        """Take the photo in a request's body."""
        if not request.headers.get("content-type", "").startswith(("image/", "application/octet-stream")):
            raise HTTPException(415, "Send the photo's bytes as they are, with Content-Type image/jpeg or the like.")
        if not self._rate.allows(request.client.host if request.client else ""):
            self.metrics.refused.labels("rate").inc()
            raise HTTPException(429, "Too many photos in this minute; wait.", {"Retry-After": "60"})
        # Asked before the body is read, to spare it, and again when the job is taken: bodies come slowly.
        most, job = self.limits.waiting, None
        if self.store.waiting() < most:
            job = self.store.add(await _body(request, self.limits.upload_bytes), most=most)
        if job is None:
            self.metrics.refused.labels("full").inc()
            raise HTTPException(429, "Too many photos are waiting; come back later.", {"Retry-After": "10"})
        self.metrics.photos.inc()
        self.worker.wake()
        return job

    def known(self, job_id: JobId) -> Job:
        """A job that is there."""
        job = self.store.get(job_id)
        if job is None:
            raise HTTPException(404, "There is no such job, or its time is over.")
        return job


def create_app(config: Config) -> FastAPI:
    """The server as an ASGI application."""
    service = Service(config)

    @asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        service.worker.start()
        yield
        await asyncio.to_thread(service.worker.stop)

    app = FastAPI(title="Reverse Personalization", version=tool_version(), lifespan=life, docs_url=None, redoc_url=None)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(config.hosts))
    app.include_router(_jobs(service), prefix="/v1", dependencies=[Depends(service.authorised)])
    app.include_router(_waiting(service), prefix="/v1", dependencies=[Depends(service.authorised)])
    app.include_router(_health(service))
    return app


def _jobs(service: Service) -> APIRouter:
    """Submit, poll, fetch, delete."""
    router, store = APIRouter(), service.store

    @router.post("/jobs", status_code=202, openapi_extra=PHOTO)
    async def submit(job: Annotated[Job, Depends(service.submitted)]) -> JobState:
        """Send a photo; the answer names the job to poll."""
        return _state(job)

    @router.get("/jobs/{job_id}")
    def poll(job: Annotated[Job, Depends(service.known)]) -> JobState:
        """Where a job is: queued, running, done or failed."""
        return _state(job)

    @router.get("/jobs/{job_id}/result", response_class=FileResponse)
    def result(job: Annotated[Job, Depends(service.known)]) -> Response:
        """The anonymized photo, PNG."""
        _check_done(job)
        return FileResponse(store.output(job.id), media_type="image/png")

    @router.get("/jobs/{job_id}/record", response_class=FileResponse)
    def record(job: Annotated[Job, Depends(service.known)]) -> Response:
        """What was done to it, face by face."""
        _check_done(job)
        return FileResponse(store.record(job.id), media_type="application/json")

    @router.delete("/jobs/{job_id}", status_code=204)
    def delete(job_id: JobId) -> None:
        """Forget a job and shred what it held."""
        if not store.delete(job_id):
            raise HTTPException(404, "There is no such job, or its time is over.")

    return router


def _waiting(service: Service) -> APIRouter:
    """The result in the same request."""
    router, store = APIRouter(), service.store

    @router.post("/anonymize", openapi_extra=PHOTO, response_class=Response)
    async def anonymize(job: Annotated[Job, Depends(service.submitted)]) -> Response:
        """Send a photo and wait for the result, PNG; the header X-Job-Id names the job, for the record."""
        begun = time.monotonic()
        now: Job | None = job
        while now is not None and now.status in ("queued", "running"):
            if time.monotonic() - begun > service.limits.sync_seconds:
                return JSONResponse(_state(now).model_dump(), 202, {"X-Job-Id": job.id})
            await asyncio.sleep(0.05)
            now = store.get(job.id)
        if now is None:
            raise HTTPException(404, "The job was deleted.")
        _check_done(now)
        service.metrics.seconds.observe(time.monotonic() - begun)
        return FileResponse(store.output(job.id), media_type="image/png", headers={"X-Job-Id": job.id})

    return router


def _health(service: Service) -> APIRouter:
    """For whoever watches the server."""
    router = APIRouter()

    @router.get("/healthz")
    def health() -> dict[str, str]:
        """Whether the server is alive."""
        if not service.worker.is_alive():
            raise HTTPException(503, "The worker has stopped.")
        return {"status": "ok"}

    @router.get("/metrics", response_class=PlainTextResponse)
    def numbers() -> Response:
        """Numbers for Prometheus."""
        service.metrics.waiting.set(service.store.waiting())
        return PlainTextResponse(generate_latest(service.metrics.registry))

    return router


PHOTO: Final = {
    "requestBody": {
        "required": True,
        "content": {"image/*": {"schema": {"type": "string", "format": "binary"}}},
    }
}


async def _body(request: Request, most: int) -> bytes:
    """The request's body, given up as soon as it is too long."""
    content = bytearray()
    async for chunk in request.stream():
        content += chunk
        if len(content) > most:
            raise HTTPException(413, f"The photo is larger than {most / 1e6:g} MB; send a smaller one.")
    if not content:
        raise HTTPException(422, "The photo is empty; send its bytes as the request's body.")
    return bytes(content)


def _check_done(job: Job) -> None:
    if job.status == "failed":
        raise HTTPException(STATUS_OF_CODE.get(job.code, 500), job.sentence)
    if job.status != "done":
        raise HTTPException(409, "The job is not done yet; poll it.")


def _state(job: Job) -> JobState:
    return JobState(id=job.id, status=job.status, sentence=job.sentence)

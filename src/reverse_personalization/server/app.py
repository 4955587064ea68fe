"""The HTTP interface."""

import asyncio
import hmac
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO, Final

from fastapi import APIRouter, Depends, FastAPI, HTTPException, Request, Response
from fastapi import Path as Part
from fastapi.responses import JSONResponse, PlainTextResponse
from fastapi.security import APIKeyHeader
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import ClientDisconnect

from reverse_personalization.listening import LOCAL_HOSTS, NO_TELEMETRY
from reverse_personalization.server.describing import FETCHING, TAKING, JobState, errors, gives, sends
from reverse_personalization.server.jobs import Job, JobStore, Media
from reverse_personalization.server.worker import Worker
from reverse_personalization.settings import Settings
from reverse_personalization.version import tool_version

if TYPE_CHECKING:
    from reverse_personalization.anonymizer import Anonymizer
    from reverse_personalization.media.credentials import Credentials

TYPES: Final[dict[Media, str]] = {"image": "image/png", "video": "video/mp4"}
JobId = Annotated[str, Part(pattern="^[0-9a-f]{32}$")]


@dataclass(frozen=True)
class Limits:
    """What a client may ask for.

    Attributes:
        upload_bytes: of a photo's file.
        video_bytes: of a video's file.
        video_seconds: of a video.
        waiting: jobs, of all clients.
        per_minute: photos and videos of one client.
        sync_seconds: for which a request may wait for its result.
        keep_seconds: for which results are kept.
    """

    upload_bytes: int = 25_000_000
    waiting: int = 32
    per_minute: int = 60
    sync_seconds: float = 120.0
    keep_seconds: float = 3600.0
    video_bytes: int = 100_000_000
    video_seconds: float = 60.0


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
        credentials: what signs that AI was used, if anything.
    """

    folder: Path
    load: "Callable[[Settings], Anonymizer]"
    settings: Settings = field(default_factory=Settings)
    keys: Sequence[str] = ()
    limits: Limits = field(default_factory=Limits)
    hosts: Sequence[str] = LOCAL_HOSTS
    credentials: "Credentials | None" = None


class Metrics:
    """Numbers without anything personal."""

    def __init__(self) -> None:
        """Begin to count."""
        self.registry = CollectorRegistry()
        self.photos = Counter("revpers_photos", "Photos taken.", registry=self.registry)
        self.videos = Counter("revpers_videos", "Videos taken.", registry=self.registry)
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
        self._times: dict[str, deque[float]] = {}
        self._swept = 0.0

    def allows(self, client: str) -> bool:
        """Whether a client may come now, which counts."""
        now = time.monotonic()
        with self._lock:
            self._sweep(now)
            times = self._times.setdefault(client, deque())
            while times and times[0] < now - 60:
                times.popleft()
            if len(times) >= self._most:
                return False
            times.append(now)
            return True

    def _sweep(self, now: float) -> None:
        """Forget clients that have not come for a minute, once a minute."""
        if now - self._swept >= 60:
            self._swept = now
            self._times = {client: times for client, times in self._times.items() if times and times[-1] >= now - 60}

    def __len__(self) -> int:
        """How many clients are remembered."""
        return len(self._times)


class Service:
    """What the routes share: jobs, the worker, limits, numbers."""

    def __init__(self, config: Config) -> None:
        """Set up; the worker starts with the application."""
        self.keys, self.limits = tuple(config.keys), config.limits
        self.store, self.metrics = JobStore(config.folder), Metrics()
        self.worker = Worker(
            self.store,
            config.settings,
            config.load,
            keep_seconds=self.limits.keep_seconds,
            video_seconds=self.limits.video_seconds,
            credentials=config.credentials,
        )
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
        """Take the photo or video in a request's body."""
        media = _media(request)
        if media is None:
            raise HTTPException(415, "Send the bytes as they are, with Content-Type image/jpeg, video/mp4 or the like.")
        return await self._taken(request, media)

    async def submitted_photo(self, request: Request) -> Job:
        """Take the photo in a request's body."""
        if _media(request) != "image":
            raise HTTPException(
                415, "Send a photo's bytes as they are, with Content-Type image/jpeg or the like; videos to /v1/jobs."
            )
        return await self._taken(request, "image")

    async def _taken(self, request: Request, media: Media) -> Job:
        if not self._rate.allows(request.client.host if request.client else ""):
            self.metrics.refused.labels("rate").inc()
            raise HTTPException(429, "Too many jobs in this minute; wait.", {"Retry-After": "60"})
        # Asked before the body is read, to spare it, and again when the job is taken: bodies come slowly.
        most, job = self.limits.waiting, None
        if self.store.waiting() < most:
            largest = self.limits.video_bytes if media == "video" else self.limits.upload_bytes
            with self.store.upload() as (job_id, file):
                await _receive(request, file, largest)
                job = self.store.submit(job_id, media=media, most=most)
        if job is None:
            self.metrics.refused.labels("full").inc()
            raise HTTPException(429, "Too many jobs are waiting; come back later.", {"Retry-After": "10"})
        (self.metrics.videos if media == "video" else self.metrics.photos).inc()
        self.worker.wake()
        return job

    def known(self, job_id: JobId) -> Job:
        """A job that is there."""
        job = self.store.get(job_id)
        if job is None:
            raise _gone()
        return job

    def content(self, path: Path, job: Job, media_type: str) -> Response:
        """A file of a job, or 404 where the job is deleted at this moment."""
        content = self.store.content(path, job.id)
        if content is None:
            raise _gone()
        return Response(content, media_type=media_type)


def create_app(config: Config) -> FastAPI:
    """The server as an ASGI application."""
    service = Service(config)

    @asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        service.worker.start()
        yield
        await asyncio.to_thread(service.worker.stop)

    app = FastAPI(
        title="Reverse Personalization",
        version=tool_version(),
        lifespan=life,
        docs_url=None,
        redoc_url=None,
        telemetry=NO_TELEMETRY,
    )
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(config.hosts))
    shown = [Depends(APIKeyHeader(name="X-API-Key", auto_error=False))] if service.keys else []
    for router in (_jobs(service), _waiting(service)):
        app.include_router(router, prefix="/v1", dependencies=[*shown, Depends(service.authorised)])
    app.include_router(_health(service))
    return app


def _jobs(service: Service) -> APIRouter:
    """Submit, poll, fetch, delete."""
    router, store = APIRouter(), service.store

    @router.post("/jobs", status_code=202, openapi_extra=sends("image/*", "video/*"), responses=errors(*TAKING))
    async def submit(job: Annotated[Job, Depends(service.submitted)]) -> JobState:
        """Send a photo or a short video; the answer names the job to poll."""
        return _state(job)

    @router.get("/jobs/{job_id}", responses=errors(401, 404))
    def poll(job: Annotated[Job, Depends(service.known)]) -> JobState:
        """Where a job is: queued, running, done or failed."""
        return _state(job)

    @router.get("/jobs/{job_id}/result", responses=gives("image/png", "video/mp4") | errors(*FETCHING))
    def result(job: Annotated[Job, Depends(service.known)]) -> Response:
        """The anonymized photo, PNG, or video, MP4."""
        _check_done(job)
        return service.content(store.output(job), job, TYPES[job.media])

    @router.get("/jobs/{job_id}/record", responses=errors(*FETCHING))
    def record(job: Annotated[Job, Depends(service.known)]) -> Response:
        """What was done to it, face by face."""
        _check_done(job)
        return service.content(store.record(job.id), job, "application/json")

    @router.delete("/jobs/{job_id}", status_code=204, responses=errors(401, 404))
    def delete(job_id: JobId) -> None:
        """Forget a job and shred what it held."""
        if not store.delete(job_id):
            raise _gone()

    return router


def _waiting(service: Service) -> APIRouter:
    """The result in the same request."""
    router, store = APIRouter(), service.store

    @router.post(
        "/anonymize",
        openapi_extra=sends("image/*"),
        responses=gives("image/png") | {202: {"model": JobState}} | errors(*TAKING, *FETCHING),
    )
    async def anonymize(job: Annotated[Job, Depends(service.submitted_photo)]) -> Response:
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
        answer = service.content(store.output(now), now, TYPES["image"])
        answer.headers["X-Job-Id"] = job.id
        return answer

    return router


def _health(service: Service) -> APIRouter:
    """For whoever watches the server."""
    router = APIRouter()

    @router.get("/healthz", responses=errors(503))
    def health() -> dict[str, str]:
        """Whether the server is alive."""
        if not service.worker.is_alive():
            raise HTTPException(503, "The worker has stopped.")
        if service.worker.trouble:
            raise HTTPException(503, f"Jobs cannot be read or written ({service.worker.trouble}).")
        return {"status": "ok"}

    @router.get("/metrics", response_class=PlainTextResponse)
    def numbers() -> Response:
        """Numbers for Prometheus."""
        service.metrics.waiting.set(service.store.waiting())
        return PlainTextResponse(generate_latest(service.metrics.registry))

    return router


def _media(request: Request) -> Media | None:
    kind = request.headers.get("content-type", "").lower()
    if kind.startswith("video/"):
        return "video"
    return "image" if kind.startswith(("image/", "application/octet-stream")) else None


async def _receive(request: Request, file: BinaryIO, most: int) -> None:
    """Write the request's body to a file; given up as soon as it is too long."""
    size = 0
    try:
        async for chunk in request.stream():
            size += len(chunk)
            if size > most:
                raise HTTPException(413, f"That is larger than {most / 1e6:g} MB; send something smaller.")
            file.write(chunk)
    except ClientDisconnect:
        # Nobody reads the answer; without one, it would be an error of the server.
        raise HTTPException(400, "The body broke off; send all of it.") from None
    file.flush()
    if not size:
        raise HTTPException(422, "There is nothing in it; send the file's bytes as the request's body.")


def _gone() -> HTTPException:
    return HTTPException(404, "There is no such job, or its time is over.")


def _check_done(job: Job) -> None:
    if job.status == "failed":
        raise HTTPException(job.code, job.sentence)
    if job.status != "done":
        raise HTTPException(409, "The job is not done yet; poll it.")


def _state(job: Job) -> JobState:
    return JobState(id=job.id, status=job.status, sentence=job.sentence)

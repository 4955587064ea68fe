"""`revpers anonymize`: photos in, verified strangers out."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, TypeVar

import typer
from pydantic import BaseModel, ValidationError

from reverse_personalization.cli.fetching import fetch_weights
from reverse_personalization.cli.signing import CERTIFICATE_HELP, KEY_HELP, credentials_of
from reverse_personalization.errors import OutputError, UsageError
from reverse_personalization.media.formats import is_video
from reverse_personalization.settings import (
    Device,
    DType,
    Fallback,
    MethodName,
    Mode,
    Offload,
    Quality,
    Settings,
)
from reverse_personalization.video.options import Codec, VideoOptions, seconds_of

if TYPE_CHECKING:
    from reverse_personalization.cli.batch import PhotoAnonymizer
    from reverse_personalization.cli.manifest import Manifest
    from reverse_personalization.cli.outcomes import Watcher
    from reverse_personalization.cli.sheet import SheetCollector

ProgressKind = Literal["auto", "jsonl", "none"]
M = TypeVar("M", bound=BaseModel)

_FILES: Final = "Files"
_METHOD: Final = "How faces change"
_SAFETY: Final = "Finding faces, and faces that cannot be replaced"
_DIFFUSION: Final = "The sdxl engine"
_VIDEO: Final = "Videos"
_ENGINES: Final = "the engine's own"
_DEFAULTS: Final = Settings()
# Fewer are done before another process has loaded its models.
PHOTOS_A_PROCESS: Final = 8
_KEEP: Final = f"{Settings.model_fields['keep'].description} With commas."
_VERIFIERS: Final = f"{Settings.model_fields['verifiers'].description} With commas."

app = typer.Typer(add_completion=False)


def _option(*names: str, panel: str, text: str) -> Any:
    return typer.Option(*names, help=text, rich_help_panel=panel)


def _setting(name: str, *, panel: str, default: str | bool = True) -> Any:
    """An option that sets the field of `Settings` of that name, and takes its help text from there."""
    return typer.Option(
        f"--{name.replace('_', '-')}",
        help=Settings.model_fields[name].description,
        rich_help_panel=panel,
        show_default=default,
    )


@app.command()
def anonymize(  # noqa: PLR0913, PLR0917
    inputs: Annotated[
        list[str], typer.Argument(metavar="INPUT", help="Photos and videos, folders (with -r), globs in quotes.")
    ],
    output: Annotated[
        str, _option("--output", "-o", panel=_FILES, text="A file for one photo or video, else a folder.")
    ],
    recursive: Annotated[
        bool, _option("--recursive", "-r", panel=_FILES, text="Enter folders; the output mirrors them.")
    ] = False,
    force: Annotated[
        bool, _option("--force", panel=_FILES, text="Replace outputs that exist; originals never.")
    ] = False,
    resume: Annotated[
        bool, _option("--resume", panel=_FILES, text="Skip what is done, redo what is out of date.")
    ] = False,
    dry_run: Annotated[
        bool, _option("--dry-run", panel=_FILES, text="List what would be done, and do nothing.")
    ] = False,
    allow_no_faces: Annotated[
        bool, _option("--allow-no-faces", panel=_FILES, text="Write photos in which no face is found, too.")
    ] = False,
    contact_sheet: Annotated[
        Path | None,
        _option(
            "--contact-sheet",
            panel=_FILES,
            text="PNG that shows each face before and after. Holds original faces: never publish it.",
        ),
    ] = None,
    manifest: Annotated[
        Path | None,
        _option(
            "--manifest",
            panel=_FILES,
            text="File of a JSON line for each photo; --resume then goes by content. Holds hashes of originals.",
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=256,
            help="Processes that share the photos; by default all cores for many.",
            rich_help_panel=_FILES,
        ),
    ] = None,
    keep_metadata: Annotated[
        str,
        _option(
            "--keep-metadata",
            panel=_FILES,
            text="Metadata to keep, with commas: datetime, camera, exposure, copyright, description, "
            "resolution, gps; or all, which is all but gps.",
        ),
    ] = "",
    mark: Annotated[
        bool,
        _option("--mark/--no-mark", panel=_FILES, text="State in the file that AI changed the photo."),
    ] = _DEFAULTS.mark,
    watermark: Annotated[bool, _setting("watermark", panel=_FILES)] = _DEFAULTS.watermark,
    c2pa_cert: Annotated[Path | None, _option("--c2pa-cert", panel=_FILES, text=CERTIFICATE_HELP)] = None,
    c2pa_key: Annotated[Path | None, _option("--c2pa-key", panel=_FILES, text=KEY_HELP)] = None,
    progress: Annotated[
        ProgressKind,
        _option("--progress", panel=_FILES, text="auto: a bar on terminals; jsonl: events on stdout; none."),
    ] = "auto",
    engine: Annotated[str, _setting("engine", panel=_METHOD)] = _DEFAULTS.engine,
    guidance: Annotated[float | None, _setting("guidance", panel=_METHOD, default=_ENGINES)] = None,
    method: Annotated[MethodName, _setting("method", panel=_METHOD)] = _DEFAULTS.method,
    quality: Annotated[Quality, _setting("quality", panel=_METHOD)] = _DEFAULTS.quality,
    strength: Annotated[float, _setting("strength", panel=_METHOD)] = _DEFAULTS.strength,
    surrogate: Annotated[float | None, _setting("surrogate", panel=_METHOD, default=_ENGINES)] = None,
    steps: Annotated[int | None, _setting("steps", panel=_METHOD, default=_ENGINES)] = None,
    skip: Annotated[float | None, _setting("skip", panel=_METHOD, default=_ENGINES)] = None,
    attributes: Annotated[str | None, _setting("attributes", panel=_METHOD)] = None,
    identity_strength: Annotated[float | None, _setting("identity_strength", panel=_METHOD, default=_ENGINES)] = None,
    attribute_strength: Annotated[float | None, _setting("attribute_strength", panel=_METHOD, default=_ENGINES)] = None,
    keep: Annotated[str, _option("--keep", panel=_METHOD, text=_KEEP)] = "",
    consistent: Annotated[bool, _setting("consistent", panel=_METHOD)] = _DEFAULTS.consistent,
    keep_people: Annotated[str | None, _setting("keep_people", panel=_SAFETY)] = None,
    only: Annotated[str | None, _setting("only", panel=_SAFETY)] = None,
    seed: Annotated[int | None, _setting("seed", panel=_METHOD)] = None,
    audio: Annotated[bool, _option("--audio/--no-audio", panel=_VIDEO, text="Copy sound and subtitles.")] = True,
    start: Annotated[str, _option("--start", panel=_VIDEO, text="Where to begin, in seconds or h:mm:ss.")] = "0",
    end: Annotated[str | None, _option("--end", panel=_VIDEO, text="Where to end, likewise.")] = None,
    codec: Annotated[
        Codec | None, _option("--codec", panel=_VIDEO, text="Of the pictures; h264 by default, vp9 for .webm.")
    ] = None,
    crf: Annotated[
        int | None,
        _option("--crf", panel=_VIDEO, text="Rate factor; lower is better; the codec's by default."),
    ] = None,
    hardware: Annotated[
        bool, _option("--hardware", panel=_VIDEO, text="Encode on a graphics card where one can.")
    ] = False,
    allow_non_anonymizing: Annotated[
        bool,
        _option("--allow-non-anonymizing", panel=_METHOD, text="Accept a guidance that does not push away."),
    ] = False,
    max_tries: Annotated[int | None, _setting("max_tries", panel=_SAFETY, default=_ENGINES)] = None,
    gaze_tries: Annotated[int | None, _setting("gaze_tries", panel=_SAFETY, default=_ENGINES)] = None,
    fallback: Annotated[Fallback, _setting("fallback", panel=_SAFETY)] = _DEFAULTS.fallback,
    detector: Annotated[str | None, _setting("detector", panel=_SAFETY)] = None,
    verifiers: Annotated[str, _option("--verifiers", panel=_SAFETY, text=_VERIFIERS)] = "",
    detection_threshold: Annotated[
        float, _setting("detection_threshold", panel=_SAFETY)
    ] = _DEFAULTS.detection_threshold,
    max_pixels: Annotated[int, _setting("max_pixels", panel=_SAFETY)] = _DEFAULTS.max_pixels,
    mode: Annotated[Mode, _setting("mode", panel=_DIFFUSION)] = _DEFAULTS.mode,
    model: Annotated[str | None, _setting("model", panel=_DIFFUSION)] = None,
    ip_adapter: Annotated[str | None, _setting("ip_adapter", panel=_DIFFUSION)] = None,
    recogniser: Annotated[str | None, _setting("recogniser", panel=_DIFFUSION)] = None,
    device: Annotated[Device, _setting("device", panel=_DIFFUSION)] = _DEFAULTS.device,
    dtype: Annotated[DType, _setting("dtype", panel=_DIFFUSION)] = _DEFAULTS.dtype,
    offload: Annotated[Offload, _setting("offload", panel=_DIFFUSION)] = _DEFAULTS.offload,
    compile: Annotated[bool, _setting("compile", panel=_DIFFUSION)] = _DEFAULTS.compile,  # noqa: A002
    memory: Annotated[float | None, _setting("memory", panel=_DIFFUSION)] = None,
) -> int:
    """Replace every face in photos and videos by a believable stranger's, and verify that it is not recognised.

    A face that cannot be replaced and verified is obscured. A photo in which no face is found is not written.
    Beside each output lies its record, OUTPUT.json, which says what was done.
    """
    from reverse_personalization.cli.batch import Batch, Policy
    from reverse_personalization.cli.manifest import Manifest
    from reverse_personalization.cli.planning import make_plan
    from reverse_personalization.cli.workers import Pool

    settings = _settings(
        engine=engine,
        guidance=guidance,
        method=method,
        quality=quality,
        strength=strength,
        surrogate=surrogate,
        consistent=consistent,
        steps=steps,
        skip=skip,
        attributes=attributes,
        identity_strength=identity_strength,
        attribute_strength=attribute_strength,
        keep=_names(keep),
        keep_people=keep_people,
        only=only,
        seed=seed,
        max_tries=max_tries,
        gaze_tries=gaze_tries,
        fallback=fallback,
        detector=detector,
        verifiers=_names(verifiers),
        detection_threshold=detection_threshold,
        max_pixels=max_pixels,
        keep_metadata=_metadata_names(keep_metadata),
        mark=mark,
        watermark=watermark,
        mode=mode,
        model=model,
        ip_adapter=ip_adapter,
        recogniser=recogniser,
        device=device,
        dtype=dtype,
        offload=offload,
        compile=compile,
        memory=memory,
    )
    if not allow_non_anonymizing:
        check_direction(settings, otherwise=", or add --allow-non-anonymizing")
    credentials = credentials_of(c2pa_cert, c2pa_key, mark=mark)
    plan = make_plan(inputs, output, recursive=recursive, contact_sheet=contact_sheet, manifest=manifest)
    processes = _processes(workers, len(plan.jobs), settings, contact_sheet)
    named = [*map(Path, inputs), *(job.source for job in plan.jobs)]
    if watermark and any(map(is_video, named)):
        raise UsageError("--watermark: is for photos; leave it out with videos.")
    if credentials is not None:
        from reverse_personalization.media.credentials import media_type

        for job in plan.jobs:
            if job.is_video:  # photos say so one by one
                media_type(job.output)
    video = video_options(start=start, end=end, codec=codec, crf=crf, hardware=hardware, sound=audio)
    policy = Policy(
        force=force,
        resume=resume,
        allow_no_faces=allow_no_faces,
        dry_run=dry_run,
        credentials=credentials,
        video=video,
        hash_sources=manifest is not None,
    )
    sheet = _sheet(contact_sheet, force=force)
    if dry_run:
        sheet = None
        if plan.jobs:
            from reverse_personalization.cli.preflight import check_settings

            check_settings(settings)
    pool = Pool(settings, policy, processes) if processes > 1 else None
    kept = None if manifest is None or dry_run else Manifest(manifest)
    with watchers(progress, dry_run=dry_run, manifest=kept) as told:
        return Batch(settings, lambda: load(settings), policy, told, sheet, pool, kept).run(plan).exit_code


def video_options(*, start: str, end: str | None, **options: Any) -> VideoOptions:
    """Part and encoding of videos, as options of a command.

    Raises:
        UsageError: one is out of range, or they contradict each other.
    """
    try:
        begin, stop = seconds_of(start), None if end is None else seconds_of(end)
    except ValueError:
        raise UsageError(f"--start {start}, --end {end}: give seconds, or a time such as 1:02:30.5.") from None
    return checked(VideoOptions, start=begin, end=stop, **options)


def _settings(**options: Any) -> Settings:
    return checked(Settings, **options)


def checked(kind: type[M], **options: Any) -> M:
    """A model of options.

    Raises:
        UsageError: one is out of range, or they contradict each other.
    """
    try:
        return kind(**options)
    except ValidationError as error:
        first = error.errors()[0]
        if not first["loc"]:
            raise UsageError(f"{first['msg'].removeprefix('Value error, ')}.") from None
        option = str(first["loc"][0]).replace("_", "-")
        reason = first["msg"].removeprefix("Input ").removeprefix("Value error, ")
        raise UsageError(f"--{option} {first['input']}: {reason}.") from None


def _metadata_names(text: str) -> tuple[str, ...]:
    from reverse_personalization.media.metadata import checked_names

    names = _names(text)
    checked_names(names)
    return names


def _processes(asked: int | None, photos: int, settings: Settings, contact_sheet: Path | None) -> int:
    """How many share the photos.

    Raises:
        UsageError: several were asked for, where a single one must see all photos.
    """
    if asked is None:
        alone = settings.consistent or contact_sheet is not None or settings.engine != "compact"
        return 1 if alone else max(1, min(os.cpu_count() or 1, photos // PHOTOS_A_PROCESS))
    if asked > 1 and settings.consistent:
        raise UsageError("--consistent: a single process must know everybody; leave out --workers.")
    if asked > 1 and contact_sheet is not None:
        raise UsageError("--contact-sheet: is made by a single process; leave out --workers.")
    return asked


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def check_direction(settings: Settings, *, otherwise: str = "") -> None:
    """Pushing toward a face's own identity, or nowhere, does not anonymize; `otherwise` tells what else could be done.

    Raises:
        UsageError: that is what the settings ask for.
    """
    if settings.moves_away:
        return
    given, sign = f"--guidance {settings.guidance:g}", "positive" if settings.method == "nullface" else "negative"
    if settings.method == "reverse" and settings.identity_strength is not None:
        given, sign = f"--identity-strength {settings.identity_strength:g}", "positive"
    raise UsageError(
        f"{given}: does not push away from the face's own identity, and so does not anonymize; "
        f"give a {sign} number{otherwise}."
    )


def _sheet(path: Path | None, *, force: bool) -> SheetCollector | None:
    if path is None:
        return None
    if path.suffix.lower() != ".png":
        raise UsageError(f"{path}: the contact sheet is a PNG file; end its name in .png.")
    if os.path.lexists(path) and not force:
        raise OutputError(f"{path}: exists already; add --force to replace it, or give another name.")
    if not path.parent.is_dir():
        raise OutputError(f"{path}: its folder does not exist; create it first.")
    from reverse_personalization.cli.sheet import SheetCollector

    return SheetCollector(path)


def load(settings: Settings) -> PhotoAnonymizer:
    """The anonymizer of a run, its weights fetched."""
    from reverse_personalization.anonymizer import Anonymizer

    fetch_weights(settings.engine)
    return Anonymizer(settings=settings)


@contextmanager
def watchers(
    kind: ProgressKind, *, dry_run: bool = False, manifest: Manifest | None = None
) -> Iterator[tuple[Watcher, ...]]:
    """What a run tells: its manifest, a summary on stderr in any case, and JSON lines, a list or a bar."""
    from reverse_personalization.cli.progress import JsonLines, Listing, SummaryText, bar

    always: tuple[Watcher, ...] = (*filter(None, [manifest]), SummaryText(sys.stderr))
    if kind == "jsonl":
        yield JsonLines(sys.stdout), *always
    elif dry_run:
        yield Listing(sys.stdout), *always
    elif kind == "auto" and sys.stderr.isatty():
        with bar() as shown:
            yield shown, *always
    else:
        yield always

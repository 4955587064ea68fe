"""Model files from the Hugging Face hub, by way of its own client: mirrors and tokens keep working."""

from __future__ import annotations

import errno
import io
import logging
import os
from collections.abc import Callable, Iterable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from typing import Any, Final

from reverse_personalization.errors import WeightsError
from reverse_personalization.weights.models import HubRepo, Part
from reverse_personalization.weights.places import is_offline

logger = logging.getLogger(__name__)

Progress = Callable[[str], None]

NETWORKS: Final = ("unet", "vae", "text_encoder", "text_encoder_2")
"""Folders of a diffusion model that hold weights; an image encoder or a safety checker is never run."""
SETTINGS: Final = ("scheduler", "tokenizer", "tokenizer_2")
"""Folders of a diffusion model that are taken whole, as they hold text only."""
_STEP: Final = 10  # per cent between two reports
_OF_THE_DISK: Final = {errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR}


def cached(source: HubRepo, part: Part) -> Path | None:
    """A file that another program has already fetched into the hub's own cache; it may be damaged."""
    if find_spec("huggingface_hub") is None:
        return None
    found = _client(source.repo).try_to_load_from_cache(source.repo, part.path, revision=source.revision)
    return Path(found) if isinstance(found, str) else None


def download(source: HubRepo, part: Part, folder: Path, progress: Progress | None = None) -> Path:
    """Fetch one file at its pinned commit into a folder; the caller checks its hash.

    Args:
        source: where from.
        part: which file.
        folder: what was fetched before an interruption lies there, too, and is not fetched again.
        progress: told now and then how much is here.

    Raises:
        WeightsError: the client is missing, or the hub is out of reach.
        OSError: the folder cannot be written.
    """
    client = _client(source.repo)
    try:
        file = client.hf_hub_download(
            source.repo,
            part.path,
            revision=source.revision,
            local_dir=folder,
            tqdm_class=_reporter(PurePosixPath(part.path).name, progress),
        )
    except Exception as error:
        if isinstance(error, OSError) and error.errno in _OF_THE_DISK:
            raise
        raise _failure(source.repo, error) from error
    return Path(file)


def snapshot(repo: str, revision: str | None = None, *, progress: Progress | None = None) -> Path:
    """A diffusion model that the table does not name, in the hub's own cache. Nothing but its commit pins it.

    Args:
        repo: "owner/name".
        revision: commit, tag or branch; the main branch by default.
        progress: told what is downloaded, how large it is and under which licence, in a sentence.

    Returns:
        The folder, laid out as the repository, with at least the files that are needed.

    Raises:
        WeightsError: the client is missing, the hub is out of reach, or it is no such model.
    """
    client = _client(repo)
    try:
        if is_offline():
            return _here(client, repo, revision)
        info = client.HfApi().model_info(repo, revision=revision, files_metadata=True)
        sizes = {sibling.rfilename: sibling.size or 0 for sibling in info.siblings or ()}
        files = needed(repo, sizes)
        if progress is not None:
            licence = getattr(info.card_data, "license", None) or "not stated"
            size = sum(sizes[file] for file in files) / 1e6
            progress(f"Fetching {repo} ({len(files)} files, {size:.0f} MB, once; licence: {licence})")
        folder = Path(client.snapshot_download(repo, revision=info.sha, allow_patterns=list(files)))
    except WeightsError:
        raise
    except Exception as error:
        raise _failure(repo, error) from error
    if revision != info.sha:
        logger.warning("%s: nothing pins this model; %s@%s names what was taken.", repo, repo, info.sha)
    return folder


def needed(repo: str, files: Iterable[str]) -> tuple[str, ...]:
    """The files of a repository that a diffusion model is loaded from: 16-bit ones, where there are any.

    Raises:
        WeightsError: the repository holds no diffusion model as safetensors.
    """
    there = sorted(files)
    chosen = [name for name in there if name == "model_index.json"]
    for folder in NETWORKS:
        inside = [name for name in there if PurePosixPath(name).parent == PurePosixPath(folder)]
        chosen += [name for name in inside if name == f"{folder}/config.json"]
        chosen += _weights(inside)
    chosen += [name for name in there if str(PurePosixPath(name).parent) in SETTINGS]
    if "model_index.json" not in chosen or not any(_is_weights(n) for n in chosen if n.startswith("unet/")):
        raise WeightsError(
            f"{repo}: no diffusers model with safetensors files; "
            "give one such as stabilityai/stable-diffusion-xl-base-1.0."
        )
    return tuple(chosen)


def _here(client: Any, repo: str, revision: str | None) -> Path:
    """The folder that an earlier download left."""
    try:
        # The one pattern keeps the client from asking for files that were never wanted.
        given = client.snapshot_download(
            repo, revision=revision, local_files_only=True, allow_patterns=["model_index.json"]
        )
    except Exception as error:
        raise WeightsError(
            f"{repo} is not here, and downloads are switched off; unset HF_HUB_OFFLINE and REVPERS_OFFLINE, "
            "or give the folder of a model."
        ) from error
    folder = Path(given)
    needed(repo, (str(path.relative_to(folder)) for path in folder.rglob("*")))
    return folder


def _weights(inside: list[str]) -> list[str]:
    """Weights of one network, in one piece or in shards with their index: 16-bit ones, else plain ones."""
    found = [name for name in inside if _is_weights(name)]
    for is_wanted in (_is_half, _is_plain):
        if any(is_wanted(name) for name in found):
            return [name for name in found if is_wanted(name)]
    return []


def _is_weights(name: str) -> bool:
    return name.endswith(".safetensors") or ".safetensors.index." in name


def _is_half(name: str) -> bool:
    return ".fp16" in PurePosixPath(name).name


def _is_plain(name: str) -> bool:
    stem = PurePosixPath(name).name.split(".safetensors")[0]
    return "." not in stem and not _is_half(name)


def _client(repo: str) -> Any:
    """The hub's client, which is an extra, and so is its type."""
    if find_spec("huggingface_hub") is None:
        raise WeightsError(
            f"{repo} is fetched with huggingface-hub, which is missing here; run `pip install huggingface-hub`."
        )
    # Else every request tells which libraries are installed; read once, at the client's import.
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    return import_module("huggingface_hub")


def _failure(repo: str, error: Exception) -> WeightsError:
    # The client wraps what happened in advice that is longer and says less.
    happened = error.__cause__ or error
    lines = [line.strip() for line in str(happened).splitlines() if line.strip()]
    reason = (lines[0] if lines else type(happened).__name__).rstrip(".")
    return WeightsError(
        f"{repo} could not be downloaded ({reason}); check the network, then run the command again, "
        "which goes on from there."
    )


def _reporter(name: str, progress: Progress | None) -> Any:
    """A progress bar that tells `progress` in sentences, or nobody, and draws nothing."""
    base: Any = import_module("tqdm").tqdm

    class Reporter(base):  # type: ignore[misc]
        _told = 0

        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **{**options, "file": io.StringIO(), "disable": False, "mininterval": 1})

        def display(self, *_: Any, **__: Any) -> None:
            if progress is None or not self.total or self.total < 1e8:
                return
            share = int(100 * self.n / self.total) // _STEP * _STEP
            if share > self._told:
                self._told = share
                progress(f"{name}: {share} % of {self.total / 1e6:.0f} MB")

    return Reporter

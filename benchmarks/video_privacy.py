"""Who is found in anonymized clips by a recogniser that pools a clip's best frames (set-to-set matching).

    python benchmarks/video_privacy.py LFW [--limit 100] [--jobs 2] [--recogniser faceres=faceres.onnx]

SFace and dlib's network guide; a recogniser in an ONNX file takes no part. Each clip is a photo of one person that
turns, grows and drifts. The gallery has another photo of everybody. A clip is matched by the mean embedding of its best
frames, and by its most similar frame; the untouched clips show that the recognisers work.
"""

from __future__ import annotations

import argparse
import tempfile
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from multiprocessing import get_context
from pathlib import Path

import av
import cv2
import numpy as np
from PIL import Image

from reverse_personalization import Anonymizer
from reverse_personalization.bench.datasets import Trial, draw_trials, load_people
from reverse_personalization.bench.statistics import Rate
from reverse_personalization.errors import ReversePersonalizationError
from reverse_personalization.faces.face import FloatArray
from reverse_personalization.faces.plugged import load_detector
from reverse_personalization.identity.base import Recogniser
from reverse_personalization.identity.dlib_network import LENGTH
from reverse_personalization.identity.onnx_recogniser import OnnxFile, OnnxRecogniser
from reverse_personalization.loading import JUDGES
from reverse_personalization.settings import Settings
from reverse_personalization.video.anonymizing import anonymize_video
from reverse_personalization.video.choosing import UNCLEAR
from reverse_personalization.video.reading import VideoReader

FRAMES, RATE, BEST, SIDE = 24, 25, 5, 480
THREADS = 1


@dataclass(frozen=True, eq=False)
class Seen:
    """A clip as recognisers see it: per recogniser, float32 n x d, its best frames first; and what became of its faces.

    That is, in how many frames: of faces that no recogniser knows, which are all obscured, and of the others.
    """

    embeddings: dict[str, FloatArray]
    unclear: int
    obscured: int
    frames: int


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--limit", type=int, default=100)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--recogniser", type=another, help="NAME=FILE.onnx, as of `revpers bench run`")
    arguments = parser.parse_args()
    people = load_people(arguments.dataset)
    trials = draw_trials(people, limit=arguments.limit)
    photos = [person.photos[0] for person in people]
    beside = arguments.recogniser
    with ProcessPoolExecutor(arguments.jobs, mp_context=get_context("spawn")) as pool:
        gallery = list(pool.map(partial(known, beside=beside), photos, chunksize=16))
        before = list(pool.map(partial(clip_of, anonymized=False, beside=beside), trials))
        after = list(pool.map(partial(clip_of, anonymized=True, beside=beside), trials))
    hidden = Rate(sum(seen.obscured for seen in after), sum(seen.frames for seen in after))
    print(
        f"{len(trials)} clips of {FRAMES} frames; {hidden} of the frames of faces that recognisers know are obscured, "
        f"and {sum(seen.unclear for seen in after)} of others"
    )
    for name, recogniser in tools(beside)[1].items():
        rows = np.stack([of[name] for of in gallery])
        for what, clips in (("untouched", before), ("anonymized", after)):
            for pooled in ("mean of the best", "most similar"):
                rate = found(recogniser, clips, trials, rows, pooled)
                print(f"{name}, {what}, {pooled}: rank-1 among {len(rows)} {rate}")


def found(by: Recogniser, clips: list[Seen], trials: list[Trial], gallery: FloatArray, pooled: str) -> Rate:
    """How often a clip's person comes first; clips without a face that can be embedded are misses."""
    hits, compare = 0, by.similarity
    for seen, trial in zip(clips, trials, strict=True):
        embeddings = seen.embeddings[by.name]
        if not len(embeddings):
            continue
        if pooled == "most similar":
            similarity = compare(embeddings, gallery).max(0)
        else:
            similarity = compare(embeddings[:BEST].mean(0), gallery)[0]
        hits += int(np.nan_to_num(similarity, nan=-np.inf).argmax() == trial.person)
    return Rate(hits, len(clips))


def another(text: str) -> OnnxFile:
    """A recogniser that takes no part."""
    name, _, path = text.partition("=")
    return OnnxFile(name, Path(path))


@cache
def tools(beside: OnnxFile | None) -> tuple[object, dict[str, Recogniser]]:
    """The detector and the recognisers of this process."""
    cv2.setNumThreads(THREADS)
    recognisers = *(load() for load in JUDGES.values()), *(() if beside is None else (OnnxRecogniser(beside),))
    return load_detector(None, 0.6), {recogniser.name: recogniser for recogniser in recognisers}


@cache
def anonymizer() -> Anonymizer:
    """The anonymizer of this process."""
    return Anonymizer(seed=0)


def known(photo: Path, *, beside: OnnxFile | None) -> dict[str, FloatArray]:
    """A gallery photo's embeddings, NaN where no face is found."""
    detector, recognisers = tools(beside)
    picture = np.array(Image.open(photo).convert("RGB"))
    face = max(detector.detect(picture), key=lambda face: face.size, default=None)
    if face is None:
        return {name: np.full(length(recogniser), np.nan, np.float32) for name, recogniser in recognisers.items()}
    return {name: recogniser.embed(picture, face) for name, recogniser in recognisers.items()}


def length(recogniser: Recogniser) -> int:
    """Of its embeddings."""
    return recogniser.width if isinstance(recogniser, OnnxRecogniser) else LENGTH


def clip_of(trial: Trial, *, anonymized: bool, beside: OnnxFile | None) -> Seen:
    """Make a person's clip, anonymize it if so asked, and look at it."""
    with tempfile.TemporaryDirectory() as folder:
        path, unclear, obscured, frames = film(trial.photo, Path(folder) / "in.mp4"), 0, 0, FRAMES
        if anonymized:
            output = Path(folder) / "out.mp4"
            try:
                record = anonymize_video(path, output, Settings(seed=0), anonymizer=anonymizer())
            except ReversePersonalizationError:
                nothing = {name: np.zeros((0, length(r)), np.float32) for name, r in tools(beside)[1].items()}
                return Seen(nothing, 0, FRAMES, FRAMES)
            clear = [track for track in record.tracks if track.reason != UNCLEAR]
            obscured = sum(track.frames.get("obscured", 0) for track in clear)
            frames = sum(sum(track.frames.values()) for track in clear)
            unclear = sum(sum(track.frames.values()) for track in record.tracks) - frames
            path = output
        return Seen(look(path, beside), unclear, obscured, frames)


def film(photo: Path, path: Path) -> Path:
    """A clip of a photo that turns by 6 degrees, grows by a tenth and drifts."""
    picture = cv2.resize(np.array(Image.open(photo).convert("RGB")), (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=RATE, options={"crf": "12"})
        stream.height, stream.width, stream.pix_fmt = SIDE, SIDE, "yuv420p"
        for i in range(FRAMES):
            share = i / (FRAMES - 1)
            matrix = cv2.getRotationMatrix2D((SIDE / 2, SIDE / 2), 6 * np.sin(6 * share), 1 + 0.1 * share)
            matrix[:, 2] += (12 * share, -8 * share)
            moved = cv2.warpAffine(picture, matrix, (SIDE, SIDE), borderMode=cv2.BORDER_REPLICATE)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(moved, format="rgb24")))
        container.mux(stream.encode())
    return path


def look(path: Path, beside: OnnxFile | None) -> dict[str, FloatArray]:
    """Embed the face nearest the middle of each frame, the best detections first."""
    detector, recognisers = tools(beside)
    seen: list[tuple[float, dict[str, FloatArray]]] = []
    with VideoReader(path) as reader:
        for frame in reader.frames():
            face = min(detector.detect(frame.image_rgb), key=_from_middle, default=None)
            if face is not None:
                seen.append((face.score, {name: r.embed(frame.image_rgb, face) for name, r in recognisers.items()}))
    seen.sort(key=lambda each: -each[0])
    return {
        name: np.stack([of[name] for _, of in seen]) if seen else np.zeros((0, length(recogniser)), np.float32)
        for name, recogniser in recognisers.items()
    }


def _from_middle(face: object) -> float:
    x, y, w, h = face.box
    return abs(x + w / 2 - SIDE / 2) + abs(y + h / 2 - SIDE / 2)


if __name__ == "__main__":
    main()

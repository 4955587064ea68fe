"""A page to review a video's tracks by: who was found, where, and which moments to look at."""

from __future__ import annotations

from collections import defaultdict
from html import escape
from pathlib import Path

from reverse_personalization.faces.face import ByteArray, Face
from reverse_personalization.media.thumbnails import data_url, square
from reverse_personalization.video.analysis import Analysis, TrackEntry, face_of
from reverse_personalization.video.reading import VideoReader

THUMBNAILS, SIZE = 4, 96
STYLE = "body{font:15px system-ui;margin:2rem}img{margin:2px}td{padding:.3rem .8rem;border-bottom:1px solid #ddd}"


def write_review(video: Path, analysis: Analysis, page: Path) -> None:
    """Write one HTML file with faces of every track. It holds original faces: never publish it.

    Raises:
        UnreadableVideoError: the video cannot be read.
    """
    wanted: dict[int, list[tuple[int, Face]]] = defaultdict(list)
    for track in analysis.tracks:
        step = max(1, len(track.faces) // THUMBNAILS)
        for span in track.faces[::step][:THUMBNAILS]:
            wanted[span.frame].append((track.id, face_of(span)))
    shown: dict[int, list[str]] = defaultdict(list)
    with VideoReader(video, start=analysis.start, end=analysis.end) as reader:
        for frame in reader.frames():
            for track_id, face in wanted.get(frame.index, ()):
                shown[track_id].append(_thumbnail(frame.image_rgb, face))
    rows = "".join(_row(track, shown[track.id], analysis.rate) for track in analysis.tracks)
    doubtful = "".join(
        f"<li>{_time(first, analysis.rate)} to {_time(last, analysis.rate)}</li>" for first, last in analysis.doubtful
    )
    page.write_text(
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{escape(analysis.video)}</title>"
        f"<style>{STYLE}</style><h1>{escape(analysis.video)}</h1>"
        "<p>This page holds original faces: never publish it. To change what becomes of a face, edit its "
        "<code>action</code> in the JSON file: replace, obscure or keep.</p>"
        f"<table><tr><td>track<td>person<td>from<td>to<td>action<td></tr>{rows}</table>"
        f"<h2>Moments to look at</h2><ul>{doubtful or '<li>none</li>'}</ul></html>",
        "utf-8",
    )


def _row(track: TrackEntry, images: list[str], rate: float) -> str:
    faces = "".join(f'<img alt="" width={SIZE} height={SIZE} src="{image}">' for image in images)
    first, last = (_time(track.faces[i].frame, rate) for i in (0, -1))
    return f"<tr><td>{track.id}<td>{track.person}<td>{first}<td>{last}<td>{track.action}<td>{faces}</tr>"


def _time(frame: int, rate: float) -> str:
    minutes, seconds = divmod(frame / rate, 60)
    return f"{int(minutes)}:{seconds:05.2f}"


def _thumbnail(image_rgb: ByteArray, face: Face) -> str:
    x, y, w, h = face.box
    return data_url(square(image_rgb, (x + w / 2, y + h / 2), 0.75 * max(w, h), SIZE))

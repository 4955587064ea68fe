"""How much more faces flicker in an anonymized video than in its source, the source's motion taken out.

    python benchmarks/video_flicker.py [CLIP...]

Without a clip, one is made of a portrait that packages ship. Faces are measured where the detector saw them in both
frames of a pair, whether they were replaced or obscured.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import defaultdict
from pathlib import Path

from portrait_clip import write_portrait_clip
from reverse_personalization.bench.flicker import Box, flicker
from reverse_personalization.settings import Settings
from reverse_personalization.video.analysis import Analysis, analyze
from reverse_personalization.video.anonymizing import anonymize_video


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clips", nargs="*", type=Path)
    parser.add_argument("--frames", type=int, default=80, help="of the clip that is made")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "portrait.mp4"
        clips = arguments.clips or [write_portrait_clip(made, frames=arguments.frames, rate=20, size=(480, 360))]
        for clip in clips:
            analysis, output = analyze(clip), Path(folder) / "out.mp4"
            record = anonymize_video(clip, output, Settings(seed=0), analysis=analysis)
            measured = flicker(clip, output, detected(analysis))
            print(
                f"{clip.name}: flicker {measured.source:.2f} before, {measured.result:.2f} after, "
                f"ratio {measured.ratio:.3f}, N = {measured.pairs} pairs of faces; "
                + "; ".join(f"track {track.track}: {track.frames}" for track in record.tracks)
            )


def detected(analysis: Analysis) -> dict[int, list[Box]]:
    """Boxes of the faces that the detector saw, by frame."""
    boxes: dict[int, list[Box]] = defaultdict(list)
    for track in analysis.tracks:
        for face in track.faces:
            if face.how == "detected":
                boxes[face.frame].append(face.box)
    return dict(boxes)


if __name__ == "__main__":
    main()

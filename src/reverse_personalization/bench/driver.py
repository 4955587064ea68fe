"""Runs somebody's function over a folder, in its own environment. Needs Python 3.8 and Pillow, and nothing of ours.

    python driver.py WRAPPER.py IN_DIR OUT_DIR

The wrapper defines `anonymize(image)`, from a Pillow image to a Pillow image, or None where it finds no face. A photo
for which it gives None or fails gets no output, so that nobody takes a copy of the source for a result.
"""

from __future__ import annotations

import importlib.util
import json
import sys
import time
import traceback
from pathlib import Path


def main() -> int:
    """Do every photo; the exit code is 1 where one has no result."""
    wrapper, given, made = (Path(argument) for argument in sys.argv[1:4])
    anonymize = _function(wrapper)  # type: ignore[no-untyped-call]
    seconds, missing = {}, {}
    for path in sorted(given.iterdir()):
        begun = time.perf_counter()
        try:
            _do(anonymize, path, made / (path.stem + ".png"))  # type: ignore[no-untyped-call]
        except Exception as error:
            traceback.print_exc()
            missing[path.name] = str(error) or type(error).__name__
        seconds[path.name] = time.perf_counter() - begun
    (made / "_run.json").write_text(json.dumps({"seconds": seconds, "missing": missing}, indent=1))
    return 1 if missing else 0


def _do(anonymize, path, output):  # type: ignore[no-untyped-def]
    from PIL import Image

    with Image.open(str(path)) as image:
        result = anonymize(image.convert("RGB"))
    if result is None:
        raise ValueError("no face found")
    result.save(str(output))


def _function(wrapper):  # type: ignore[no-untyped-def]
    spec = importlib.util.spec_from_file_location("wrapper", str(wrapper))
    if spec is None or spec.loader is None:
        raise SystemExit(str(wrapper) + ": should be a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(wrapper.parent))
    spec.loader.exec_module(module)
    return module.anonymize


if __name__ == "__main__":
    sys.exit(main())

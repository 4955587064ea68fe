from __future__ import annotations

from importlib.util import find_spec

# Without the ui extra there is nothing to test here.
collect_ignore_glob = [] if find_spec("gradio") else ["test_*.py"]

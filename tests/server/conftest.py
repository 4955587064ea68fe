from __future__ import annotations

from importlib.util import find_spec

# Without the server extra there is nothing to test here.
NEEDED = ("fastapi", "uvicorn", "prometheus_client", "httpx")
collect_ignore_glob = [] if all(find_spec(name) for name in NEEDED) else ["test_*.py"]

"""Starts `revpers serve` on this machine, and prints throughput, latency, and what it answers at overload.

    python benchmarks/server_load.py [--seconds 30] [--clients 4]

Needs the extras server and test. Traffic goes to the loopback address only.
"""

from __future__ import annotations

import argparse
import io
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import httpx
import skimage.data
from PIL import Image

WAITING = 8
BURST = 64
JPEG = {"content-type": "image/jpeg"}


@contextmanager
def served() -> Iterator[str]:
    """The address of a server that is up."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        limits = ["--per-minute", "1000000", "--max-waiting", str(WAITING)]
        command = [sys.executable, "-m", "reverse_personalization", "serve", "--port", str(port), "--folder", folder]
        process = subprocess.Popen([*command, *limits], env=os.environ | {"no_proxy": "*"})
        try:
            address = f"http://127.0.0.1:{port}"
            for _ in range(600):
                try:
                    httpx.get(f"{address}/healthz", trust_env=False).raise_for_status()
                    break
                except httpx.HTTPError:
                    time.sleep(0.1)
            yield address
        finally:
            process.terminate()
            process.wait(90)


def steady(address: str, photo: bytes, *, seconds: float, clients: int) -> None:
    """So many clients, each of which waits for its result and sends the next photo."""
    end = time.monotonic() + seconds

    def client(_: int) -> list[tuple[int, float]]:
        seen = []
        with httpx.Client(base_url=address, timeout=300, trust_env=False) as session:
            while time.monotonic() < end:
                start = time.monotonic()
                status = session.post("/v1/anonymize", content=photo, headers=JPEG).status_code
                seen.append((status, time.monotonic() - start))
        return seen

    start = time.monotonic()
    with ThreadPoolExecutor(clients) as pool:
        seen = [one for answers in pool.map(client, range(clients)) for one in answers]
    took = time.monotonic() - start
    good = [latency for status, latency in seen if status == 200]
    others = Counter(status for status, _ in seen if status != 200)
    print(f"{clients} clients, {took:.0f} s: {len(good)} photos, {60 * len(good) / took:.1f} a minute", end="")
    if len(good) > 1:
        ninth = statistics.quantiles(good, n=20)[-1]
        print(f", latency median {statistics.median(good):.2f} s, 95 % below {ninth:.2f} s", end="")
    print(f", other answers {dict(others) or 'none'}")


def overload(address: str, photo: bytes) -> None:
    """Everybody at once, more than may wait."""
    with httpx.Client(base_url=address, timeout=60, trust_env=False) as session:

        def send(_: int) -> tuple[int, float, str]:
            start = time.monotonic()
            answer = session.post("/v1/jobs", content=photo, headers=JPEG)
            return answer.status_code, time.monotonic() - start, answer.headers.get("retry-after", "")

        with ThreadPoolExecutor(16) as pool:
            seen = list(pool.map(send, range(BURST)))
        slowest = max(latency for _, latency, _ in seen)
        told = sum(status == 429 and bool(after) for status, _, after in seen)
        print(
            f"overload, {BURST} photos at once, {WAITING} may wait: {dict(Counter(status for status, *_ in seen))}, ",
            end="",
        )
        print(f"slowest answer {slowest:.2f} s, {told} were told when to come back")
        alive = session.get("/healthz").status_code
        while "revpers_waiting 0.0" not in session.get("/metrics").text:
            time.sleep(0.2)
        after = session.post("/v1/anonymize", content=photo, headers=JPEG).status_code
        print(f"health during it: {alive}; a photo after it: {after}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--clients", type=int, default=4)
    options = parser.parse_args()
    buffer = io.BytesIO()
    Image.fromarray(skimage.data.astronaut()).save(buffer, "JPEG", quality=95)
    photo = buffer.getvalue()
    with served() as address:
        httpx.post(f"{address}/v1/anonymize", content=photo, headers=JPEG, timeout=300, trust_env=False)  # models load
        steady(address, photo, seconds=options.seconds, clients=1)
        steady(address, photo, seconds=options.seconds, clients=options.clients)
        overload(address, photo)


if __name__ == "__main__":
    main()

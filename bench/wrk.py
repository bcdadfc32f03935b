"""wrk, the C client: how many requests it was answered, and the 99th percentile."""

import re
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

SCRIPT = """\
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.body = '{}'
"""  # a constant request: wrk writes it once, and no Lua runs for each


@dataclass
class Answers:
    count: int
    rate: float  # a second
    p99_ms: float


def ask(url: str, seconds: int, connections: int, body: str | None = None) -> Answers:
    """GET, or POST of this body, over so many connections that stay open; an answer that is no success is an error."""
    command = ["wrk", "-t", "1", "-c", str(connections), "-d", str(seconds), "--timeout", "20s", "--latency"]
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        if body is not None:
            Path(script.name).write_text(SCRIPT.format(body))
            command += ["-s", script.name]
        done = subprocess.run([*command, url], capture_output=True, text=True, check=True, timeout=120)  # noqa: S603
    text = done.stdout
    count = re.search(r"(\d+) requests in", text)
    rate = re.search(r"Requests/sec: +([\d.]+)", text)
    slowest = re.search(r"^ +99% +([\d.]+)(us|ms|s)$", text, re.MULTILINE)
    if not (count and rate and slowest) or "Non-2xx" in text or "Socket errors" in text:
        raise RuntimeError(f"wrk, of {url}, said:\n{text}")
    return Answers(int(count[1]), float(rate[1]), float(slowest[1]) * {"us": 0.001, "ms": 1, "s": 1000}[slowest[2]])

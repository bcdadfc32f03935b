"""wrk, the C client: how many requests it was answered, and the 99th percentile."""

import re
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

POST = """\
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.body = '{}'
"""  # a constant request: wrk writes it once, and no Lua runs for each
APART = """\
local number = 0
request = function()
  number = number + 1
  return wrk.format("GET", wrk.path .. string.format("&before=f%023x", number))
end
"""  # the newest documents, under another name each time


@dataclass
class Answers:
    count: int
    rate: float  # a second
    p99_ms: float


def ask(url: str, seconds: int, connections: int, body: str | None = None, apart: bool = False) -> Answers:
    """GET, or POST of this body, over so many connections that stay open; an answer that is no success is an error.

    `apart` asks the data service for the same page each time, but so that it cannot tell that it is the same.
    """
    command = ["wrk", "-t", "1", "-c", str(connections), "-d", str(seconds), "--timeout", "20s", "--latency"]
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        if apart or body is not None:
            Path(script.name).write_text(APART if body is None else POST.format(body))
            command += ["-s", script.name]
        done = subprocess.run([*command, url], capture_output=True, text=True, check=True, timeout=120)  # noqa: S603
    text = done.stdout
    count = re.search(r"(\d+) requests in", text)
    rate = re.search(r"Requests/sec: +([\d.]+)", text)
    slowest = re.search(r"^ +99% +([\d.]+)(us|ms|s)$", text, re.MULTILINE)
    if not (count and rate and slowest) or "Non-2xx" in text or "Socket errors" in text:
        raise RuntimeError(f"wrk, of {url}, said:\n{text}")
    return Answers(int(count[1]), float(rate[1]), float(slowest[1]) * {"us": 0.001, "ms": 1, "s": 1000}[slowest[2]])

"""wrk, an HTTP load generator in C, and its figures."""

import re
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

POST = """\
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.body = '{}'
"""  # constant, so that wrk formats the request once and runs no Lua for each
DISTINCT = """\
local number = 0
request = function()
  number = number + 1
  return wrk.format("GET", wrk.path .. string.format("&before=f%023x", number))
end
"""  # the newest documents, each time with another URL


@dataclass
class WrkResult:
    count: int  # of responses
    rate: float  # responses a second
    p99_ms: float


def run(url: str, seconds: int, connections: int, body: str | None = None, distinct: bool = False) -> WrkResult:
    """Send GETs, or POSTs of `body`, over keep-alive connections. Raise RuntimeError if any response is not a success.

    `distinct` makes each GET's URL another one with the same result, so that the service cannot share one.
    """
    command = ["wrk", "-t", "1", "-c", str(connections), "-d", str(seconds), "--timeout", "20s", "--latency"]
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        if distinct or body is not None:
            Path(script.name).write_text(DISTINCT if body is None else POST.format(body))
            command += ["-s", script.name]
        done = subprocess.run([*command, url], capture_output=True, text=True, check=True, timeout=120)  # noqa: S603
    text = done.stdout
    count = re.search(r"(\d+) requests in", text)
    rate = re.search(r"Requests/sec: +([\d.]+)", text)
    slowest = re.search(r"^ +99% +([\d.]+)(us|ms|s)$", text, re.MULTILINE)
    if not (count and rate and slowest) or "Non-2xx" in text or "Socket errors" in text:
        raise RuntimeError(f"wrk failed on {url}:\n{text}")
    return WrkResult(int(count[1]), float(rate[1]), float(slowest[1]) * {"us": 0.001, "ms": 1, "s": 1000}[slowest[2]])

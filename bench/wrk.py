"""wrk, an HTTP load generator in C, and its figures."""

import re
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from bench.fake_pods import Say
from tools.cluster import host

# Scripts. What is constant is formatted once, and runs no Lua for each request.
POST = """\
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.body = [[{}]]
"""
DISTINCT = """\
local number = 0
request = function()
  number = number + 1
  return wrk.format("GET", wrk.path .. string.format("&before=f%023x", number))
end
"""  # the newest documents, each time with another URL, so that the service cannot share a page
MIXED = """\
local number, get, post = 0
init = function()
  get = wrk.format("GET")
  post = wrk.format("POST", wrk.path:match("[^?]*"), {{["Content-Type"] = "application/json"}}, [[{}]])
end
request = function()
  number = number + 1
  return number % 10 == 0 and post or get
end
"""  # nine GETs to a POST


@dataclass
class WrkResult:
    count: int  # of responses
    rate: float  # responses a second
    p50_ms: float
    p99_ms: float


def install(say: Say) -> None:
    host.install(host.missing_tools({"wrk": "wrk"}), say)


def run(url: str, seconds: int, connections: int, script: str = "") -> WrkResult:
    """Send GETs, or what the script says, over keep-alive connections. Raise RuntimeError if any response is not a
    success."""
    command = ["wrk", "-t", "1", "-c", str(connections), "-d", str(seconds), "--timeout", "20s", "--latency"]
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as file:
        if script:
            Path(file.name).write_text(script)
            command += ["-s", file.name]
        done = subprocess.run([*command, url], capture_output=True, text=True, check=True, timeout=120)  # noqa: S603
    text = done.stdout
    count = re.search(r"(\d+) requests in", text)
    rate = re.search(r"Requests/sec: +([\d.]+)", text)
    if not (count and rate) or int(count[1]) == 0 or "Non-2xx" in text or "Socket errors" in text:
        raise RuntimeError(f"wrk failed on {url}:\n{text}")
    return WrkResult(int(count[1]), float(rate[1]), _percentile(text, 50), _percentile(text, 99))


def _percentile(text: str, percent: int) -> float:
    match = re.search(rf"^ +{percent}% +([\d.]+)(us|ms|s)$", text, re.MULTILINE)
    if not match:
        raise RuntimeError(f"wrk reports no percentile {percent}:\n{text}")
    return float(match[1]) * {"us": 0.001, "ms": 1, "s": 1000}[match[2]]

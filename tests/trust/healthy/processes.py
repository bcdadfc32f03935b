"""Processes beside the deployment: load, writes and computation. Each ends with its block, and with its parent."""

import contextlib
import subprocess
import sys
from collections.abc import Iterator

from tools.cluster.instance import CHECKOUT

END_SECONDS = 10.0


@contextlib.contextmanager
def running(*command: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command in the background."""
    process = subprocess.Popen(
        ("setpriv", "--pdeathsig", "KILL", *command),
        cwd=CHECKOUT, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def busy_loop() -> contextlib.AbstractContextManager[object]:
    """Keep one core busy."""
    return running(sys.executable, "-c", "while True: pass")


def writes(url: str, per_second: float) -> contextlib.AbstractContextManager[object]:
    """Post documents at a fixed rate, and ignore failures."""
    return running(sys.executable, "-m", "tests.trust.healthy.writer", url, str(per_second))


def apache_bench(url: str, seconds: int) -> None:
    """Run the README's load. A request that fails does not end it (`-r`)."""
    _run("ab", "-r", "-t", str(seconds), "-n", "10000000", "-c", "100", url, limit=seconds + 60)


def _run(*command: str, limit: float) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=limit)
    assert done.returncode == 0, done.stderr[-500:]

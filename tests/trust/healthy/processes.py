"""Processes beside the deployment: load, writes and work. Each ends with its block, or with its parent."""

import contextlib
import subprocess
import sys
from collections.abc import Iterator, Sequence

from tools.cluster.instance import CHECKOUT

END_SECONDS = 10.0


@contextlib.contextmanager
def running(*command: str) -> Iterator[subprocess.Popen[bytes]]:
    """A command in the background."""
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
    """Takes one core."""
    return running(sys.executable, "-c", "while True: pass")


def writes(url: str, per_second: float) -> contextlib.AbstractContextManager[object]:
    """Posts documents at a fixed rate, whatever becomes of them."""
    return running(sys.executable, "-m", "tests.trust.healthy.writer", url, str(per_second))


def apache_bench(url: str, seconds: int) -> None:
    """The load that README tells to try. A request that fails does not end it (`-r`)."""
    _run("ab", "-r", "-t", str(seconds), "-n", "10000000", "-c", "100", url, limit=seconds + 60)


def _run(*command: str, limit: float) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=limit)
    assert done.returncode == 0, _end(done.stderr.splitlines())


def _end(lines: Sequence[str]) -> str:
    return "\n".join(lines[-5:])

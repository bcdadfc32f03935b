"""A dashboard for one `prove --target`, on this machine and not in the cluster: with the caller's own rights, and gone
afterwards. It needs the standard library only, as prove does; the dashboard itself is another process."""

from __future__ import annotations

import contextlib
import ctypes
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

START_SECONDS = 60.0
END_SECONDS = 20.0  # for a run that is aborted to clean up
POLL_SECONDS = 0.2
ROOT = Path(__file__).parents[1]
LINES = 5  # of its log, that are shown if it ends
# What the dashboard gets of the caller's environment. Everything else could change what it does, or make a verdict up.
KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "PYTHONPATH", "VIRTUAL_ENV", "SSL_CERT_FILE", "LD_LIBRARY_PATH")
PR_SET_PDEATHSIG = 1  # <linux/prctl.h>


class DashboardStartError(Exception):
    """It does not start. The message says why."""


@contextlib.contextmanager
def dashboard(
    target: str, namespace: str, kubeconfig: str, url: str, database: str, secrets_directory: str
) -> Iterator[tuple[str, str]]:
    """Yield its address and the operator's token, until the block ends. `url` is the service's address from here,
    `database` its database's, or "": then that is not read. Raise DashboardStartError."""
    port, probe_port = _free_ports()
    token = secrets.token_hex(24)
    settings = {
        "TARGET_FILE": str(Path(target).resolve()), "TARGET_URL": url, "NAMESPACE": namespace, "RUN_STORE": "memory",
        "TARGET_DATABASE": database,
        "TARGET_SECRETS": str(Path(secrets_directory).resolve()) if secrets_directory else "",
        "KUBECONFIG": str(Path(kubeconfig).resolve()), "CLUSTER_NAME": "kubernetes",
        "OPERATOR_TOKEN": token, "VIEWER_TOKEN": secrets.token_hex(24),
        "SESSION_KEY": secrets.token_hex(24), "DASHBOARD_SOURCE": "cluster",
        "HOST": "127.0.0.1", "PORT": str(port), "PROBE_PORT": str(probe_port),
    }  # fmt: skip
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            (sys.executable, "-m", "dashboard"), cwd=ROOT, env=_environment() | settings, stdin=subprocess.DEVNULL,
            stdout=output, stderr=subprocess.STDOUT, start_new_session=True, preexec_fn=_end_with_parent,
        )  # fmt: skip
        try:
            _wait(process, f"http://127.0.0.1:{probe_port}/healthz", output)
            yield f"http://127.0.0.1:{port}", token
        finally:
            _end(process)


def _wait(process: subprocess.Popen[bytes], url: str, output: IO[bytes]) -> None:
    opener = build_opener(ProxyHandler({}))  # the environment's proxy is not for this machine's own addresses
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(URLError, OSError), opener.open(url, timeout=POLL_SECONDS * 5):
            return
        time.sleep(POLL_SECONDS)
    raise DashboardStartError(f"The dashboard did not start: {_tail(output)}")


def _tail(output: IO[bytes]) -> str:
    output.seek(0)
    lines = output.read().decode(errors="replace").splitlines()
    shown = [
        line for line in lines if line and "/login#" not in line and not line.startswith("[")
    ]  # the link is secret
    return " / ".join(shown[-LINES:]) or "it says nothing."


def _environment() -> dict[str, str]:
    """Return what the dashboard gets of the caller's environment. Its own settings are given explicitly."""
    kept = (*KEPT, *(name for name in os.environ if name.startswith(("AWS_", "GOOGLE_", "AZURE_", "CLOUDSDK_"))))
    return {name: os.environ[name] for name in kept if name in os.environ}  # a kubeconfig may call a cloud's program


def _end_with_parent() -> None:
    """Have Linux end the dashboard if this program is killed: it has the caller's rights, and would go on."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End it, with the time that a run needs to clean up; at once if this is interrupted again."""
    try:
        process.send_signal(signal.SIGTERM)
        process.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        pass
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # its session: the server and its worker
        process.wait()


def _free_ports() -> tuple[int, int]:
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
        return one.getsockname()[1], other.getsockname()[1]

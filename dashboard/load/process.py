"""The load generator's process: started, followed by its samples, stopped and reaped."""

import contextlib
import logging
import math
import os
import selectors
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from dashboard.load.options import LoadSample
from dashboard.load.progress import LoadProgress

BEGIN_SECONDS = 15.0  # until the first sample: the imports take long on a busy machine
SILENT_SECONDS = 8.0  # until the next sample; there should be one a second
LATE_SECONDS = 15.0  # after the duration, for the last responses; then the process is killed
STOP_SECONDS = 0.9
LONGEST_LINE = 4 << 10  # bytes
STDERR_BYTES = 2 << 10  # kept, from the end
READ_BYTES = 1 << 16
ROOT = Path(__file__).parents[2]

log = logging.getLogger(__name__)


class GeneratorProcess(threading.Thread):
    """A thread that starts a generator, follows it, and reaps it.

    The same thread starts the process and waits for it, because PR_SET_PDEATHSIG kills a process when the thread that
    started it ends. `on_sample` is called after each sample, `on_end` once, with the problem as the end of a sentence,
    or None. Without a `url` the generator tests this machine.
    """

    def __init__(
        self,
        url: str | None,
        progress: LoadProgress,
        on_sample: Callable[[], None],
        on_end: Callable[[str | None], None],
    ) -> None:
        super().__init__(name="load", daemon=True)
        self.problem: str | None = None
        self._options = msgspec.json.encode({"url": url, **msgspec.to_builtins(progress.options)}).decode()
        self._progress = progress
        self._on_sample = on_sample
        self._on_end = on_end
        self._process: subprocess.Popen[bytes] | None = None
        self._stopping = False
        self._lock = threading.Lock()
        self._begun = threading.Event()  # set by the first sample, or at the end
        self._start = math.inf  # when the load started, by `time.monotonic`: estimated, never too early
        self._deadline = 0.0  # of the next sample, by `time.monotonic`
        self._line = b""
        self._error_output = b""

    def wait_until_begun(self) -> bool:
        """Wait for the first sample. Return False if the generator ended without one; it is reaped then."""
        self._begun.wait()
        if self._progress.begun:
            return True
        self.join()
        return False

    def change_rate(self, rate: float) -> None:
        """Send the generator a new rate. Do nothing before its first sample or after its end."""
        with self._lock:
            stdin = self._process and self._process.stdin
            if not stdin or stdin.closed or not self._progress.begun:
                return
            self._progress.change_rate(self._elapsed(), rate)  # first, so that no sample is ahead of the schedule
            with contextlib.suppress(OSError):
                stdin.write(f"{rate}\n".encode())

    def stop(self) -> None:
        """Close the generator's stdin, kill it after STOP_SECONDS, and wait until it is reaped."""
        with self._lock:
            self._stopping = True
            self._progress.stop(self._elapsed())
            if self._process and self._process.stdin:
                with contextlib.suppress(OSError):
                    self._process.stdin.close()
        if threading.current_thread() is self:
            return
        self.join(STOP_SECONDS)
        if self.is_alive():
            with self._lock:
                if self._process:
                    self._process.kill()
            self.join()

    def run(self) -> None:
        try:
            self.problem = self._run()
        except Exception as error:  # reported like any other end, or the load would seem to run forever
            log.exception("could not follow the load generator")
            self.problem = f"the dashboard failed to follow it: {type(error).__name__}"
        finally:
            self._reap()
            try:
                self._on_end(self.problem)
            finally:
                self._begun.set()

    def _run(self) -> str | None:
        """Run the generator to its end. Return the problem, or None."""
        command = [sys.executable, "-B", "-m", "dashboard.load.generator", self._options]
        with self._lock:
            if self._stopping:
                return None
            pipe = subprocess.PIPE
            try:
                # An empty environment: the generator needs none of the dashboard's secrets.
                self._process = subprocess.Popen(  # noqa: S603 - its own program
                    command, cwd=ROOT, env={}, stdin=pipe, stdout=pipe, stderr=pipe, bufsize=0, process_group=0
                )
            except OSError as error:
                return f"it can't be run: {error.strerror}"
        problem = self._follow(self._process)
        if problem is not None:
            self._process.kill()
        try:
            status = self._process.wait(SILENT_SECONDS)
        except subprocess.TimeoutExpired:
            return "it closed its output, but did not exit"
        if problem is not None or self._stopping:
            return None if self._stopping else problem
        if status != 0 or not self._progress.final:
            return f"it ended with {_describe(status)}{self._last_error()}"
        return None

    def _follow(self, process: subprocess.Popen[bytes]) -> str | None:
        """Read the output to its end. Return the problem if a sample is invalid or late, or the load does not end."""
        self._deadline = time.monotonic() + BEGIN_SECONDS
        end = self._deadline + self._progress.options.duration + LATE_SECONDS
        with selectors.DefaultSelector() as selector:
            for pipe, take in ((process.stdout, self._take), (process.stderr, self._take_stderr)):
                if pipe:
                    selector.register(pipe, selectors.EVENT_READ, take)
            while selector.get_map():
                if (left := self._deadline - time.monotonic()) <= 0:
                    return "it sent no sample in time"
                if time.monotonic() > end:
                    return "it did not end in time"
                for key, _ in selector.select(left):
                    if not (data := os.read(key.fd, READ_BYTES)):
                        selector.unregister(key.fileobj)
                    elif (problem := key.data(data)) is not None:
                        return f"it sent an invalid sample: {problem}"
        return None

    def _take(self, data: bytes) -> str | None:
        *lines, self._line = (self._line + data).split(b"\n")
        for line in lines:
            try:
                sample = msgspec.json.decode(line, type=LoadSample)
            except msgspec.MsgspecError:
                return "not a sample"
            self._start = min(self._start, time.monotonic() - sample.elapsed)
            if (problem := self._progress.take(sample)) is not None:
                return problem
            self._deadline = time.monotonic() + SILENT_SECONDS
            self._on_sample()
            self._begun.set()
        return "not a sample" if len(self._line) > LONGEST_LINE else None

    def _elapsed(self) -> float:
        """Return the seconds since the load's start, estimated from its samples: never too many."""
        return max(0.0, time.monotonic() - self._start)

    def _take_stderr(self, data: bytes) -> None:
        self._error_output = (self._error_output + data)[-STDERR_BYTES:]

    def _last_error(self) -> str:
        """Return the last line on stderr: the exception of a traceback, or the only line."""
        lines = self._error_output.decode(errors="replace").split("\n")
        last = next((line.strip() for line in reversed(lines) if line.strip()), "")
        return f": {last.removesuffix('.')}" if last else ""

    def _reap(self) -> None:
        """Kill and reap the process, and close its pipes."""
        with self._lock:
            if self._process is None:
                return
            if self._process.poll() is None:
                self._process.kill()
                self._process.wait()
            for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
                if pipe:
                    pipe.close()


def _describe(status: int) -> str:
    return f"signal {-status}" if status < 0 else f"status {status}"

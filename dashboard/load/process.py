"""The load generator's process, seen from the dashboard: started, heard, checked, and gone for certain."""

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

BEGIN_SECONDS = 15.0  # to import what the generator needs, on a machine that is busy
SILENT_SECONDS = 8.0  # without a line, though there should be one each second
LATE_SECONDS = 15.0  # after the duration, for the answers that are awaited: then it is killed
STOP_SECONDS = 0.9
LONGEST_LINE = 4 << 10  # bytes
WORDS = 2 << 10  # bytes kept of what it says on stderr
READ_BYTES = 1 << 16
ROOT = Path(__file__).parents[2]

log = logging.getLogger(__name__)


class GeneratorProcess(threading.Thread):
    """A generator, from its start until it is gone. The thread that starts it is the one that waits for it: the kernel
    would kill it with its parent, and takes the thread for that.

    `heard` is called at each sample, `ended` once, with what went wrong if anything did, as the end of a sentence.
    """

    def __init__(
        self, url: str | None, course: LoadProgress, heard: Callable[[], None], ended: Callable[[str | None], None]
    ) -> None:
        super().__init__(name="load", daemon=True)
        self.problem: str | None = None
        self._instructions = msgspec.json.encode({"url": url, **msgspec.to_builtins(course.options)}).decode()
        self._course = course
        self._heard = heard
        self._ended = ended
        self._process: subprocess.Popen[bytes] | None = None
        self._ending = False
        self._lock = threading.Lock()
        self._begun = threading.Event()  # or it never will
        self._start = math.inf  # the moment of the load's start: no sample comes before it was made
        self._awaited = 0.0  # when the next sample must have come
        self._line = b""
        self._words = b""  # the last that it said on stderr

    def wait_until_heard(self) -> bool:
        """Whether it began; False, and it is gone, when it ended before."""
        self._begun.wait()
        if self._course.begun:
            return True
        self.join()
        return False

    def change_rate(self, rate: float) -> None:
        """Has it send so many requests a second from now on; nothing before it began or after its end."""
        with self._lock:
            stdin = self._process and self._process.stdin
            if not stdin or stdin.closed or not self._course.begun:
                return
            self._course.change_rate(self._elapsed(), rate)  # first: no sample may be ahead of the schedule
            with contextlib.suppress(OSError):
                stdin.write(f"{rate}\n".encode())

    def end(self) -> None:
        """Asks it to end, and kills it if that takes too long."""
        with self._lock:
            self._ending = True
            self._course.stop(self._elapsed())
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
        except Exception as error:  # told like any other end, or the load would seem to run for ever
            log.exception("the load generator could not be followed")
            self.problem = f"the dashboard failed to follow it: {type(error).__name__}"
        finally:
            self._reap()
            try:
                self._ended(self.problem)
            finally:
                self._begun.set()

    def _run(self) -> str | None:
        """What went wrong, if anything did."""
        # Without an environment, for it needs none of the dashboard's secrets.
        command = [sys.executable, "-B", "-m", "dashboard.load.generator", self._instructions]
        with self._lock:
            if self._ending:
                return None
            pipe = subprocess.PIPE
            try:
                self._process = subprocess.Popen(  # noqa: S603 - its own program
                    command, cwd=ROOT, env={}, stdin=pipe, stdout=pipe, stderr=pipe, bufsize=0, process_group=0
                )
            except OSError as error:
                return f"it can't be run: {error.strerror}"
        wrong = self._follow(self._process)
        if wrong is not None:
            self._process.kill()
        try:
            status = self._process.wait(SILENT_SECONDS)
        except subprocess.TimeoutExpired:
            return "it fell silent, and did not end"
        if wrong is not None or self._ending:
            return None if self._ending else wrong
        if status != 0 or not self._course.final:
            return f"it ended with {_named(status)}{self._last_words()}"
        return None

    def _follow(self, process: subprocess.Popen[bytes]) -> str | None:
        """Reads until it has ended, or until it says what can't be, or nothing for too long: that is given back."""
        self._awaited = time.monotonic() + BEGIN_SECONDS
        end = self._awaited + self._course.options.duration + LATE_SECONDS
        with selectors.DefaultSelector() as selector:
            for pipe, take in ((process.stdout, self._take), (process.stderr, self._take_words)):
                if pipe:
                    selector.register(pipe, selectors.EVENT_READ, take)
            while selector.get_map():
                if (left := self._awaited - time.monotonic()) <= 0:
                    return "it said nothing for too long"
                if time.monotonic() > end:
                    return "it did not end when it should have"
                for key, _ in selector.select(left):
                    if not (data := os.read(key.fd, READ_BYTES)):
                        selector.unregister(key.fileobj)
                    elif (lie := key.data(data)) is not None:
                        return f"what it told can't be true: {lie}"
        return None

    def _take(self, data: bytes) -> str | None:
        *lines, self._line = (self._line + data).split(b"\n")
        for line in lines:
            try:
                sample = msgspec.json.decode(line, type=LoadSample)
            except msgspec.MsgspecError:
                return "it was no sample"
            self._start = min(self._start, time.monotonic() - sample.elapsed)
            if (lie := self._course.take(sample)) is not None:
                return lie
            self._awaited = time.monotonic() + SILENT_SECONDS
            self._heard()
            self._begun.set()
        return "it was no sample" if len(self._line) > LONGEST_LINE else None

    def _elapsed(self) -> float:
        """Seconds since the load's start, as far as its samples tell: never more than have passed."""
        return max(0.0, time.monotonic() - self._start)

    def _take_words(self, data: bytes) -> None:
        self._words = (self._words + data)[-WORDS:]

    def _last_words(self) -> str:
        """The last line of what it said: a traceback's is the error, a refusal's the only one."""
        lines = self._words.decode(errors="replace").split("\n")
        last = next((line.strip() for line in reversed(lines) if line.strip()), "")
        return f": {last.removesuffix('.')}" if last else ""

    def _reap(self) -> None:
        """Leaves no process and no pipe."""
        with self._lock:
            if self._process is None:
                return
            if self._process.poll() is None:
                self._process.kill()
                self._process.wait()
            for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
                if pipe:
                    pipe.close()


def _named(status: int) -> str:
    return f"signal {-status}" if status < 0 else f"status {status}"

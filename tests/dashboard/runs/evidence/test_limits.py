"""The limits of time and memory, in a process of their own."""

import subprocess
import sys

PROGRAM = """
from dashboard.runs.evidence.file import Unreadable
from dashboard.runs.evidence.limits import limited
try:
    with limited(2):
        {}
except (MemoryError, Unreadable) as error:
    print(type(error).__name__, error)
"""


def ended(work: str) -> str:
    done = subprocess.run([sys.executable, "-c", PROGRAM.format(work)], capture_output=True, text=True, timeout=60)
    return done.stdout.strip()


def test_endless_work_is_ended() -> None:
    assert ended("while True: pass") == "Unreadable It can't be recomputed within 2 s."


def test_memory_is_limited() -> None:
    assert ended("bytes(2 << 30)") == "MemoryError"


def test_limit_of_time_ends_with_the_work() -> None:
    assert ended("pass\n    import time\n    time.sleep(3)\n    print('done')") == "done"

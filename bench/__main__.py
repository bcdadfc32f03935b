"""python -m bench: measures, and writes bench/RESULTS.md. Absolute times belong to the machine that it names."""

import datetime as dt
import os
import platform
import time
from pathlib import Path

from bench import page

RESULTS = Path(__file__).parent / "RESULTS.md"

if __name__ == "__main__":
    began = time.monotonic()
    rows = page.measure(lambda text: print(f"{time.monotonic() - began:6.1f} s  {text}", flush=True))
    machine = f"{os.cpu_count()} cores, Linux {platform.release()}, Python {platform.python_version()}"
    text = f"""# Results

Written by `make bench` on {dt.date.today()}: {machine}. {page.ROUNDS} rounds.

## The page follows the cluster

{page.report(rows)}
"""
    RESULTS.write_text(text)
    print(text)

"""Benchmarks: `python -m bench [PART …]` measures all parts, or those named, and writes bench/RESULTS.md.

Parts that are not measured keep their last results. Times depend on the machine, which each result names.
`python -m bench.comparison --rows post --peers ours sample` measures a part of the comparison, and prints it.
"""

import datetime as dt
import os
import platform
import re
import sys
import time
from pathlib import Path
from typing import Any

from bench import backup, churn, comparison, limited, load, page, pods, service, viewers, weight

RESULTS = Path(__file__).parent / "RESULTS.md"
PARTS: dict[str, tuple[str, Any]] = {
    "page": ("The page follows the cluster", page),
    "churn": ("A thousand pods", churn),
    "viewers": ("A hundred viewers", viewers),
    "weight": ("What the page weighs", weight),
    "load": ("A fixed rate", load),
    "service": ("The data service", service),
    "comparison": ("The data service beside its peers", comparison),
    "limited": ("The same under a pod's limit", limited),
    "pods": ("Each further pod", pods),
    "backup": ("Backups", backup),
}


def main(names: list[str]) -> None:
    unknown = set(names) - PARTS.keys()
    if unknown:
        sys.exit(f"Unknown benchmark {', '.join(sorted(unknown))}: use {', '.join(PARTS)}.")
    began = time.monotonic()
    machine = f"{os.cpu_count()} cores, Linux {platform.release()}, Python {platform.python_version()}"
    sections = _read()
    for name in names or PARTS:
        title, part = PARTS[name]
        print(f"{time.monotonic() - began:6.1f} s  {title}", flush=True)
        result = part.measure(lambda text: print(f"{time.monotonic() - began:6.1f} s    {text}", flush=True))
        sections[title] = f"{part.report(result)}\n\nMeasured on {dt.date.today()}: {machine}.\n"
        _write(sections)
        print(sections[title], flush=True)


def _read() -> dict[str, str]:
    """Return the sections of the last results as {title: text}."""
    text = RESULTS.read_text() if RESULTS.exists() else ""
    parts = re.split(r"^## (.+)\n", text, flags=re.MULTILINE)
    return {title: body.strip() + "\n" for title, body in zip(parts[1::2], parts[2::2], strict=True)}


def _write(sections: dict[str, str]) -> None:
    written = [f"## {title}\n\n{sections[title]}" for title, _ in PARTS.values() if title in sections]
    RESULTS.write_text("\n".join(["# Results\n\nWritten by `make bench`.\n", *written]))


if __name__ == "__main__":
    main(sys.argv[1:])

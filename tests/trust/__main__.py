"""python -m tests.trust: makes the missing runs, and writes docs/trust.md."""

import argparse
import re
import signal
import sys
import time
from collections.abc import Sequence

from tests.trust import runner
from tests.trust.case import AUTOSCALE, BROKEN, HEALTHY, PERSISTENCE, Case
from tests.trust.cases import CASES
from tests.trust.report import report
from tests.trust.results import Results
from tests.trust.site import Site
from tools.cluster.instance import CHECKOUT

RESULTS = CHECKOUT / "docs" / "trust.jsonl"
REPORT = CHECKOUT / "docs" / "trust.md"


def main() -> int:
    options = _parse()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)  # so that changes are undone
    results = Results(RESULTS)
    cases = _selected(options)
    if options.list:
        for case in cases:
            print(f"{results.missing(case, options.repeat)} to run  {case.demo} {case.kind}: {case.name}")
        return 0
    if not options.report:
        _measure(options, cases, results)
    REPORT.write_text(report(results.read(), CASES))
    print(f"written: {REPORT.relative_to(CHECKOUT)}")
    return 0


def _measure(options: argparse.Namespace, cases: Sequence[Case], results: Results) -> None:
    began = time.monotonic()

    def log(text: str) -> None:
        print(f"{time.monotonic() - began:7.1f} s  {text}", flush=True)

    if options.fresh:
        results.delete(cases)
    site = Site.named(options.name)
    log("making the deployment")
    site.make()
    try:
        if options.rehearse:
            for case in cases:
                runner.rehearse(site, case, options.rehearse, log)
        else:
            runner.measure_all(site, cases, results, options.repeat, log)
    except KeyboardInterrupt:
        log("interrupted: the same command continues from here")
    if not options.keep:
        log("removing the deployment")
        site.deployment.remove()


def _selected(options: argparse.Namespace) -> list[Case]:
    return [
        case
        for case in CASES
        if options.demo in (None, case.demo)
        and options.kind in (None, case.kind)
        and re.search(options.only, case.name, re.IGNORECASE)
    ]


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.trust", description="Count right and wrong verdicts on healthy and on broken deployments."
    )
    parser.add_argument("--name", default="trust", help="name of the embedded instance")
    parser.add_argument(
        "--only", default="", metavar="PATTERN", help="only the states whose names match this regular expression"
    )
    parser.add_argument("--demo", choices=(AUTOSCALE, PERSISTENCE))
    parser.add_argument("--kind", choices=(HEALTHY, BROKEN))
    parser.add_argument("--repeat", type=int, default=2, help="runs per state (default: 2)")
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--resume", action="store_true", help="make only the missing runs (default)")
    group.add_argument("--fresh", action="store_true", help="delete the earlier results of these states first")
    parser.add_argument("--keep", action="store_true", help="leave the deployment running")
    parser.add_argument(
        "--rehearse", type=float, metavar="SECONDS", help="bring the states about for a while, without runs"
    )
    parser.add_argument("--report", action="store_true", help="only write the report")
    parser.add_argument("--list", action="store_true", help="only list the states")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())

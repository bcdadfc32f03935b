"""Measures the cases: for each run it restores the deployment, brings the state about, runs the demo and undoes it."""

import os
import platform
import subprocess
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import urllib3

from dashboard.check import check
from tests.e2e.deployment import wait_until
from tests.trust.case import AUTOSCALE, Case
from tests.trust.results import ERROR, PROTOCOLS, Result, Results
from tests.trust.site import Site, now
from tools.cluster.instance import CHECKOUT

EVIDENCE = CHECKOUT / "reports" / "trust"  # each run's JSON from the API, and its evidence file
START_SECONDS = 60.0

Json = dict[str, Any]
Log = Callable[[str], None]


def measure_all(site: Site, cases: Sequence[Case], results: Results, repeat: int, log: Log) -> None:
    """Make the missing runs of each case. If a state can't be brought about, the result is an error, not a run."""
    for case in cases:
        for _ in range(results.missing(case, repeat)):
            result = measure(site, case)
            results.append(result)
            outcome = "error" if result.verdict == ERROR else "ok" if result.ok else "NOT OK"
            log(f"{outcome:6} {case.demo} {case.kind}: {case.name}: {result.verdict} (expected {case.expected})")
            log(f"       {result.line} {result.reason or ''}")


def measure(site: Site, case: Case) -> Result:
    """Make one run of a case."""
    runs: list[Json] = []
    checked = None
    began, started = time.monotonic(), now()
    try:
        site.restore()
        if case.demo == AUTOSCALE:
            site.wait_until_at_rest()
        with case.state(site):
            began, started = time.monotonic(), now()
            runs.append(_run(site, case))
            seconds = time.monotonic() - began
            if evidence := site.save_evidence(runs[0], EVIDENCE):
                checked = check(str(evidence)).result
    except Exception as error:
        traceback.print_exc()
        if not runs:
            reason = f"{type(error).__name__}: {error}".replace(f"{CHECKOUT}/", "")
            return _result(case, ERROR, False, "", reason, time.monotonic() - began, started)
        seconds = time.monotonic() - began  # the run has ended, but the undo failed: the next restore repeats it
    (run,) = runs
    site.save(run, EVIDENCE)
    ok = case.is_met(run["verdict"], run["reason"])
    return _result(case, run["verdict"], ok, run["line"], run["reason"], seconds, started, checked)


def rehearse(site: Site, case: Case, seconds: float, log: Log) -> None:
    """Bring a case's state about without a run, print the cluster's state, and undo it.

    For the autoscale demo, scale up by hand.
    """
    site.restore()
    log(f"{case.demo} {case.kind}: {case.name}")
    with case.state(site), case.event(site, "rehearsal"):
        if case.demo == AUTOSCALE:
            site.deployment.kubectl("scale", "deployment", "flask", "--replicas=3")
        time.sleep(seconds)
        log(f"{case.name}: brought about\n{site.facts()}")
    log(f"{case.name}: undone, differs from the manifests in {site.differences() or 'nothing'}")


def _run(site: Site, case: Case) -> Json:
    run = _start(site, case)
    if not case.step:
        return site.runs.wait_for_end(run)
    if not _wait_for_step(site, run, case.step):
        return site.runs.get(run)
    with case.event(site, run):
        return site.runs.wait_for_end(run)


def _start(site: Site, case: Case) -> str:
    """Start the run and return its id. A dashboard that has just started may refuse for a moment."""
    started: list[str] = []
    refusals: list[str] = []

    def is_accepted() -> bool:
        try:
            response = site.runs.request("POST", "/runs", {"demo": case.demo, "options": dict(case.options)})
        except urllib3.exceptions.HTTPError as error:
            refusals.append(str(error))
            return False
        if response.status == 202:
            started.append(response.json()["id"])
        refusals.append(f"{response.status} {response.data.decode(errors='replace')}")
        return bool(started)

    try:
        wait_until(is_accepted, START_SECONDS)
    except AssertionError as error:
        raise AssertionError(f"the run was not accepted: {refusals[-1]}") from error
    return started[0]


def _wait_for_step(site: Site, run_id: str, step: str) -> bool:
    """Wait until the step runs. Return False if the run ends before."""
    ended = False

    def is_running() -> bool:
        nonlocal ended
        run = site.runs.get(run_id)
        ended = run.get("verdict", "running") != "running"
        return ended or any(each["id"] == step and each["state"] == "running" for each in run.get("steps", []))

    wait_until(is_running, 1_200)
    return not ended


def _result(
    case: Case, verdict: str, ok: bool, line: str, reason: str | None, seconds: float, started: str,
    checked: str | None = None,
) -> Result:  # fmt: skip
    return Result(
        case.name, case.kind, case.demo, verdict, ok, line, reason, round(seconds, 1), started, commit(), machine(),
        PROTOCOLS[case.demo], checked,
    )  # fmt: skip


def commit() -> str:
    """Return the checkout's commit, with a + if files other than the results have changed since."""
    name = _git("rev-parse", "--short", "HEAD")
    others = (".", ":(exclude)docs/trust.*", ":(exclude)docs/hosts.*")
    changed = _git("status", "--porcelain", "--untracked-files=no", "--", *others)
    return name + ("+" if changed else "")


def machine() -> str:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{os.cpu_count()} cores of {_processor()}, {memory:.0f} GiB of memory, Linux {platform.release()}"


def _processor() -> str:
    names = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return names[0].partition(":")[2].strip() if names else platform.machine()


def _git(*arguments: str) -> str:
    return subprocess.run(("git", *arguments), cwd=CHECKOUT, capture_output=True, text=True).stdout.strip()

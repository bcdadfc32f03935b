"""Measures one case after another: makes the deployment normal, brings the state about, runs the demo, undoes it."""

import os
import platform
import subprocess
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import urllib3

from tests.e2e.controls import until
from tests.trust.case import AUTOSCALE, Case
from tests.trust.results import ERROR, Result, Results
from tests.trust.site import Site, now
from tools.cluster.instance import CHECKOUT

EVIDENCE = CHECKOUT / "reports" / "trust"  # each run as the API has it
START_SECONDS = 60.0

Json = dict[str, Any]
Say = Callable[[str], None]


def measure_all(site: Site, cases: Sequence[Case], results: Results, repeat: int, say: Say) -> None:
    """Every case as often as it lacks results. A case that can't be set up is noted as an error, and tried once."""
    for case in cases:
        for _ in range(results.missing(case, repeat)):
            result = measure(site, case)
            results.append(result)
            said = "error" if result.verdict == ERROR else "ok" if result.ok else "NOT OK"
            say(f"{said:6} {case.demo} {case.kind}: {case.name}: {result.verdict} (expected {case.expected})")
            say(f"       {result.line} {result.reason or ''}")


def measure(site: Site, case: Case) -> Result:
    """One run of a case."""
    runs: list[Json] = []
    began, started = time.monotonic(), now()
    try:
        site.restore()
        if case.demo == AUTOSCALE:
            site.rest()
        with case.state(site):
            began, started = time.monotonic(), now()
            runs.append(_run(site, case))
            seconds = time.monotonic() - began
    except Exception as error:
        traceback.print_exc()
        if not runs:
            reason = f"{type(error).__name__}: {error}".replace(f"{CHECKOUT}/", "")
            return _result(case, ERROR, False, "", reason, time.monotonic() - began, started)
        seconds = time.monotonic() - began  # it ran, and could not be undone: the next one begins with that
    (run,) = runs
    site.save(run, EVIDENCE)
    met = case.is_met(run["verdict"], run["reason"])
    return _result(case, run["verdict"], met, run["line"], run["reason"], seconds, started)


def rehearse(site: Site, case: Case, seconds: float, say: Say) -> None:
    """Brings a case's state about without a run, shows what the cluster makes of it, and undoes it. An autoscaler's
    new pods are asked for by hand."""
    site.restore()
    say(f"{case.demo} {case.kind}: {case.name}")
    with case.state(site), case.event(site, "rehearsal"):
        if case.demo == AUTOSCALE:
            site.deployment.kubectl("scale", "deployment", "flask", "--replicas=3")
        time.sleep(seconds)
        say(f"{case.name}: brought about\n{site.facts()}")
    say(f"{case.name}: taken back, differs from the manifests in {site.differences() or 'nothing'}")


def _run(site: Site, case: Case) -> Json:
    run = _start(site, case)
    if not case.step:
        return site.proofs.end(run)
    if not _reach(site, run, case.step):
        return site.proofs.run(run)
    with case.event(site, run):
        return site.proofs.end(run)


def _start(site: Site, case: Case) -> str:
    """The run's id, as soon as the dashboard takes it: one that has just started may not, for a moment."""
    started: list[str] = []
    refusals: list[str] = []

    def accepted() -> bool:
        try:
            answer = site.proofs.ask("POST", "/runs", {"demo": case.demo, "options": dict(case.options)})
        except urllib3.exceptions.HTTPError as error:
            refusals.append(str(error))
            return False
        if answer.status == 202:
            started.append(answer.json()["id"])
        refusals.append(f"{answer.status} {answer.data.decode(errors='replace')}")
        return bool(started)

    try:
        until(accepted, START_SECONDS)
    except AssertionError as error:
        raise AssertionError(f"the run was not accepted: {refusals[-1]}") from error
    return started[0]


def _reach(site: Site, run_id: str, step: str) -> bool:
    """Whether the step has begun; False of a run that ended before."""
    ended = False

    def under_way() -> bool:
        nonlocal ended
        run = site.proofs.run(run_id)
        ended = run.get("verdict", "running") != "running"
        return ended or any(each["id"] == step and each["state"] == "running" for each in run.get("steps", []))

    until(under_way, 1_200)
    return not ended


def _result(
    case: Case, verdict: str, ok: bool, line: str, reason: str | None, seconds: float, started: str
) -> Result:
    return Result(
        case.name, case.kind, case.demo, verdict, ok, line, reason, round(seconds, 1), started, commit(), machine()
    )  # fmt: skip


def commit() -> str:
    """The checkout's commit, with a + where something was changed since, other than these results."""
    name = _git("rev-parse", "--short", "HEAD")
    changed = _git("status", "--porcelain", "--untracked-files=no", "--", ".", ":(exclude)docs/trust.*")
    return name + ("+" if changed else "")


def machine() -> str:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{os.cpu_count()} cores of {_processor()}, {memory:.0f} GiB of memory, Linux {platform.release()}"


def _processor() -> str:
    names = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return names[0].partition(":")[2].strip() if names else platform.machine()


def _git(*arguments: str) -> str:
    return subprocess.run(("git", *arguments), cwd=CHECKOUT, capture_output=True, text=True).stdout.strip()

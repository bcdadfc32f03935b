"""What each further pod of the service brings, under its limits, on the running deployment: one pod, two and five.

Needs a running `make up`. wrk, MongoDB, the pods and all of Kubernetes share this machine, so beside the rates stands
what each program took of its processors: that says what holds the next pod back.
"""

import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kubernetes import client, config

from bench import wrk
from bench.comparison.rows import PAGE, POSTED
from bench.fake_pods import NAMESPACE, Say
from bench.pod import MILLICPUS, TICKS
from tools.cluster.instance import CHECKOUT
from tools.deploy import target

PODS = (1, 2, 5)
ROUNDS = 3
SECONDS = 8  # a turn
CONNECTIONS = 64  # kube-proxy chooses a pod for each: with fewer, some pods would have none
NAME = "flask"  # of the Deployment and of its autoscaler
READY_SECONDS = 240.0
SETTLE_SECONDS = 10.0  # after the pods are Ready: kube-proxy, and what their start took
PROGRAMS = {  # by a part of the command line
    "the service's pods": "service.server.settings",
    "mongod": "mongod --replSet",
    "the way to the cluster": "kube forward",
    "kubelet, API server, etcd": "/run/node/bin/kube",
    "wrk": "wrk -t",
}
REST = "all else"


@dataclass
class Turn:
    """Requests a second of one request, and how many processors each program used meanwhile, by its name."""

    rates: list[float] = field(default_factory=list)
    p99_ms: list[float] = field(default_factory=list)
    used: dict[str, list[float]] = field(default_factory=dict)


Result = dict[tuple[str, int], Turn]  # {(request, pods): …}
REQUESTS = {f"GET of {PAGE}": (f"?limit={PAGE}", ""), "POST of one": ("", wrk.POST.format(POSTED))}


def measure(say: Say) -> Result:
    wrk.install(say)
    config.load_kube_config(str(CHECKOUT / ".cluster" / "kubeconfig"))  # type: ignore[no-untyped-call]
    url = f"http://127.0.0.1:{target.service_port()}/data"
    result: Result = {}
    with _autoscaler_restored():
        for pods in PODS:
            say(f"waiting for {pods} {'pod' if pods == 1 else 'pods'}")
            _scale(pods)
            for request, (query, script) in REQUESTS.items():
                say(f"{pods}: {request}")
                turn = result[request, pods] = Turn()
                wrk.run(url + query, 2, CONNECTIONS, script)  # warm-up
                for _ in range(ROUNDS):
                    _take(turn, url + query, script)
    return result


def report(result: Result) -> str:
    names = [*PROGRAMS, REST]
    lines = [
        f"Medians of {ROUNDS} turns of {SECONDS} s, {CONNECTIONS} connections, with the lowest and the highest. A pod's"
        f" limit is {MILLICPUS}m of CPU. Below each program stands how many of the machine's processors it used.",
        "",
        f"| request, pods | requests a second | beside one pod | p99 | {' | '.join(names)} |",
        f"| {' | '.join(['---'] * (4 + len(names)))} |",
    ]
    for (request, pods), turn in result.items():
        rate, one = statistics.median(turn.rates), statistics.median(result[request, PODS[0]].rates)
        used = (f"{statistics.median(turn.used[name]):.2f}" for name in names)
        spread = f"{rate:,.0f} ({min(turn.rates):,.0f} to {max(turn.rates):,.0f})"
        p99 = f"{statistics.median(turn.p99_ms):.0f} ms"
        lines.append(f"| {request}, {pods} | {spread} | {rate / one:.2f} times | {p99} | {' | '.join(used)} |")
    return "\n".join(lines)


def _take(turn: Turn, url: str, script: str) -> None:
    before, began = _ticks(), time.monotonic()
    measured = wrk.run(url, SECONDS, CONNECTIONS, script)
    seconds, after = time.monotonic() - began, _ticks()
    turn.rates.append(measured.rate)
    turn.p99_ms.append(measured.p99_ms)
    for name in (*PROGRAMS, REST):
        turn.used.setdefault(name, []).append((after[name] - before[name]) / TICKS / seconds)


def _ticks() -> dict[str, int]:
    """Return each program's CPU time so far, in ticks. wrk has ended by then: the parent's time for it counts."""
    found = dict.fromkeys((*PROGRAMS, REST), 0)
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            command = (stat.parent / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:  # it has ended
            continue
        name = next((name for name, part in PROGRAMS.items() if part in command), REST)
        found[name] += int(fields[11]) + int(fields[12])
    children = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    found["wrk"] += int(children[13]) + int(children[14])  # of what this process started, and has ended
    return found


def _scale(pods: int) -> None:
    """Fix the number of pods, by the autoscaler's own bounds, and wait until that many serve."""
    client.AutoscalingV2Api().patch_namespaced_horizontal_pod_autoscaler(
        NAME, NAMESPACE, {"spec": {"minReplicas": pods, "maxReplicas": pods}}
    )
    until = time.monotonic() + READY_SECONDS
    while _serving() != (pods, pods):
        if time.monotonic() > until:
            raise RuntimeError(f"The Deployment has not {pods} Ready pods after {READY_SECONDS:.0f} s.")
        time.sleep(1)
    time.sleep(SETTLE_SECONDS)


def _serving() -> tuple[int, int]:
    """Return the numbers of the Deployment's pods and of those that are Ready."""
    status: Any = client.AppsV1Api().read_namespaced_deployment_status(NAME, NAMESPACE).status
    return status.replicas or 0, status.ready_replicas or 0


@contextmanager
def _autoscaler_restored() -> Iterator[None]:
    """Set the autoscaler's bounds again as they were."""
    api: Any = client.AutoscalingV2Api()
    spec = api.read_namespaced_horizontal_pod_autoscaler(NAME, NAMESPACE).spec
    bounds = {"minReplicas": spec.min_replicas, "maxReplicas": spec.max_replicas}
    try:
        yield
    finally:
        api.patch_namespaced_horizontal_pod_autoscaler(NAME, NAMESPACE, {"spec": bounds})

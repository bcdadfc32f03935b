"""Histories of runs that disrupt the service's pods, made by hand: times are in seconds."""

from collections.abc import Sequence

from msgspec.structs import replace

from dashboard.load.options import LoadTotals
from dashboard.runs.demos.disruption.observation import (
    Disruption,
    Facts,
    Kind,
    LoadPoint,
    ServicePod,
    Standing,
    TrialObservations,
)
from dashboard.runs.workload.operation import Operation, ReadBack

LIMITS: dict[str, float] = dict.fromkeys(("restart", "undo", "delete", "kill"), 100.0)
FACTS = Facts(pre_stop=True, readiness=True)
GRACE = 6.0  # seconds that an old pod takes to end
START = 4.0  # and a new one to be Ready


def pod(name: str, ready: bool = True, ending: bool = False, requests: float | None = 25.0) -> ServicePod:
    return ServicePod(f"uid-{name}", name, ready, ending, requests if ready else None)


def standing(at: float, *pods: ServicePod, desired: int = 2) -> Standing:
    return Standing(at, pods, desired)


def rolled(kind: Kind, at: float, old: Sequence[str], new: Sequence[str]) -> tuple[Disruption, list[Standing]]:
    """Return a roll-out that replaces all pods at once."""
    before, after = ("former", "rolled") if kind == "restart" else ("rolled", "former")
    done = Disruption(kind, at, at + 0.1, template_before=before, template_after=after)
    return done, [
        standing(at + 1, *(pod(each) for each in old), *(pod(each, ready=False) for each in new)),
        standing(at + START, *(pod(each, ready=False, ending=True) for each in old), *(pod(each) for each in new)),
        standing(at + START + GRACE, *(pod(each) for each in new)),
    ]


def deleted(kind: Kind, at: float, old: str, stays: str, new: str) -> tuple[Disruption, list[Standing]]:
    """Return the deletion of one pod of two. Without a grace period it is gone at once."""
    done = Disruption(kind, at, at + 0.1, victim=f"uid-{old}", name=old)
    ending = [] if kind == "kill" else [pod(old, ready=False, ending=True)]
    return done, [
        standing(at + 0.5, *ending, pod(stays), pod(new, ready=False)),
        standing(at + START, *ending, pod(stays), pod(new)),
        standing(at + START + GRACE, pod(stays), pod(new)),
    ]


def operations(until: float) -> list[Operation]:
    """Return writes and reads that are all answered: 100 writes a second, and 20 reads."""
    made = []
    for number in range(int(until * 100)):
        at = number / 100
        made.append(Operation(0, "post", f"{number:024x}", at, at + 0.05, "acknowledged", 1, f"sha-{number}"))
        if number % 5 == 0 and number > 50:
            seen = f"{number - 50:024x}"
            made.append(Operation(0, "get", seen, at, at + 0.02, "seen", seen={seen: f"sha-{number - 50}"}))
    return made


def load(until: float, errors: Sequence[tuple[float, int]] = (), kind: str = "connect") -> list[LoadPoint]:
    """Return a load of 50 requests a second; `errors` are (time, count)."""
    return [
        LoadPoint(
            float(at),
            LoadTotals(
                due=50 * at,
                offered=50 * at,
                sent=50 * at,
                achieved=50 * at,
                errors=(failed := sum(count for when, count in errors if when <= at)),
                by_kind={kind: failed} if failed else {},
                lag_p99_ms=3.0,
                cpu_percent=10.0,
            ),
        )
        for at in range(int(until) + 1)
    ]


def history(*parts: tuple[Disruption, list[Standing]], until: float = 80.0) -> TrialObservations:
    """Return a run with these disruptions, in which nothing failed."""
    written = operations(until)
    documents = {each.id: each.sha256 for each in written if each.kind == "post" and each.id and each.sha256}
    return TrialObservations(
        asked=tuple(done.kind for done, _ in parts),
        limits=LIMITS,
        operations=written,
        standings=[standing(0.0, pod("a"), pod("b")), *(each for _, after in parts for each in after)],
        disruptions=[done for done, _ in parts],
        load=load(until),
        read_backs=[ReadBack("database", until + 1, until + 2, documents)],
        facts=FACTS,
        last_write=True,
    )


ROLLOUT = history(rolled("restart", 10.0, "ab", "cd"), rolled("undo", 40.0, "cd", "ef"))
HEALING = history(deleted("delete", 10.0, "a", "b", "c"), deleted("kill", 40.0, "b", "c", "d"))
CUT = replace(ROLLOUT, disruptions=ROLLOUT.disruptions[:1], standings=ROLLOUT.standings[:2])  # never whole

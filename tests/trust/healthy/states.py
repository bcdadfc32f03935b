"""States of a healthy deployment, for both demos.

Each is a context manager that brings the state about, and undoes it after the run.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from tests.trust.case import State
from tests.trust.healthy import processes
from tests.trust.site import Edit, Json, Site

AB_SECONDS = 60
WRITES_PER_SECOND = 100.0
MANY = 100_000  # documents


@contextlib.contextmanager
def at_rest(site: Site) -> Iterator[None]:
    site.wait_until_at_rest()
    yield


@contextlib.contextmanager
def after_ab(site: Site) -> Iterator[None]:
    """A minute of the README's load has just ended."""
    processes.apache_bench(f"{site.deployment.service}/", AB_SECONDS)
    yield


def after_run(demo: str, **options: str) -> State:
    """A run has just ended."""

    @contextlib.contextmanager
    def state(site: Site) -> Iterator[None]:
        site.runs.run(demo, **options)
        yield

    return state


@contextlib.contextmanager
def after_roll_out(site: Site) -> Iterator[None]:
    """The service's pods have just been replaced."""
    site.deployment.kubectl("rollout", "restart", "deployment/flask")
    site.deployment.kubectl("rollout", "status", "deployment/flask", "--timeout=180s")
    yield


@contextlib.contextmanager
def after_dashboard_restart(site: Site) -> Iterator[None]:
    """The dashboard has just been replaced."""
    site.roll_out("dashboard")
    yield


@contextlib.contextmanager
def after_mongodb_restart(site: Site) -> Iterator[None]:
    """MongoDB's pod has just been replaced."""
    site.deployment.kubectl("delete", "pod", "mongodb-0", "--wait=true", "--timeout=90s")
    site.deployment.kubectl("wait", "--for=create", "pod/mongodb-0", "--timeout=60s")
    site.deployment.kubectl("wait", "--for=condition=Ready", "pod/mongodb-0", "--timeout=120s")
    yield


@contextlib.contextmanager
def with_writes(site: Site) -> Iterator[None]:
    """Users write during the run."""
    with processes.writes(f"{site.deployment.service}/data", WRITES_PER_SECOND):
        yield
    site.in_database("db.data.delete_many({'trust': True})")


@contextlib.contextmanager
def with_ab(site: Site) -> Iterator[None]:
    """Two users send requests one after another during the run."""
    command = ("ab", "-r", "-t", "900", "-n", "10000000", "-c", "2", f"{site.deployment.service}/")
    with processes.running(*command):
        yield


@contextlib.contextmanager
def with_busy_core(_site: Site) -> Iterator[None]:
    """Another process keeps one core busy."""
    with processes.busy_loop():
        yield


def with_documents(count: int) -> State:
    """The collection has this many documents."""
    fill = (
        "db.data.delete_many({})\n"
        f"for first in range(0, {count}, 1000):\n"
        "    db.data.insert_many([{'trust': True, 'number': first + each, 'text': 'x' * 100} for each in range(1000)])"
    )

    @contextlib.contextmanager
    def state(site: Site) -> Iterator[None]:
        site.in_database(fill)
        yield
        site.in_database("db.data.delete_many({'trust': True})")

    return state


def with_change(kind: str, name: str, edit: Edit) -> State:
    """An object differs from the manifests."""

    @contextlib.contextmanager
    def state(site: Site) -> Iterator[None]:
        with site.changed(kind, name, edit):
            yield

    return state


def with_cpu_request(cpu: str) -> State:
    """The service's pods request this much CPU."""

    def edit(deployment: Json) -> None:
        deployment["spec"]["template"]["spec"]["containers"][0]["resources"]["requests"]["cpu"] = cpu

    return with_change("deployment", "flask", edit)


def with_replicas(least: int, most: int) -> State:
    """The autoscaler has these minReplicas and maxReplicas."""
    return with_change(
        "horizontalpodautoscaler", "flask", lambda hpa: hpa["spec"].update(minReplicas=least, maxReplicas=most)
    )


def with_target(**target: str | int) -> State:
    """The autoscaler has this metric target."""

    def edit(hpa: Json) -> None:
        hpa["spec"]["metrics"][0]["resource"]["target"] = target

    return with_change("horizontalpodautoscaler", "flask", edit)


def with_behavior(direction: str, **rules: object) -> State:
    """The autoscaler has these rules for scaleUp or scaleDown."""
    return with_change("horizontalpodautoscaler", "flask", lambda hpa: hpa["spec"]["behavior"][direction].update(rules))


@contextlib.contextmanager
def with_one_pod(site: Site) -> Iterator[None]:
    """The service has one pod, and the autoscaler keeps it so."""
    with with_replicas(1, 5)(site):
        site.deployment.kubectl("scale", "deployment", "flask", "--replicas=1")
        site.wait_until_ready()
        yield
    site.deployment.kubectl("scale", "deployment", "flask", "--replicas=2")


def with_sampling_interval(seconds: int) -> State:
    """metrics-server samples at this interval."""

    @contextlib.contextmanager
    def state(site: Site) -> Iterator[None]:
        with site.metrics_server_with_interval(seconds):
            yield

    return state

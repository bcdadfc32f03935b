"""Databases and services that lose, change or invent documents, or do not take them."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator

from tests.e2e import controls
from tests.trust.case import Event
from tests.trust.site import Json, Site

FEW = 5  # documents
NOBODYS_TOKEN = secrets.token_hex(24)  # for the crash container


@contextlib.contextmanager
def no_volume(site: Site) -> Iterator[None]:
    """MongoDB on an emptyDir."""
    with controls.database_without_volume(site.deployment):
        yield


@contextlib.contextmanager
def no_acknowledgement(site: Site) -> Iterator[None]:
    """The service writes with `w: 0`."""
    with controls.service_that_waits_for_nobody(site.deployment):
        yield


@contextlib.contextmanager
def no_service(site: Site) -> Iterator[None]:
    with controls.no_service(site.deployment):
        yield


@contextlib.contextmanager
def wiped_at_start(site: Site) -> Iterator[None]:
    """The next pod empties the volume before mongod starts."""

    def edit(pod: Json) -> None:
        prepare = pod["initContainers"][0]
        prepare["command"][-1] += "\nrm -rf /data/db/*\n"
        prepare["volumeMounts"].append({"name": "data", "mountPath": "/data/db"})

    with site.replaced_later(edit):
        yield


@contextlib.contextmanager
def mongod_never_returns(site: Site) -> Iterator[None]:
    """The next pod's mongod has an option that there is none of."""
    with site.replaced_later(lambda pod: pod["containers"][0]["command"].append("--trust-no-such-option")):
        yield


def documents(change: str) -> Event:
    """Somebody changes the run's documents; `{run}` and `{few}` are filled in."""

    @contextlib.contextmanager
    def event(site: Site, run: str) -> Iterator[None]:
        site.in_database(change.format(run=repr(run), few=FEW))
        yield

    return event


_IDS = "ids = [each['_id'] for each in db.proofs.find({{'run': {run}}}, {{'_id': True}}).limit({few})]\n"
deleted = documents(_IDS + "db.proofs.delete_many({{'_id': {{'$in': ids}}}})")
corrupted = documents(_IDS + "db.proofs.update_many({{'_id': {{'$in': ids}}}}, {{'$set': {{'payload': 'other'}}}})")
invented = documents("db.proofs.insert_many([{{'run': {run}, 'payload': 'nobody'}} for _ in range({few})])")


@contextlib.contextmanager
def read_only_user(site: Site) -> Iterator[None]:
    """MongoDB refuses the service's writes."""
    grant = "db.client.admin.command('updateUser', 'service', roles=[{{'role': '{}', 'db': db.name}}])"
    site.in_database(grant.format("read"))
    try:
        yield
    finally:
        site.in_database(grant.format("readWrite"))


@contextlib.contextmanager
def database_down(site: Site) -> Iterator[None]:
    with site.faults.database_gone():
        yield


@contextlib.contextmanager
def no_crash_container(site: Site) -> Iterator[None]:
    def edit(statefulset: Json) -> None:
        pod = statefulset["spec"]["template"]["spec"]
        pod["containers"] = [each for each in pod["containers"] if each["name"] != "crash"]

    with site.changed("statefulset", "mongodb", edit):
        yield


@contextlib.contextmanager
def wrong_crash_token(site: Site) -> Iterator[None]:
    """The dashboard has another token than the crash container."""

    def edit(deployment: Json) -> None:
        for variable in deployment["spec"]["template"]["spec"]["containers"][0]["env"]:
            if variable["name"] == "CRASH_TOKEN":
                del variable["valueFrom"]
                variable["value"] = NOBODYS_TOKEN

    with site.changed("deployment", "dashboard", edit):
        yield

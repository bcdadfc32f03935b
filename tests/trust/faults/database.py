"""Faults of the database: it loses, changes or refuses documents, or is down."""

from __future__ import annotations

import contextlib
import secrets
import shlex
from collections.abc import Iterator

from tests.e2e.proofs import controls
from tests.trust.case import Event
from tests.trust.site import Json, Site

FEW = 5  # documents
WRONG_TOKEN = secrets.token_hex(24)


@contextlib.contextmanager
def no_volume(site: Site) -> Iterator[None]:
    """MongoDB on an emptyDir."""
    with controls.database_without_volume(site.deployment):
        yield


@contextlib.contextmanager
def unacknowledged_writes(site: Site) -> Iterator[None]:
    """The service writes with `w: 0`."""
    with controls.service_program(site.deployment, controls.UNACKNOWLEDGED):
        yield


@contextlib.contextmanager
def no_service(site: Site) -> Iterator[None]:
    with controls.no_service(site.deployment):
        yield


@contextlib.contextmanager
def volume_wiped_at_start(site: Site) -> Iterator[None]:
    """The next pod empties the volume before mongod starts."""

    def edit(pod: Json) -> None:
        prepare = pod["initContainers"][0]
        prepare["command"] = ["sh", "-ec", f"{shlex.join(prepare['command'])}\nrm -rf /data/db/*"]
        prepare["volumeMounts"].append({"name": "data", "mountPath": "/data/db"})

    with site.changed_for_the_next_pod(edit):
        yield


@contextlib.contextmanager
def mongod_never_returns(site: Site) -> Iterator[None]:
    """The next pod's mongod has an unknown option, and exits."""
    with site.changed_for_the_next_pod(lambda pod: pod["containers"][0]["command"].append("--trust-no-such-option")):
        yield


def change_documents(change: str) -> Event:
    """Python code changes the run's documents. `{run}` and `{few}` are filled in."""

    @contextlib.contextmanager
    def event(site: Site, run: str) -> Iterator[None]:
        site.in_database(change.format(run=repr(run), few=FEW))
        yield

    return event


_IDS = "ids = [each['_id'] for each in db.proofs.find({{'run': {run}}}, {{'_id': True}}).limit({few})]\n"
documents_deleted = change_documents(_IDS + "db.proofs.delete_many({{'_id': {{'$in': ids}}}})")
documents_changed = change_documents(
    _IDS + "db.proofs.update_many({{'_id': {{'$in': ids}}}}, {{'$set': {{'payload': 'other'}}}})"
)
documents_inserted = change_documents(
    "db.proofs.insert_many([{{'run': {run}, 'payload': 'nobody'}} for _ in range({few})])"
)


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
def scaled_to_zero(site: Site) -> Iterator[None]:
    with site.faults.database_scaled_to_zero():
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
                variable["value"] = WRONG_TOKEN

    with site.changed("deployment", "dashboard", edit):
        yield

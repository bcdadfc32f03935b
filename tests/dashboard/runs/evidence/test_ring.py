"""The ring of ConfigMaps, against a stub of the Kubernetes API."""

import hashlib
from collections.abc import Callable

import pytest

from dashboard.core.errors import ExternalError
from dashboard.kube.client import KubeClient
from dashboard.runs.evidence.ring import FILE, KEPT_BYTES, RUN, EvidenceRing, NotKept
from dashboard.runs.evidence.store import HELD, Altered, EvidenceStore, Unkept
from dashboard.runs.records.record import RUNS
from tests.dashboard.kube.manifests import SPACE, evidence_config_maps, manifest
from tests.dashboard.kube.stubs import NAMESPACE, Json, ObjectApi
from tests.dashboard.runs.harness import FakeFiles

RingOf = Callable[[], EvidenceRing]


def path(number: int) -> str:
    return f"{SPACE}/configmaps/dashboard-evidence-{number}"


def started(number: int) -> str:
    return f"2026-11-25T00:{number:02}:00.000Z"


def digest(file: bytes) -> str:
    return hashlib.sha256(file).hexdigest()


def save(ring: EvidenceRing, number: int, file: bytes | None = None) -> None:
    ring.save(f"run-{number}", started(number), file or b"file %d" % number)


@pytest.fixture
def ring_of(object_api: ObjectApi, clients: Callable[[float], KubeClient]) -> RingOf:
    """A factory of rings, one for each dashboard."""
    for config_map in evidence_config_maps():
        object_api.put(f"{SPACE}/configmaps/{config_map['metadata']['name']}", config_map)
    return lambda: EvidenceRing(clients, NAMESPACE)


@pytest.fixture
def ring(ring_of: RingOf) -> EvidenceRing:
    return ring_of()


def kept(object_api: ObjectApi) -> list[str]:
    """Return the runs in the ConfigMaps."""
    found = [object_api.objects[path(n)]["metadata"].get("annotations", {}).get(RUN) for n in range(RUNS)]
    return [run for run in found if run]


def test_manifests_have_a_config_map_for_each_run_and_the_role_allows_them() -> None:
    names = [each["metadata"]["name"] for each in evidence_config_maps()]
    assert names == [f"dashboard-evidence-{number}" for number in range(RUNS)]
    (rule,) = (rule for rule in manifest("dashboard-role")["rules"] if rule["resources"] == ["configmaps"])
    assert rule["resourceNames"] == ["dashboard-runs", "dashboard-history", *names]
    assert rule["verbs"] == ["get", "update"]
    assert not any(each.keys() & {"data", "binaryData"} for each in evidence_config_maps())


def test_saved_file_is_loaded_by_each_dashboard(ring_of: RingOf) -> None:
    save(ring_of(), 1, bytes(range(256)))
    assert ring_of().load("run-1") == bytes(range(256))
    assert ring_of().load("run-2") is None


def test_file_that_is_saved_again_replaces_the_first(ring: EvidenceRing, object_api: ObjectApi) -> None:
    save(ring, 1)
    save(ring, 1, b"again")
    assert ring.load("run-1") == b"again" and kept(object_api) == ["run-1"]


@pytest.mark.slow
def test_oldest_runs_config_map_is_used_again(ring: EvidenceRing, object_api: ObjectApi) -> None:
    for number in range(RUNS + 2):
        save(ring, number)
    assert sorted(kept(object_api)) == sorted(f"run-{number}" for number in range(2, RUNS + 2))
    assert ring.load("run-1") is None and ring.load("run-21") == b"file 21"
    assert object_api.objects[path(0)]["metadata"]["labels"]


@pytest.mark.slow
def test_older_run_does_not_replace_newer_ones(ring: EvidenceRing) -> None:
    for number in range(1, RUNS + 1):
        save(ring, number)
    with pytest.raises(NotKept):
        save(ring, 0)
    assert ring.load("run-1")


def test_run_saved_by_another_dashboard_meanwhile_is_kept(ring_of: RingOf, object_api: ObjectApi) -> None:
    first, second = ring_of(), ring_of()
    object_api.meanwhile = lambda: save(second, 2)  # between the update's read and its write
    save(first, 1)
    assert first.load("run-1") == b"file 1" and first.load("run-2") == b"file 2"
    assert sorted(kept(object_api)) == ["run-1", "run-2"]


def test_too_large_file_is_not_kept(ring: EvidenceRing, object_api: ObjectApi) -> None:
    with pytest.raises(NotKept, match="900,001"):
        save(ring, 1, bytes(KEPT_BYTES + 1))
    save(ring, 1, bytes(KEPT_BYTES))
    assert ring.load("run-1") == bytes(KEPT_BYTES)


@pytest.mark.parametrize(
    "change",
    [{"binaryData": None}, {"binaryData": {}}, {"binaryData": {FILE: "***"}}, {"binaryData": {FILE: 7}}],
    ids=repr,
)
def test_file_that_somebody_has_damaged_is_none(ring: EvidenceRing, object_api: ObjectApi, change: Json) -> None:
    save(ring, 1)
    object_api.put(path(0), object_api.objects[path(0)] | change)
    assert ring.load("run-1") is None


@pytest.mark.parametrize("metadata", [{}, {"annotations": None}, {"annotations": {RUN: 7}}], ids=repr)
def test_config_map_without_valid_annotations_is_used(
    ring: EvidenceRing, object_api: ObjectApi, metadata: Json
) -> None:
    save(ring, 1)
    object_api.put(path(0), {"kind": "ConfigMap", "metadata": {"name": "dashboard-evidence-0", **metadata}})
    save(ring, 2)
    assert ring.load("run-2") == b"file 2" and kept(object_api)[0] == "run-2"


def test_missing_config_map_is_an_error_with_what_to_do(ring: EvidenceRing, object_api: ObjectApi) -> None:
    del object_api.objects[path(3)]
    with pytest.raises(ExternalError, match="apply the manifests again"):
        save(ring, 1)


def test_file_that_the_ring_can_not_keep_is_held_in_memory() -> None:
    files = FakeFiles()
    store = EvidenceStore(files)
    assert store.keep("run-0", started(0), b"kept") is None and store.load("run-0", digest(b"kept")) == b"kept"
    files.error = ExternalError("It is too large.")
    for number in range(1, HELD + 2):
        assert store.keep(f"run-{number}", started(number), b"held") == "It is too large."
    assert store.load(f"run-{HELD + 1}", digest(b"held")) == b"held"
    with pytest.raises(Unkept):
        store.load("run-1", digest(b"held"))
    with pytest.raises(Unkept):
        EvidenceStore(files).load(f"run-{HELD + 1}", digest(b"held"))


@pytest.mark.parametrize("file", [b"", b"another one", b"kep"])
def test_altered_file_is_not_given_as_the_runs_own(file: bytes) -> None:
    files = FakeFiles()
    EvidenceStore(files).keep("run-0", started(0), file)
    with pytest.raises(Altered, match="altered"):
        EvidenceStore(files).load("run-0", digest(b"kept"))

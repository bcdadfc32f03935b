"""The lease, against an API server that compares resourceVersions."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from dashboard.core.errors import ExternalError, NotFound
from dashboard.kube.client import KubeClient
from dashboard.kube.lease import KubeLease, LeaseHeld, LeaseHolder, LeaseLost
from dashboard.runs import ports
from tests.dashboard.kube.manifests import LEASE, manifest
from tests.dashboard.kube.stubs import NAMESPACE, START, ManualClock, ObjectApi


@pytest.fixture
def lease_of(clients: Callable[[float], KubeClient], clock: ManualClock) -> Callable[..., KubeLease]:
    """A factory of leases, by the name of the dashboard that holds them."""

    def make(holder: str = "dashboard-a", **options: Any) -> KubeLease:
        return KubeLease(clients, NAMESPACE, holder, **{"now": clock, "monotonic": clock} | options)

    return make


@pytest.fixture
def lease(lease_of: Callable[..., KubeLease]) -> ports.Lease:
    return lease_of()


def test_lease_of_the_manifest_is_free(lease: KubeLease, object_api: ObjectApi) -> None:
    assert lease.holder() is None
    lease.acquire("run-1", 15)
    assert lease.holder() == LeaseHolder("dashboard-a", "run-1", "2026-05-28T20:26:40.000000Z")
    assert object_api.objects[LEASE]["spec"] == {
        "holderIdentity": "dashboard-a/run-1",
        "leaseDurationSeconds": 15,
        "acquireTime": "2026-05-28T20:26:40.000000Z",
        "renewTime": "2026-05-28T20:26:40.000000Z",
        "leaseTransitions": 1,
    }
    assert object_api.objects[LEASE]["metadata"]["labels"], "the manifest's metadata stays"


def test_number_of_transitions_stays_an_int32(lease: KubeLease, object_api: ObjectApi) -> None:
    object_api.objects[LEASE]["spec"] = {"leaseTransitions": 2**31 - 1}
    lease.acquire("run-1", 15)
    assert object_api.objects[LEASE]["spec"]["leaseTransitions"] == 2**31 - 1


def test_held_lease_names_its_holder(lease_of: Callable[..., KubeLease]) -> None:
    lease_of("dashboard-a").acquire("run-1", 15)
    with pytest.raises(LeaseHeld) as held:
        lease_of("dashboard-b").acquire("run-2", 15)
    assert (held.value.holder, held.value.run) == ("dashboard-a", "run-1")


def test_dashboard_holds_the_lease_for_one_run_at_a_time(lease: KubeLease) -> None:
    lease.acquire("run-1", 15)
    lease.acquire("run-1", 15)
    with pytest.raises(LeaseHeld):
        lease.acquire("run-2", 15)


def test_lease_expires_after_it_was_unchanged_for_its_duration(
    lease_of: Callable[..., KubeLease], clock: ManualClock
) -> None:
    first, second = lease_of("dashboard-a"), lease_of("dashboard-b")
    first.acquire("run-1", 15)
    assert second.holder() == LeaseHolder("dashboard-a", "run-1", "2026-05-28T20:26:40.000000Z")
    clock.now += 14
    first.renew()
    clock.now += 14
    with pytest.raises(LeaseHeld):
        second.acquire("run-2", 15)  # the second dashboard observes the renewal
    clock.now += 14.9
    assert second.holder()
    clock.now += 0.1
    assert second.holder() is None
    second.acquire("run-2", 15)
    with pytest.raises(LeaseLost, match="dashboard-b"):
        first.renew()
    first.release()
    assert second.holder() == LeaseHolder("dashboard-b", "run-2", "2026-05-28T20:27:23.000000Z")


def test_first_observation_never_finds_a_lease_expired(lease_of: Callable[..., KubeLease], clock: ManualClock) -> None:
    lease_of("dashboard-a").acquire("run-1", 15)
    clock.now += 1_000_000
    second = lease_of("dashboard-b")
    with pytest.raises(LeaseHeld):
        second.acquire("run-2", 15)
    assert second.holder()


@pytest.mark.parametrize("skew", [-86_400.0, -25.0, 25.0, 86_400.0])
def test_clock_skew_does_not_affect_expiry(skew: float, lease_of: Callable[..., KubeLease], clock: ManualClock) -> None:
    first = lease_of("dashboard-a")
    second = lease_of("dashboard-b", now=lambda: clock.now + skew)
    first.acquire("run-1", 20)
    for _ in range(20):
        with pytest.raises(LeaseHeld):
            second.acquire("run-2", 20)
        clock.now += 5
        first.renew()
    second.holder()
    clock.now += 20
    second.acquire("run-2", 20)
    with pytest.raises(LeaseLost):
        first.renew()


def test_clock_jumps_do_not_affect_expiry(lease_of: Callable[..., KubeLease], clock: ManualClock) -> None:
    jumps = iter(START + offset for offset in (0, 3600, -3600, 7200, 0, 0, 0))
    first, second = lease_of("dashboard-a", now=lambda: next(jumps)), lease_of("dashboard-b")
    first.acquire("run-1", 20)
    for _ in range(3):
        assert second.holder()
        clock.now += 15
        first.renew()
    assert second.holder()


def test_change_of_metadata_is_no_renewal(
    object_api: ObjectApi, lease_of: Callable[..., KubeLease], clock: ManualClock
) -> None:
    lease_of("dashboard-a").acquire("run-1", 15)
    second = lease_of("dashboard-b")
    assert second.holder()
    clock.now += 15
    object_api.put(LEASE, object_api.objects[LEASE])
    assert second.holder() is None


def test_restarted_dashboard_reacquires_its_lease_at_once(lease_of: Callable[..., KubeLease]) -> None:
    lease_of("dashboard-a").acquire("run-1", 15)
    restarted, other = lease_of("dashboard-a"), lease_of("dashboard-b")
    assert restarted.holder() is None
    assert other.holder()
    restarted.acquire("run-2", 15)
    assert restarted.holder() == LeaseHolder("dashboard-a", "run-2", "2026-05-28T20:26:40.000000Z")
    with pytest.raises(LeaseHeld) as held:
        other.acquire("run-3", 15)
    assert held.value.run == "run-2"


def test_holder_with_a_common_prefix_is_another_dashboard(lease_of: Callable[..., KubeLease]) -> None:
    lease_of("dashboard-a").acquire("run-1", 15)
    with pytest.raises(LeaseHeld):
        lease_of("dashboard").acquire("run-2", 15)


def test_lost_response_does_not_lock_the_dashboard_out(object_api: ObjectApi, lease: KubeLease) -> None:
    object_api.drops_responses = True
    with pytest.raises(ExternalError):
        lease.acquire("run-1", 15)
    assert object_api.objects[LEASE]["spec"]["holderIdentity"] == "dashboard-a/run-1"
    object_api.drops_responses = False
    lease.acquire("run-2", 15)
    object_api.error = (503, {})
    lease.release()
    object_api.error = None
    assert object_api.objects[LEASE]["spec"]["holderIdentity"] == "dashboard-a/run-2"
    lease.acquire("run-3", 15)
    lease.renew()


def test_expired_lease_can_be_renewed_unless_another_holds_it(lease: KubeLease, clock: ManualClock) -> None:
    lease.acquire("run-1", 15)
    clock.now += 60
    lease.renew()
    assert lease.holder() == LeaseHolder("dashboard-a", "run-1", "2026-05-28T20:26:40.000000Z")


def test_released_lease_is_free_at_once(lease_of: Callable[..., KubeLease]) -> None:
    first, second = lease_of("dashboard-a"), lease_of("dashboard-b")
    first.acquire("run-1", 15)
    first.release()
    first.release()
    second.acquire("run-2", 15)
    with pytest.raises(LeaseLost):
        first.renew()


def test_only_one_of_many_concurrent_acquisitions_succeeds(lease_of: Callable[..., KubeLease]) -> None:
    barrier = threading.Barrier(8)

    def acquire(number: int) -> bool:
        lease = lease_of(f"dashboard-{number}")
        barrier.wait()
        try:
            lease.acquire(f"run-{number}", 15)
        except LeaseHeld:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        for _ in range(5):
            acquired = list(pool.map(acquire, range(8)))
            assert acquired.count(True) == 1
            holder = lease_of(f"dashboard-{acquired.index(True)}")
            holder.acquire(f"run-{acquired.index(True)}", 15)
            holder.release()


def test_acquisition_by_another_dashboard_between_read_and_write_is_respected(
    object_api: ObjectApi, lease_of: Callable[..., KubeLease]
) -> None:
    first, second = lease_of("dashboard-a"), lease_of("dashboard-b")
    object_api.meanwhile = lambda: second.acquire("run-2", 15)
    with pytest.raises(LeaseHeld) as held:
        first.acquire("run-1", 15)
    assert held.value.holder == "dashboard-b"


def test_renewal_does_not_overwrite_another_holder(
    object_api: ObjectApi, lease_of: Callable[..., KubeLease], clock: ManualClock
) -> None:
    first, second = lease_of("dashboard-a"), lease_of("dashboard-b")
    first.acquire("run-1", 15)
    assert second.holder()
    clock.now += 20
    object_api.meanwhile = lambda: second.acquire("run-2", 15)
    with pytest.raises(LeaseLost):
        first.renew()


def test_renewal_retries_after_an_unrelated_conflict(object_api: ObjectApi, lease: KubeLease) -> None:
    lease.acquire("run-1", 15)
    object_api.meanwhile = lambda: object_api.put(LEASE, object_api.objects[LEASE]) and None
    lease.renew()


def test_endless_conflicts_raise_external_error(object_api: ObjectApi, lease: KubeLease) -> None:
    def conflict() -> None:
        object_api.put(LEASE, object_api.objects[LEASE])
        object_api.meanwhile = conflict

    object_api.meanwhile = conflict
    with pytest.raises(ExternalError, match="keep changing it"):
        lease.acquire("run-1", 15)


def test_holder_without_a_duration_never_expires(object_api: ObjectApi, lease: KubeLease, clock: ManualClock) -> None:
    object_api.put(LEASE, manifest("dashboard-lease") | {"spec": {"holderIdentity": "maintenance"}})
    clock.now += 1_000_000
    with pytest.raises(LeaseHeld) as held:
        lease.acquire("run-1", 15)
    assert held.value.holder == "maintenance"


def test_missing_lease_raises_not_found(object_api: ObjectApi, lease: KubeLease) -> None:
    del object_api.objects[LEASE]
    with pytest.raises(NotFound, match="apply the manifests"):
        lease.acquire("run-1", 15)


def test_renewal_without_acquisition_raises_lease_lost(lease: KubeLease) -> None:
    with pytest.raises(LeaseLost, match="it is free"):
        lease.renew()

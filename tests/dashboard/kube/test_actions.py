"""The operator against an API server that compares uids and resourceVersions, and the crash container's own program."""

import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from dashboard.kube.actions import HISTORY, UNREADABLE, UNREADABLE_BYTES, Operator
from dashboard.kube.client import Api, Configuration
from dashboard.kube.crash import Crash
from dashboard.runs import ports
from dashboard.runs.ports import ClaimIdentity, Held, History, Holder, Lost, Missing, PodIdentity, Stale, Trouble
from dashboard.runs.record import HISTORY_BYTES
from local.mongod import free_port
from tests.dashboard.objects import Json, ObjectApi
from tests.dashboard.runs.spoiled import SPOILED

ROOT = Path(__file__).parents[2]
SPACE = "/api/v1/namespaces/flask-mongodb"
POD = f"{SPACE}/pods/mongodb-0"
CLAIM = f"{SPACE}/persistentvolumeclaims/data-mongodb-0"
RUNS = f"{SPACE}/configmaps/dashboard-runs"
LEASE = "/apis/coordination.k8s.io/v1/namespaces/flask-mongodb/leases/dashboard-runs"
START = 1_780_000_000.0  # of the tests' clock
TOKEN = "c7f1-93ab-55de-08b4"


class Clock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def api() -> Iterator[ObjectApi]:
    server = ObjectApi()
    for path, object_ in ((POD, pod()), (CLAIM, claim()), (RUNS, manifest("dashboard-runs-configmap"))):
        server.put(path, object_)
    server.put(LEASE, manifest("dashboard-lease"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def operator_of(api: ObjectApi, clock: Clock) -> Callable[..., Operator]:
    """A dashboard's operator, by the dashboard's name."""

    def made(holder: str = "dashboard-a", **options: Any) -> Operator:
        clients = partial(Api, Configuration(host=api.url))
        clocks = {"now": clock, "monotonic": clock} | options
        return Operator(clients, "flask-mongodb", pod="mongodb-0", holder=holder, **clocks)

    return made


@pytest.fixture
def operator(operator_of: Callable[..., Operator]) -> Operator:
    return operator_of()


def manifest(name: str) -> Json:
    found: Json = yaml.safe_load((ROOT / "k8s" / "base" / f"{name}.yaml").read_text())
    return found


def pod(**spec: Any) -> Json:
    """The database's, as the manifest makes it."""
    template: Json = manifest("mongodb-statefulset")["spec"]["template"]["spec"]
    source = {"persistentVolumeClaim": {"claimName": "data-mongodb-0"}}
    volumes = [*template["volumes"], {"name": "data", **source}]
    return {
        "metadata": {"name": "mongodb-0", "uid": "uid-1"},
        "spec": template | {"nodeName": "node", "volumes": volumes} | spec,
        "status": {
            "phase": "Running",
            "podIP": "127.0.0.1",
            "conditions": [{"type": "Initialized", "status": "True"}, {"type": "Ready", "status": "True"}],
            "containerStatuses": [
                {"name": "sidecar", "containerID": "containerd://5555"},
                {"name": "mongod", "containerID": "containerd://a1b2"},
            ],
        },
    }


def claim() -> Json:
    return {
        "metadata": {"name": "data-mongodb-0", "uid": "claim-1"},
        "spec": {"volumeName": "pv-1"},
        "status": {"phase": "Bound"},
    }


def test_it_is_what_a_run_asks_for(operator: Operator) -> None:
    asked: ports.Operator = operator
    assert asked


class TestIdentities:
    def test_a_pod_is_told_with_its_container_its_node_and_its_claim(self, operator: Operator) -> None:
        assert operator.pod("mongodb-0") == PodIdentity(
            "mongodb-0", "uid-1", "a1b2", "node", ready=True, claim="data-mongodb-0"
        )

    def test_data_on_no_claim_have_none(self, api: ObjectApi, operator: Operator) -> None:
        api.put(POD, pod(volumes=[{"name": "data", "emptyDir": {}}]))
        assert operator.pod("mongodb-0").claim is None

    @pytest.mark.parametrize(
        ("command", "mounts", "expected"),
        [
            (["mongod"], {"a": "/data/db"}, "claim-a"),
            (["mongod"], {"a": "/data", "b": "/data/db/journal"}, "claim-a"),
            (["mongod"], {"a": "/data", "b": "/data/db/"}, "claim-b"),
            (["mongod"], {"a": "/data/dba"}, None),
            (["mongod", "--dbpath=/srv/mongo"], {"a": "/data/db", "b": "/srv"}, "claim-b"),
            (["mongod", "--dbpath", "/srv/mongo/"], {"a": "/data/db", "b": "/srv/mongo"}, "claim-b"),
            (["mongod", "--dbpath"], {"a": "/"}, "claim-a"),
            (["mongod"], {}, None),
        ],
    )
    def test_the_claim_is_the_one_that_mongods_directory_is_on(
        self, command: list[str], mounts: dict[str, str], expected: str | None, api: ObjectApi, operator: Operator
    ) -> None:
        container = {
            "name": "mongod",
            "command": command,
            "volumeMounts": [{"name": name, "mountPath": path} for name, path in mounts.items()],
        }
        sources = [{"name": name, "persistentVolumeClaim": {"claimName": f"claim-{name}"}} for name in mounts]
        api.put(POD, pod(containers=[{"name": "other"}, container], volumes=sources))
        assert operator.pod("mongodb-0").claim == expected

    def test_a_new_pod_has_neither_container_nor_node(self, api: ObjectApi, operator: Operator) -> None:
        api.put(POD, pod(nodeName=None) | {"status": {"phase": "Pending", "conditions": None}})
        found = operator.pod("mongodb-0")
        assert (found.container, found.node, found.ready) == (None, None, False)

    def test_one_that_ends_is_not_ready(self, api: ObjectApi, operator: Operator) -> None:
        ending = pod()
        ending["metadata"]["deletionTimestamp"] = "2026-11-25T00:00:00Z"
        api.put(POD, ending)
        assert not operator.pod("mongodb-0").ready

    def test_a_claim_is_told_with_its_volume(self, api: ObjectApi, operator: Operator) -> None:
        assert operator.claim("data-mongodb-0") == ClaimIdentity("claim-1", "pv-1", "Bound")
        api.put(CLAIM, claim() | {"spec": {}, "status": {}})
        assert operator.claim("data-mongodb-0") == ClaimIdentity("claim-1", None, "Pending")

    def test_what_is_not_there_is_missing(self, operator: Operator) -> None:
        with pytest.raises(Missing, match=r"^There is no pod mongodb-1 now\.$"):
            operator.pod("mongodb-1")
        with pytest.raises(Missing, match=r"^There is no claim data-mongodb-1 now\.$"):
            operator.claim("data-mongodb-1")


class TestDeletion:
    def test_a_pod_is_deleted_with_its_uid_and_its_own_grace_period(self, api: ObjectApi, operator: Operator) -> None:
        operator.delete_pod("mongodb-0", "uid-1")
        ((path, options),) = api.deleted
        assert path == POD
        assert options == {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": "uid-1"}}

    def test_the_replacement_is_never_deleted(self, api: ObjectApi, operator: Operator) -> None:
        with pytest.raises(Stale, match=r"^The pod mongodb-0 has another uid now than uid-0\.$"):
            operator.delete_pod("mongodb-0", "uid-0")
        assert not api.deleted

    def test_a_pod_that_is_gone_is_missing(self, api: ObjectApi, operator: Operator) -> None:
        del api.objects[POD]
        with pytest.raises(Missing):
            operator.delete_pod("mongodb-0", "uid-1")

    def test_a_role_that_forbids_it_is_named(self, api: ObjectApi, operator: Operator) -> None:
        api.refusal = (403, {})
        with pytest.raises(Trouble, match=r"^The dashboard may not delete the pod mongodb-0: the API server says 403"):
            operator.delete_pod("mongodb-0", "uid-1")

    def test_an_answer_that_is_lost_is_told_and_nothing_sent_again(self, api: ObjectApi, operator: Operator) -> None:
        api.lost = True
        with pytest.raises(Trouble, match=r"^The dashboard could not delete the pod mongodb-0: the API "):
            operator.delete_pod("mongodb-0", "uid-1")
        assert len(api.deleted) == 1

    def test_an_api_server_that_is_away_is_named(self, clock: Clock) -> None:
        clients = partial(Api, Configuration(host=f"http://127.0.0.1:{free_port()}"))
        away = Operator(clients, "flask-mongodb", pod="mongodb-0", holder="dashboard-a", now=clock)
        for call in (
            lambda: away.pod("mongodb-0"),
            lambda: away.delete_pod("mongodb-0", "uid-1"),
            lambda: away.acquire("run", 15),
            away.holder,
            away.load_history,
            lambda: away.record("Killed", "…", {"kind": "Pod", "name": "mongodb-0", "uid": "uid-1"}),
        ):
            with pytest.raises(Trouble, match=r"^The dashboard could not .* can't be reached: Connection"):
                call()
        away.release()


class TestLease:
    def test_the_manifests_lease_is_nobodys_and_can_be_taken(self, operator: Operator, api: ObjectApi) -> None:
        assert operator.holder() is None
        operator.acquire("run-1", 15)
        assert operator.holder() == Holder("dashboard-a", "run-1", "2026-05-28T20:26:40.000000Z")
        assert api.objects[LEASE]["spec"] == {
            "holderIdentity": "dashboard-a/run-1",
            "leaseDurationSeconds": 15,
            "acquireTime": "2026-05-28T20:26:40.000000Z",
            "renewTime": "2026-05-28T20:26:40.000000Z",
            "leaseTransitions": 1,
        }
        assert api.objects[LEASE]["metadata"]["labels"], "what the manifest says of it stays"

    def test_another_dashboard_is_told_who_holds_it(self, operator_of: Callable[..., Operator]) -> None:
        operator_of("dashboard-a").acquire("run-1", 15)
        with pytest.raises(Held) as held:
            operator_of("dashboard-b").acquire("run-2", 15)
        assert (held.value.holder, held.value.run) == ("dashboard-a", "run-1")

    def test_a_dashboard_has_it_for_one_run_at_a_time(self, operator: Operator) -> None:
        operator.acquire("run-1", 15)
        operator.acquire("run-1", 15)
        with pytest.raises(Held):
            operator.acquire("run-2", 15)

    def test_a_lease_expires_when_it_was_seen_unchanged_for_its_duration(
        self, operator_of: Callable[..., Operator], clock: Clock
    ) -> None:
        first, second = operator_of("dashboard-a"), operator_of("dashboard-b")
        first.acquire("run-1", 15)
        assert second.holder() == Holder("dashboard-a", "run-1", "2026-05-28T20:26:40.000000Z")
        clock.now += 14
        first.renew()
        clock.now += 14
        with pytest.raises(Held):
            second.acquire("run-2", 15)  # which sees the renewal
        clock.now += 14.9
        assert second.holder()
        clock.now += 0.1
        assert second.holder() is None
        second.acquire("run-2", 15)
        with pytest.raises(Lost, match=r"^The lease for runs is no longer this dashboard's: dashboard-b has it\.$"):
            first.renew()
        first.release()
        assert second.holder() == Holder("dashboard-b", "run-2", "2026-05-28T20:27:23.000000Z")

    def test_a_first_look_never_finds_a_lease_expired(self, operator_of: Callable[..., Operator], clock: Clock) -> None:
        operator_of("dashboard-a").acquire("run-1", 15)
        clock.now += 1_000_000
        second = operator_of("dashboard-b")
        with pytest.raises(Held):
            second.acquire("run-2", 15)
        assert second.holder()

    @pytest.mark.parametrize("skew", [-86_400.0, -25.0, 25.0, 86_400.0])
    def test_a_skewed_clock_neither_steals_a_lease_nor_keeps_it(
        self, skew: float, operator_of: Callable[..., Operator], clock: Clock
    ) -> None:
        first = operator_of("dashboard-a")
        second = operator_of("dashboard-b", now=lambda: clock.now + skew)
        first.acquire("run-1", 20)
        for _ in range(20):
            with pytest.raises(Held):
                second.acquire("run-2", 20)
            clock.now += 5
            first.renew()
        second.holder()
        clock.now += 20
        second.acquire("run-2", 20)
        with pytest.raises(Lost):
            first.renew()

    def test_a_clock_that_jumps_loses_no_lease(self, operator_of: Callable[..., Operator], clock: Clock) -> None:
        jumps = iter(START + offset for offset in (0, 3600, -3600, 7200, 0, 0, 0))
        first, second = operator_of("dashboard-a", now=lambda: next(jumps)), operator_of("dashboard-b")
        first.acquire("run-1", 20)
        for _ in range(3):
            assert second.holder()
            clock.now += 15
            first.renew()
        assert second.holder()

    def test_a_change_of_the_leases_labels_is_no_renewal(
        self, api: ObjectApi, operator_of: Callable[..., Operator], clock: Clock
    ) -> None:
        operator_of("dashboard-a").acquire("run-1", 15)
        second = operator_of("dashboard-b")
        assert second.holder()
        clock.now += 15
        api.put(LEASE, api.objects[LEASE])
        assert second.holder() is None

    def test_a_restarted_dashboard_takes_its_own_lease_at_once_and_others_wait(
        self, operator_of: Callable[..., Operator]
    ) -> None:
        operator_of("dashboard-a").acquire("run-1", 15)
        again, other = operator_of("dashboard-a"), operator_of("dashboard-b")
        assert again.holder() is None
        assert other.holder()
        again.acquire("run-2", 15)
        assert again.holder() == Holder("dashboard-a", "run-2", "2026-05-28T20:26:40.000000Z")
        with pytest.raises(Held) as held:
            other.acquire("run-3", 15)
        assert held.value.run == "run-2"

    def test_a_name_that_only_begins_like_our_own_is_another_dashboards(
        self, operator_of: Callable[..., Operator]
    ) -> None:
        operator_of("dashboard-a").acquire("run-1", 15)
        with pytest.raises(Held):
            operator_of("dashboard").acquire("run-2", 15)

    def test_an_acquisition_or_a_release_whose_answer_is_lost_keeps_nobody_out_here(
        self, api: ObjectApi, operator: Operator
    ) -> None:
        api.lost = True
        with pytest.raises(Trouble):
            operator.acquire("run-1", 15)
        assert api.objects[LEASE]["spec"]["holderIdentity"] == "dashboard-a/run-1"
        api.lost = False
        operator.acquire("run-2", 15)
        api.refusal = (503, {})
        operator.release()
        api.refusal = None
        assert api.objects[LEASE]["spec"]["holderIdentity"] == "dashboard-a/run-2"
        operator.acquire("run-3", 15)
        operator.renew()

    def test_one_that_ran_out_and_that_nobody_took_can_be_renewed(self, operator: Operator, clock: Clock) -> None:
        operator.acquire("run-1", 15)
        clock.now += 60
        operator.renew()
        assert operator.holder() == Holder("dashboard-a", "run-1", "2026-05-28T20:26:40.000000Z")

    def test_what_was_given_back_is_free_at_once(self, operator_of: Callable[..., Operator]) -> None:
        first, second = operator_of("dashboard-a"), operator_of("dashboard-b")
        first.acquire("run-1", 15)
        first.release()
        first.release()
        second.acquire("run-2", 15)
        with pytest.raises(Lost):
            first.renew()

    def test_of_many_that_race_one_wins(self, operator_of: Callable[..., Operator]) -> None:
        barrier = threading.Barrier(8)

        def race(number: int) -> bool:
            racer = operator_of(f"dashboard-{number}")
            barrier.wait()
            try:
                racer.acquire(f"run-{number}", 15)
            except Held:
                return False
            return True

        with ThreadPoolExecutor(8) as pool:
            for _ in range(5):
                won = list(pool.map(race, range(8)))
                assert won.count(True) == 1
                winner = operator_of(f"dashboard-{won.index(True)}")
                winner.acquire(f"run-{won.index(True)}", 15)
                winner.release()

    def test_who_was_faster_between_read_and_write_has_it(
        self, api: ObjectApi, operator_of: Callable[..., Operator]
    ) -> None:
        first, second = operator_of("dashboard-a"), operator_of("dashboard-b")
        api.meanwhile = lambda: second.acquire("run-2", 15)
        with pytest.raises(Held) as held:
            first.acquire("run-1", 15)
        assert held.value.holder == "dashboard-b"

    def test_who_took_it_before_a_renewal_is_not_overwritten(
        self, api: ObjectApi, operator_of: Callable[..., Operator], clock: Clock
    ) -> None:
        first, second = operator_of("dashboard-a"), operator_of("dashboard-b")
        first.acquire("run-1", 15)
        assert second.holder()
        clock.now += 20
        api.meanwhile = lambda: second.acquire("run-2", 15)
        with pytest.raises(Lost):
            first.renew()

    def test_a_change_of_something_else_is_no_loss(self, api: ObjectApi, operator: Operator) -> None:
        operator.acquire("run-1", 15)
        api.meanwhile = lambda: api.put(LEASE, api.objects[LEASE]) and None
        operator.renew()

    def test_one_that_always_changes_is_trouble_and_not_a_loop(self, api: ObjectApi, operator: Operator) -> None:
        def again() -> None:
            api.put(LEASE, api.objects[LEASE])
            api.meanwhile = again

        api.meanwhile = again
        with pytest.raises(Trouble, match="others change it at the same time"):
            operator.acquire("run-1", 15)

    def test_a_holder_that_a_person_wrote_keeps_everybody_out(
        self, api: ObjectApi, operator: Operator, clock: Clock
    ) -> None:
        api.put(LEASE, manifest("dashboard-lease") | {"spec": {"holderIdentity": "maintenance"}})
        clock.now += 1_000_000
        with pytest.raises(Held, match=r"^maintenance has a run going\.$"):
            operator.acquire("run-1", 15)

    def test_where_there_is_no_lease_the_words_say_what_to_do(self, api: ObjectApi, operator: Operator) -> None:
        del api.objects[LEASE]
        with pytest.raises(Missing, match=r"^There is no Lease dashboard-runs in the cluster: apply the manifests"):
            operator.acquire("run-1", 15)

    def test_renewing_what_was_never_taken_is_a_loss(self, operator: Operator) -> None:
        with pytest.raises(Lost, match="nobody has it"):
            operator.renew()


class TestHistory:
    def test_the_manifests_history_is_empty_and_what_is_saved_is_there_for_the_next(
        self, operator_of: Callable[..., Operator]
    ) -> None:
        first = operator_of("dashboard-a")
        assert first.load_history().runs == []
        first.save_history([run(2), run(1)])
        assert operator_of("dashboard-b").load_history().runs == [run(2), run(1)]
        first.save_history([run(3), run(2)])
        assert first.load_history().runs == [run(3), run(2)]

    def test_runs_that_another_dashboard_added_meanwhile_stay(self, operator_of: Callable[..., Operator]) -> None:
        first, second = operator_of("dashboard-a"), operator_of("dashboard-b")
        first.load_history()
        first.save_history([run(1)])
        second.load_history()
        second.save_history([run(3), run(1)])
        first.save_history([run(2), run(1)])
        assert first.load_history().runs == [run(3), run(2), run(1)]

    def test_even_between_read_and_write(self, api: ObjectApi, operator_of: Callable[..., Operator]) -> None:
        first, second = operator_of("dashboard-a"), operator_of("dashboard-b")
        api.meanwhile = lambda: second.save_history([run(2)])
        first.save_history([run(1)])
        assert first.load_history().runs == [run(2), run(1)]

    def test_what_was_dropped_stays_dropped(self, operator: Operator) -> None:
        operator.save_history([run(2), run(1)])
        operator.save_history([run(3), run(2)])
        assert operator.load_history().runs == [run(3), run(2)]

    def test_the_oldest_go_where_all_are_too_long(self, api: ObjectApi, operator: Operator) -> None:
        runs = [run(number) | {"evidence": {"ids": "x" * 60_000}} for number in range(20, 0, -1)]
        operator.save_history(runs)
        assert len(api.objects[RUNS]["data"][HISTORY]) <= HISTORY_BYTES
        kept = [each["id"] for each in operator.load_history().runs]
        assert kept == [f"run-{number}" for number in range(20, 12, -1)]

    @pytest.mark.parametrize("text", ["{", "[1]", '{"id":1}', '[{"id":1}]', "null", "[" * 5000])
    def test_an_unreadable_history_is_counted_and_moved_before_a_new_one_begins(
        self, text: str, api: ObjectApi, operator: Operator
    ) -> None:
        api.put(RUNS, manifest("dashboard-runs-configmap") | {"data": {HISTORY: text, "other": "stays"}})
        assert operator.load_history() == History([], unreadable=1)
        operator.save_history([run(1)])
        assert operator.load_history() == History([run(1)])
        assert api.objects[RUNS]["data"][UNREADABLE] in (text, text.strip("[]"))
        assert api.objects[RUNS]["data"]["other"] == "stays"
        assert api.objects[RUNS]["metadata"]["labels"]

    @pytest.mark.parametrize("spoiled", SPOILED)
    def test_an_unreadable_entry_is_skipped_and_kept_apart_and_the_others_stay(
        self, spoiled: Any, api: ObjectApi, operator: Operator
    ) -> None:
        text = json.dumps([run(3), spoiled, run(1)])
        api.put(RUNS, manifest("dashboard-runs-configmap") | {"data": {HISTORY: text}})
        assert operator.load_history() == History([run(3), run(1)], unreadable=1)
        operator.save_history([run(4), run(3), run(1)])
        assert operator.load_history() == History([run(4), run(3), run(1)])
        assert json.loads(api.objects[RUNS]["data"][UNREADABLE]) == spoiled

    def test_what_was_kept_apart_grows_to_its_limit_and_keeps_the_latest(
        self, api: ObjectApi, operator: Operator
    ) -> None:
        for number in range(4):
            text = json.dumps([f"{number}" * 100_000])
            api.put(RUNS, manifest("dashboard-runs-configmap") | {"data": api.objects[RUNS].get("data") or {}})
            api.objects[RUNS]["data"][HISTORY] = text
            operator.save_history([run(1)])
        kept = api.objects[RUNS]["data"][UNREADABLE]
        assert len(kept) == UNREADABLE_BYTES
        assert kept.endswith('"' + "3" * 100_000 + '"')


class TestEvents:
    def test_an_event_is_created_on_the_object_that_it_is_about(self, api: ObjectApi, operator: Operator) -> None:
        about = {"kind": "StatefulSet", "name": "mongodb", "uid": "set-1"}
        operator.record("Killed", "m" * 5000, about, "Warning")
        ((path, event),) = api.created
        assert path == f"{SPACE}/events"
        assert event["involvedObject"] == {**about, "apiVersion": "apps/v1", "namespace": "flask-mongodb"}
        assert (event["reason"], event["type"], event["count"]) == ("Killed", "Warning", 1)
        assert event["metadata"] == {"generateName": "mongodb.", "namespace": "flask-mongodb"}
        assert event["firstTimestamp"] == event["lastTimestamp"] == "2026-05-28T20:26:40.000Z"
        assert len(event["message"]) == 1000

    def test_a_role_that_forbids_it_is_named(self, api: ObjectApi, operator: Operator) -> None:
        api.refusal = (403, {})
        with pytest.raises(Trouble, match=r"^The dashboard may not create an Event: "):
            operator.record("Killed", "…", {"kind": "Pod", "name": "mongodb-0", "uid": "uid-1"})


class CrashStub(ThreadingHTTPServer):
    """Answers as told, and remembers what it was asked."""

    def __init__(self, status: int, body: bytes = b"{}") -> None:
        super().__init__(("127.0.0.1", 0), CrashHandler)
        self.answer = (status, body)
        self.asked: list[tuple[str, str | None, Json]] = []
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02})

    def __enter__(self) -> "CrashStub":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()
        self._thread.join()


class CrashHandler(BaseHTTPRequestHandler):
    server: CrashStub

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append((self.path, self.headers["Authorization"], body))
        status, answer = self.server.answer
        if not status:
            return
        self.send_response(status)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


class TestCrash:
    def test_the_pods_own_crash_container_is_asked_once_with_the_token(
        self, operator_of: Callable[..., Operator]
    ) -> None:
        with CrashStub(200) as stub:
            operator_of(crash=Crash(stub.server_address[1], TOKEN)).crash("uid-1")
        assert stub.asked == [("/crash", f"Bearer {TOKEN}", {"uid": "uid-1"})]

    @pytest.mark.parametrize(
        ("status", "body", "error", "words"),
        [
            (412, b"{}", Stale, "The database's pod is another one now."),
            (401, b"{}", Trouble, "The crash container knows another token"),
            (409, b'{"detail":"No mongod runs here now."}', Trouble, "it answered 409 .*No mongod runs here now"),
            (500, b"\xff<html>", Trouble, "it answered 500"),
            (302, b"", Trouble, "it answered 302"),
            (0, b"", Trouble, "gave no answer: mongod was killed, or not"),
        ],
    )
    def test_a_no_is_told_in_words_and_not_asked_again(
        self, status: int, body: bytes, error: type[Trouble], words: str, operator_of: Callable[..., Operator]
    ) -> None:
        with CrashStub(status, body) as stub:
            with pytest.raises(error, match=words) as trouble:
                operator_of(crash=Crash(stub.server_address[1], TOKEN)).crash("uid-1")
            assert type(trouble.value) is error
        assert len(stub.asked) == 1

    def test_another_pods_mongod_is_left_alone(self, operator_of: Callable[..., Operator]) -> None:
        with CrashStub(200) as stub, pytest.raises(Stale):
            operator_of(crash=Crash(stub.server_address[1], TOKEN)).crash("uid-0")
        assert not stub.asked

    def test_where_crash_mode_is_not_installed_it_says_so(self, operator_of: Callable[..., Operator]) -> None:
        with pytest.raises(Trouble, match=r"^Crash mode is not installed here"):
            operator_of().crash("uid-1")
        port = free_port()
        with pytest.raises(Trouble, match=rf"^There is no crash container at port {port} of the database's pod\.$"):
            operator_of(crash=Crash(port, TOKEN)).crash("uid-1")

    def test_a_pod_without_an_address_runs_no_mongod(
        self, api: ObjectApi, operator_of: Callable[..., Operator]
    ) -> None:
        api.put(POD, pod() | {"status": {}})
        with pytest.raises(Trouble, match="has no address"):
            operator_of(crash=Crash(1, TOKEN)).crash("uid-1")


def run(number: int) -> Json:
    started = f"2026-11-25T00:{number:02}:00.000Z"
    return {"id": f"run-{number}", "demo": "persistence", "verdict": "pass", "started": started}

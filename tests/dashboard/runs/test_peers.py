"""Several dashboards: what one of them has under way is the same on all of them."""

import json
from typing import Any

import pytest

from dashboard.core.errors import ExternalError
from dashboard.core.events import RunUpdated
from dashboard.kube.lease import LeaseHolder
from dashboard.runs.peers import PeerDashboards, PeerUnavailable
from dashboard.runs.records.archive import UnknownRun
from tests.dashboard.runs.harness import RunHarness
from tests.dashboard.runs.test_manager import running
from tests.dashboard.stubs import StubHandler, StubServer

Json = dict[str, Any]

RUN = "persistence-9"
OTHER = LeaseHolder("other", RUN, "2026-11-25T04:00:00Z")


class FakePeers:
    """Implements `runs.ports.Peers`: one other dashboard with one run."""

    def __init__(self, run: Json) -> None:
        self.answer: Json | None = run
        self.aborted: list[tuple[str, str]] = []

    def run(self, dashboard: str, id_: str) -> Json | None:
        return self.answer if (dashboard, id_) == ("other", RUN) else None

    def abort(self, dashboard: str, id_: str) -> None:
        if self.answer is None:
            raise PeerUnavailable("other, which has this run, does not answer.")
        self.aborted.append((dashboard, id_))


@pytest.fixture
def peers() -> FakePeers:
    return FakePeers(running(RunHarness(), RUN))


@pytest.fixture
def harness(peers: FakePeers) -> RunHarness:
    """A dashboard beside the one that has the run."""
    harness = RunHarness(peers=peers)
    assert peers.answer
    harness.cluster.history = [peers.answer]
    harness.cluster.lease = OTHER
    return harness


def test_run_that_has_just_begun_elsewhere_is_known_at_once(harness: RunHarness) -> None:
    harness.cluster.history, begun = [], harness.cluster.history
    harness.manager._archive.sync()
    with pytest.raises(UnknownRun):
        harness.manager.get(RUN)
    harness.cluster.history = begun
    harness.clock.advance(2)
    assert harness.manager.get(RUN)["verdict"] == "running"


def test_run_of_another_dashboard_is_asked_of_that_one(harness: RunHarness, peers: FakePeers) -> None:
    harness.manager._archive.sync()
    assert peers.answer
    peers.answer = peers.answer | {"verdict": "pass", "reason": "seen there"}
    assert harness.manager.get(RUN)["reason"] == "seen there"
    peers.answer = None
    assert harness.manager.get(RUN)["verdict"] == "running", "what was saved when it began"


def test_run_of_another_dashboard_is_aborted_by_that_one(harness: RunHarness, peers: FakePeers) -> None:
    harness.manager._archive.sync()
    harness.manager.abort(RUN, "operator")
    assert peers.aborted == [("other", RUN)]
    assert harness.audited[-1][:3] == ("operator", f"abort {RUN}", "asked of other")
    peers.answer = None
    with pytest.raises(ExternalError):
        harness.manager.abort(RUN, "operator")


@pytest.mark.parametrize("ends", [True, False])
def test_run_of_another_dashboard_is_emitted_until_it_ends_or_its_dashboard_dies(
    ends: bool, harness: RunHarness, peers: FakePeers
) -> None:
    def emitted() -> list[str]:
        return [event.run["verdict"] for event in harness.events(RunUpdated)]

    archive = harness.manager._archive
    archive.sync()
    assert not archive._follow()
    assert emitted() == ["running"]
    assert peers.answer
    if ends:
        peers.answer = peers.answer | {"verdict": "pass"}
        assert archive._follow()
        harness.cluster.history = [peers.answer]
    harness.cluster.lease = peers.answer = None
    archive.sync()
    assert not archive._follow()
    assert emitted() == (["running", "pass", "pass"] if ends else ["running", "inconclusive"])


def test_nothing_is_asked_while_a_run_is_under_way_here(harness: RunHarness, peers: FakePeers) -> None:
    harness.manager._archive.sync()
    harness.cluster.lease = None
    peers.answer = {}
    harness.during_step("warmup", lambda: assert_not_followed(harness))
    assert harness.run("persistence")["verdict"] == "pass"


def assert_not_followed(harness: RunHarness) -> None:
    assert not harness.manager._archive._follow()
    assert all(event.run["id"] != RUN for event in harness.events(RunUpdated))


class TestPeerDashboards:
    """By HTTP."""

    @pytest.mark.parametrize(
        ("status", "body"),
        [
            (200, "{"), (200, "[1]"), (200, "[" * 5_000), (200, '{"id": "persistence-9"}'),
            (404, '{"detail": "none"}'), (302, ""), (500, ""),
        ],
    )  # fmt: skip
    def test_answer_that_is_not_the_run_is_none(self, status: int, body: str) -> None:
        with StubServer(other(status, body.encode())) as server:
            assert peer(server.url).run("other", RUN) is None

    def test_another_run_is_none(self) -> None:
        with StubServer(other(200, json.dumps(running(RunHarness(), "persistence-8")).encode())) as server:
            assert peer(server.url).run("other", RUN) is None

    def test_run_is_asked_as_a_viewer_and_aborted_as_the_operator(self) -> None:
        run = running(RunHarness(), RUN)
        with StubServer(handler := other(200, json.dumps(run).encode())) as server:
            assert peer(server.url).run("other", RUN) == json.loads(json.dumps(run))
        with StubServer(aborts := other(202, b"{}")) as server:
            peer(server.url).abort("other", RUN)
        path = f"/api/runs/{RUN}"
        assert handler.asked + aborts.asked == [("GET", path, "Bearer viewer"), ("DELETE", path, "Bearer operator")]

    @pytest.mark.parametrize("status", [403, 404, 409, 502])
    def test_abort_that_is_refused_is_an_error(self, status: int) -> None:
        with StubServer(other(status, b"{}")) as server, pytest.raises(PeerUnavailable, match=str(status)):
            peer(server.url).abort("other", RUN)

    @pytest.mark.parametrize("url", [None, "http://127.0.0.1:1"])
    def test_dashboard_that_is_away(self, url: str | None) -> None:
        assert peer(url).run("other", RUN) is None
        with pytest.raises(PeerUnavailable):
            peer(url).abort("other", RUN)


def peer(url: str | None) -> PeerDashboards:
    return PeerDashboards({"other": url}.get, "viewer", "operator")


class OtherDashboard(StubHandler):
    asked: list[tuple[str, str, str]]
    answer: tuple[int, bytes]

    def do_GET(self) -> None:
        self.asked.append((self.command, self.path, self.headers["Authorization"]))
        self.respond(*self.answer)

    do_DELETE = do_GET


def other(status: int, body: bytes) -> type[OtherDashboard]:
    """Return the handler of a dashboard that answers everything so."""
    return type("Other", (OtherDashboard,), {"asked": [], "answer": (status, body)})

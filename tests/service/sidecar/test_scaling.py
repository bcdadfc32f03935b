"""Members that come and go, with real mongods and the real sidecar: nothing that was acknowledged is lost."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.write_concern import WriteConcern

from service.config import ServiceConfig
from tests.service.sidecar.stateful_set import KEY, Ledger, Pod, StatefulSet, lost, scaled, wait_until
from tools.local.mongod import Mongod

pytestmark = pytest.mark.mongod

STEPS = {"added member", "gave vote", "removed member", "stepping down", "settled"}
SYNC_POINT = "initialSyncHangBeforeFinish"  # of MongoDB's own tests: an initial sync waits there


def test_scaling_to_three_and_back_to_one_loses_and_fails_nothing(tmp_path: Path) -> None:
    with scaled(tmp_path / "set", 1) as stateful_set:
        with Ledger(stateful_set) as ledger:
            stateful_set.scale(3)
            wait_until(lambda: stateful_set.votes() == [1, 1, 1])
            assert stateful_set.states() == ["PRIMARY", "SECONDARY", "SECONDARY"]
            ledger.wait_for(50)
            stateful_set.scale(1)
            ledger.wait_for(50)
            assert list(stateful_set.config()) == stateful_set.hosts[:1]
            assert stateful_set.pods[2].outcomes() == stateful_set.pods[1].outcomes() == ["left"]
        assert not ledger.failures and not lost(ledger, stateful_set)
    print(f"{len(ledger.acknowledged):,} writes, the longest {ledger.longest:.2f} s")


def test_more_members_than_the_set_can_have_are_refused_in_the_log(tmp_path: Path) -> None:
    with scaled(tmp_path / "set", 1) as stateful_set:
        stateful_set.api.wanted = 51
        for pod in stateful_set.pods[1:]:
            stateful_set.start(pod)
        wait_until(lambda: any(each.startswith("51 members are wanted") for each in stateful_set.pods[0].reasons()))
        assert stateful_set.votes() == [1, 1, 1]


def test_ledger_tells_a_lost_write(tmp_path: Path) -> None:
    """The negative control: what only the primary has acknowledged is lost with it."""
    with scaled(tmp_path / "set", 3) as stateful_set:
        with Ledger(stateful_set) as ledger:
            pass
        primary = stateful_set.primary()
        others = [pod for pod in stateful_set.pods if pod is not primary]
        for pod in others:  # frozen ones would find the write in their sockets
            pod.mongod.kill()
        with stateful_set.at(primary) as client:
            data = client.flask_db.data.with_options(write_concern=WriteConcern(1))
            data.insert_one({"_id": "primary only"})
            ledger.acknowledged.append("primary only")
            primary.kill()
        for pod in others:
            pod.mongod.start()
        wait_until(lambda: stateful_set.primary() is not primary)
        assert lost(ledger, stateful_set) == {"primary only"}


def test_killed_primary_is_replaced_within_the_deadline_of_a_request(tmp_path: Path) -> None:
    with scaled(tmp_path / "set", 3) as stateful_set:
        with Ledger(stateful_set) as ledger:
            former = stateful_set.primary()
            former.kill()
            ledger.wait_for(50)
            assert stateful_set.primary() is not former
        print(f"the longest write {ledger.longest:.2f} s")
        assert ledger.longest < ServiceConfig.request_deadline
        assert not ledger.failures and not lost(ledger, stateful_set)


def test_primary_that_is_to_go_hands_over_first(tmp_path: Path) -> None:
    with scaled(tmp_path / "set", 3) as stateful_set:
        with Ledger(stateful_set) as ledger:
            prefer(stateful_set, 2)
            ledger.wait_for(20)
            stateful_set.scale(1)
            ledger.wait_for(50)
        assert "stepping down" in stateful_set.pods[2].events()
        assert stateful_set.primary() is stateful_set.pods[0]
        assert list(stateful_set.config()) == stateful_set.hosts[:1]
        assert not ledger.failures and not lost(ledger, stateful_set)


def test_acting_sidecar_may_be_killed_after_each_step_and_at_any_moment(tmp_path: Path) -> None:
    with scaled(tmp_path / "set", 1) as stateful_set:
        with Ledger(stateful_set) as ledger, killer(stateful_set.pods[0]) as kills:
            for _ in range(4):  # one that is killed within a step does not say it
                stateful_set.scale(3)
                wait_until(lambda: stateful_set.votes() == [1, 1, 1])
                stateful_set.scale(1)
                wait_until(lambda: list(stateful_set.config()) == stateful_set.hosts[:1])
                ledger.wait_for(20)
                if {"added member", "gave vote", "removed member"} <= {*kills}:
                    break
        print(f"killed {len(kills)} times: {kills}")
        assert {"added member", "gave vote", "removed member"} <= {*kills}
        assert not ledger.failures and not lost(ledger, stateful_set)


def test_leaving_sidecar_may_be_killed_while_its_member_leaves(tmp_path: Path) -> None:
    with scaled(tmp_path / "set", 3) as stateful_set:
        with Ledger(stateful_set) as ledger:
            threading.Timer(0.2, stateful_set.pods[2].kill_sidecar).start()
            stateful_set.scale(1)
            ledger.wait_for(50)
            assert list(stateful_set.config()) == stateful_set.hosts[:1]
        assert not ledger.failures and not lost(ledger, stateful_set)


def test_member_that_never_comes_up_is_never_added_and_delays_nothing(tmp_path: Path) -> None:
    with scaled(tmp_path / "set", 1) as stateful_set, Ledger(stateful_set) as ledger:
        stateful_set.api.wanted, stateful_set.api.existing = 3, 2
        stateful_set.pods[1].start_sidecar()  # without its mongod
        wait_until(lambda: bool(stateful_set.pods[1].probe("/readyz")))
        ledger.wait_for(100)
        assert not stateful_set.pods[1].is_ready()
        assert list(stateful_set.config()) == stateful_set.hosts[:1]


def test_second_member_has_no_vote_until_the_third_is_there_so_that_it_may_be_lost(tmp_path: Path) -> None:
    with scaled(tmp_path / "set", 1) as stateful_set:
        stateful_set.api.wanted = 3
        stateful_set.start(stateful_set.pods[1])
        wait_until(stateful_set.pods[1].is_ready)
        with Ledger(stateful_set) as ledger:
            assert stateful_set.votes() == [1, 0]
            stateful_set.pods[1].kill()
            ledger.wait_for(100)
        assert not ledger.failures


def test_two_sidecars_that_disagree_beside_one_primary_lose_nothing(tmp_path: Path) -> None:
    with scaled(tmp_path / "set", 3) as stateful_set, StatefulSet.numbers(1) as one:
        with Ledger(stateful_set) as ledger:
            pod = stateful_set.pods[0]
            prefer(stateful_set, 0)
            first = pod.sidecar
            second = pod.start_sidecar(SCALE_URL=one.url, PROBE_PORT="0")
            wait_until(lambda: pod.events().count("removed member") > 3 and pod.events().count("added member") > 5)
            second.kill()
            second.wait()
            pod.sidecar = first
            wait_until(lambda: stateful_set.votes() == [1, 1, 1])
        events = pod.events()
        print({step: events.count(step) for step in sorted(STEPS)})
        assert not ledger.failures and not lost(ledger, stateful_set)


def test_former_primary_that_takes_itself_for_the_primary_changes_nothing(tmp_path: Path) -> None:
    """It is frozen, another is elected, and both sidecars are asked for a change when it goes on."""
    with scaled(tmp_path / "set", 3) as stateful_set:
        with Ledger(stateful_set) as ledger:
            former = stateful_set.primary()
            with stopped(former):
                wait_until(lambda: stateful_set.primary() is not former)
                ledger.wait_for(20)
                stateful_set.api.wanted = 1
            wait_until(lambda: list(stateful_set.config()) == stateful_set.hosts[:1])
            stateful_set.scale(1)
            ledger.wait_for(20)
        assert not ledger.failures and not lost(ledger, stateful_set)


def test_members_stay_while_the_scale_cannot_be_read(tmp_path: Path) -> None:
    with scaled(tmp_path / "set", 1) as stateful_set:
        stateful_set.api.broken = True
        stateful_set.start(stateful_set.pods[1])
        wait_until(lambda: "waiting" in stateful_set.pods[0].events()[-1:])
        time.sleep(5)
        assert list(stateful_set.config()) == stateful_set.hosts[:1]
        assert not stateful_set.pods[1].is_ready()
        stateful_set.api.wanted, stateful_set.api.broken = 2, False
        wait_until(stateful_set.pods[1].is_ready)
        assert stateful_set.votes() == [1, 0]


def test_wiped_member_has_no_vote_until_it_has_the_data_again(tmp_path: Path) -> None:
    with scaled(tmp_path / "set", 3) as stateful_set:
        prefer(stateful_set, 0)
        pod = stateful_set.pods[1]
        with Ledger(stateful_set) as ledger:
            wipe(pod)
            pod.mongod = SyncingMongod(pod.mongod.directory, pod.mongod.port, auth=True)
            pod.mongod.start()
            pod.start_sidecar()
            wait_until(lambda: stateful_set.votes() == [1, 0, 1])
            assert not pod.is_ready()
            with MongoClient[dict[str, Any]](
                "127.0.0.1", pod.mongod.port, directConnection=True, username="__system", password=KEY,
                authSource="local", authMechanism="SCRAM-SHA-256",
            ) as client:  # fmt: skip
                client.admin.command("configureFailPoint", SYNC_POINT, mode="off")
            wait_until(lambda: stateful_set.votes() == [1, 1, 1])
            assert pod.is_ready()
        assert not ledger.failures and not lost(ledger, stateful_set)


def test_wiped_first_member_makes_no_new_set_even_if_no_other_member_answers(tmp_path: Path) -> None:
    with scaled(tmp_path / "set", 3) as stateful_set:
        with Ledger(stateful_set) as ledger:
            pass
        first, *others = stateful_set.pods
        for pod in others:
            pod.kill()
        wipe(first)
        first.mongod.start()
        first.start_sidecar()
        began = len(first.events())
        wait_until(lambda: "waiting" in first.events()[began:])
        time.sleep(5)
        assert not first.is_ready()
        for pod in others:
            pod.mongod.start()
            pod.start_sidecar()
        wait_until(lambda: all(pod.is_ready() for pod in stateful_set.pods))
        assert "initiated" not in first.events()[began:]
        assert not lost(ledger, stateful_set)


class SyncingMongod(Mongod):
    """A mongod whose initial sync waits before its end."""

    def _command(self) -> list[str]:
        waits = ("enableTestCommands=1", f'failpoint.{SYNC_POINT}={{"mode":"alwaysOn"}}')
        return [*super()._command(), *(part for each in waits for part in ("--setParameter", each))]


def wipe(pod: Pod) -> None:
    """Kill the member and delete its data."""
    pod.kill()
    key = (pod.mongod.directory / "key").read_bytes()
    shutil.rmtree(pod.mongod.directory)
    pod.mongod.directory.mkdir()
    (pod.mongod.directory / "key").write_bytes(key)
    (pod.mongod.directory / "key").chmod(0o400)


def prefer(stateful_set: StatefulSet, ordinal: int) -> None:
    """Let this member be the primary."""
    while stateful_set.primary().ordinal != ordinal:
        primary = stateful_set.primary()
        others = [pod for pod in stateful_set.pods if pod.ordinal not in (ordinal, primary.ordinal)]
        for pod in others:
            with stateful_set.at(pod) as client:
                client.admin.command("replSetFreeze", 60)
        with contextlib.suppress(Exception), stateful_set.at(primary) as client:
            client.admin.command("replSetStepDown", 10, secondaryCatchUpPeriodSecs=5)
        time.sleep(2)


@contextlib.contextmanager
def stopped(*pods: Pod) -> Iterator[None]:
    """Freeze the mongods, as a machine that stalls does."""
    pids = [pod.mongod.pid for pod in pods if pod.mongod.pid]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


@contextlib.contextmanager
def killer(pod: Pod) -> Iterator[list[str]]:
    """Kill the sidecar after each of its steps and now and then, and start it again. Yields what it did last."""
    kills: list[str] = []
    stop = threading.Event()

    def kill() -> None:
        seen, due = len(pod.events()), time.monotonic() + 3
        while not stop.wait(0.02):
            events = pod.events()[seen:]
            steps = [event for event in events if event in STEPS]
            if steps or time.monotonic() > due:
                pod.kill_sidecar()
                kills.append(steps[-1] if steps else "")
                pod.start_sidecar()
                seen = len(pod.events())
                due = time.monotonic() + random.uniform(2, 8)  # noqa: S311 - not for a secret

    thread = threading.Thread(target=kill)
    thread.start()
    yield kills
    stop.set()
    thread.join()

"""A replica set of three on its way to TLS and back, by the steps of `make up`, while writers write.

Each step replaces the members one after another, as the StatefulSet's controller does, and then the clients.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.errors import ServerSelectionTimeoutError

from tests.service.sidecar.stateful_set import SECONDS, Ledger, StatefulSet, lost, scaled, wait_until
from tests.tls import Certificates
from tools.deploy.mongodb_tls import MODES, steps

pytestmark = [pytest.mark.slow, pytest.mark.mongod, pytest.mark.soak]

OFF, REQUIRE = MODES[0], MODES[-1]
# On a busy machine a heartbeat takes over 2 s, and the driver gives up what it has sent. The service repeats that.
CANCELLED = "operation cancelled"


@pytest.fixture
def three(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[StatefulSet]:
    monkeypatch.setattr("tools.local.mongod.START_SECONDS", SECONDS)  # three beside writers, on a busy machine
    with scaled(tmp_path / "set", 3) as made:
        yield made


def uses_tls(mode: str) -> bool:
    return mode in MODES[2:]


def roll_out(three: StatefulSet, mode: str, certificates: Certificates) -> None:
    """Replace each pod by one in this mode, the last first, once the former one is Ready."""
    authority = str(certificates.authority) if uses_tls(mode) else ""
    for pod in reversed(three.pods):
        pod.kill_sidecar()
        pod.mongod.terminate()
        pod.mongod.tls, pod.mongod.tls_mode = (None if mode == OFF else certificates.pair), mode
        pod.mongod.start()
        pod.start_sidecar(MONGODB_CA_FILE=authority)
        wait_until(pod.is_ready)


def test_three_members_go_to_tls_and_back_without_a_refused_or_lost_write(
    three: StatefulSet, certificates: Certificates
) -> None:
    ledgers = [Ledger(three)]
    with ExitStack() as writers:
        writers.enter_context(ledgers[0])
        for now, then in ((OFF, REQUIRE), (REQUIRE, OFF)):
            for mode in [*steps(now, then, 3), then]:
                roll_out(three, mode, certificates)
                three.tls = {"tls": True, "tlsCAFile": str(certificates.authority)} if uses_tls(mode) else {}
                ledgers.append(Ledger(three, f"{len(ledgers)}-{mode}-"))
                with writers.pop_all():  # the former clients end once the next ones write
                    writers.enter_context(ledgers[-1])
                if mode == REQUIRE:
                    with plain(three) as client, pytest.raises(ServerSelectionTimeoutError):
                        client.admin.command("hello")
    assert len(ledgers) == 7
    for ledger in ledgers:
        assert not [each for each in ledger.failures if not each.endswith(CANCELLED)]
        assert not lost(ledger, three)


def plain(three: StatefulSet) -> MongoClient[dict[str, Any]]:
    return MongoClient(three.hosts[0], directConnection=True, serverSelectionTimeoutMS=2000)

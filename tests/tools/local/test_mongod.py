"""The embedded mongod."""

from __future__ import annotations

from pathlib import Path

import pytest
from pymongo import MongoClient

from tools.local.mongod import Mongod, MongodError, find_binary, free_port, holder


def test_wheel_contains_mongod() -> None:
    assert find_binary().name == "mongod"


def test_mongod_accepts_majority_writes(mongod: Mongod) -> None:
    with MongoClient[dict[str, object]](mongod.uri, w="majority", serverSelectionTimeoutMS=2000) as client:
        client.tests.numbers.insert_one({"one": 1})
        assert client.tests.numbers.find_one({}, {"_id": 0}) == {"one": 1}


def test_documents_survive_a_kill_and_a_change_of_port(own_mongod: Mongod) -> None:
    with MongoClient[dict[str, object]](own_mongod.uri, w="majority") as client:
        client.tests.numbers.insert_one({"one": 1})
    own_mongod.kill()
    with (
        Mongod(own_mongod.directory, free_port()) as moved,
        MongoClient[dict[str, object]](moved.uri, serverSelectionTimeoutMS=2000) as client,
    ):
        assert client.tests.numbers.count_documents({}) == 1


def test_second_mongod_on_the_same_data_is_an_error(own_mongod: Mongod) -> None:
    assert holder(own_mongod.directory) == own_mongod.pid
    with pytest.raises(MongodError, match=f"mongod {own_mongod.pid} of another run"):
        Mongod(own_mongod.directory).start()
    own_mongod.terminate()
    assert holder(own_mongod.directory) is None


def test_taken_port_is_an_error(tmp_path: Path, mongod: Mongod) -> None:
    with pytest.raises(MongodError, match=f"Port {mongod.port}"):
        Mongod(tmp_path, port=mongod.port).start()


def test_failed_start_shows_the_end_of_the_log(tmp_path: Path) -> None:
    (tmp_path / "storage.bson").write_text("no database")
    with pytest.raises(MongodError, match=r"mongod ended with status \d+\. The end of its log:\n.+"):
        Mongod(tmp_path).start()

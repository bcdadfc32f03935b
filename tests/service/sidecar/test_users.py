"""The privileges of the MongoDB users: each command in COMMANDS that is not in ALLOWED must be refused."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.errors import OperationFailure

from service.config import ServiceConfig
from service.sidecar.users import MissingSecret, read_users
from tests.service.sidecar.test_replica_set import SECRET, RunningSidecar, put
from tools.local.mongod import Mongod

UNAUTHORIZED = 13
Command = dict[str, Any]
HIDDEN = "x" * 24

# name: (database, command). As root, each succeeds, or fails for another reason than a missing privilege.
COMMANDS: dict[str, tuple[str, Command]] = {
    "find": ("flask_db", {"find": "data"}),
    "count": ("flask_db", {"count": "data"}),
    "insert": ("flask_db", {"insert": "data", "documents": [{"x": 1}]}),
    "update": ("flask_db", {"update": "data", "updates": [{"q": {}, "u": {"$set": {"y": 1}}}]}),
    "delete": ("flask_db", {"delete": "data", "deletes": [{"q": {"x": 1}, "limit": 1}]}),
    "findAndModify": ("flask_db", {"findAndModify": "data", "query": {}, "update": {"$set": {"z": 1}}}),
    "createIndexes": ("flask_db", {"createIndexes": "proofs", "indexes": [{"key": {"t": 1}, "name": "t"}]}),
    "collMod": ("flask_db", {"collMod": "proofs", "index": {"name": "t", "hidden": False}}),
    "aggregate": ("flask_db", {"aggregate": "data", "pipeline": [{"$match": {}}], "cursor": {}}),
    "changeStream": ("flask_db", {"aggregate": "data", "pipeline": [{"$changeStream": {}}], "cursor": {}}),
    "collStats": ("flask_db", {"collStats": "data"}),
    "dbStats": ("flask_db", {"dbStats": 1}),
    "serverStatus": ("admin", {"serverStatus": 1}),
    # Commands that neither program uses.
    "out": ("flask_db", {"aggregate": "data", "pipeline": [{"$out": "other"}], "cursor": {}}),
    "createIndexesOfData": ("flask_db", {"createIndexes": "data", "indexes": [{"key": {"t": 1}, "name": "t"}]}),
    "collModOfData": ("flask_db", {"collMod": "data", "index": {"name": "t", "hidden": False}}),
    "insertBeside": ("flask_db", {"insert": "other", "documents": [{"x": 1}]}),
    "findBeside": ("flask_db", {"find": "other"}),
    "drop": ("flask_db", {"drop": "nothing"}),
    "dropDatabase": ("flask_db", {"dropDatabase": 1}),
    "dropIndexes": ("flask_db", {"dropIndexes": "data", "index": "none"}),
    "rename": ("admin", {"renameCollection": "flask_db.data", "to": "flask_db.away"}),
    "listIndexes": ("flask_db", {"listIndexes": "data"}),
    "create": ("flask_db", {"create": "capped", "capped": True, "size": 4096}),
    "compact": ("flask_db", {"compact": "data"}),
    "validate": ("flask_db", {"validate": "data"}),
    "profile": ("flask_db", {"profile": 0}),
    "createUser": ("admin", {"createUser": "mallory", "pwd": HIDDEN, "roles": ["root"]}),
    "updateUser": ("admin", {"updateUser": "admin", "pwd": HIDDEN}),
    "grantRoles": ("admin", {"grantRolesToUser": "service", "roles": ["root"]}),
    "dropUser": ("admin", {"dropUser": "nobody"}),
    "usersInfo": ("admin", {"usersInfo": {"forAllDBs": True}}),
    "createRole": ("admin", {"createRole": "wide", "privileges": [], "roles": ["root"]}),
    "shutdown": ("admin", {"shutdown": 1, "timeoutSecs": 0, "force": False, "comment": "must be refused"}),
    "stepDown": ("admin", {"replSetStepDown": 1}),
    "reconfig": ("admin", {"replSetReconfig": {"_id": "rs0", "version": 1, "members": []}}),
    "getConfig": ("admin", {"replSetGetConfig": 1}),
    "setParameter": ("admin", {"setParameter": 1, "logLevel": 0}),
    "getLog": ("admin", {"getLog": "global"}),
    "currentOp": ("admin", {"currentOp": 1, "$all": True}),
    "killOp": ("admin", {"killOp": 1, "op": 1}),
    "killAllSessions": ("admin", {"killAllSessions": []}),
    "fsync": ("admin", {"fsync": 1}),
    "logRotate": ("admin", {"logRotate": 1}),
    "hostInfo": ("admin", {"hostInfo": 1}),
    "getCmdLineOpts": ("admin", {"getCmdLineOpts": 1}),
    "listDatabases": ("admin", {"listDatabases": 1, "authorizedDatabases": False}),
    "oplog": ("local", {"find": "oplog.rs"}),
    "users": ("admin", {"find": "system.users"}),
    "insertElsewhere": ("other", {"insert": "data", "documents": [{"x": 1}]}),
    "findElsewhere": ("other", {"find": "data"}),
    "eval": ("flask_db", {"mapReduce": "data", "map": "function(){}", "reduce": "function(){}", "out": "other"}),
}
ALLOWED = {
    "service": {
        "find", "count", "insert", "update", "delete", "findAndModify", "createIndexes", "collMod", "aggregate",
    },
    "dashboard": {"find", "count", "aggregate", "changeStream", "collStats", "dbStats", "serverStatus"},
}  # fmt: skip


@contextmanager
def guarded(directory: Path) -> Iterator[Mongod]:
    """A MongoDB with the users of both programs."""
    secret = directory / "secret"
    secret.mkdir()
    put(secret, **SECRET)
    with Mongod(directory / "guarded", auth=True) as mongod:
        with RunningSidecar(mongod, directory / "log", secret) as sidecar:
            sidecar.settle()
        with opened(mongod, "service") as service:
            service.flask_db.data.insert_one({"x": 0})
        yield mongod


@pytest.fixture(scope="module")
def mongod(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mongod]:
    with guarded(tmp_path_factory.mktemp("users")) as mongod:
        yield mongod


def opened(mongod: Mongod, user: str) -> MongoClient[dict[str, Any]]:
    return MongoClient(
        "127.0.0.1", mongod.port, directConnection=True, username=user, password=SECRET[f"{user}-password"]
    )


def allows(client: MongoClient[dict[str, Any]], database: str, command: Command) -> bool:
    try:
        client[database].command(dict(command))
    except OperationFailure as failure:
        return failure.code != UNAUTHORIZED
    return True


@pytest.mark.parametrize("user", ALLOWED)
def test_user_has_only_the_privileges_of_its_program(user: str, mongod: Mongod) -> None:
    with opened(mongod, user) as client:
        allowed = {name for name, (database, command) in COMMANDS.items() if allows(client, database, command)}
    assert allowed == ALLOWED[user]


def test_program_signs_in_whatever_characters_its_password_has(mongod: Mongod) -> None:
    assert set("@:/%") <= set(SECRET["service-password"])
    environ = {
        "MONGODB_URI": f"mongodb://127.0.0.1:{mongod.port}/?directConnection=true&authSource=admin",
        "MONGODB_USER": "service",
        "MONGODB_PASSWORD": SECRET["service-password"],
    }
    with MongoClient[dict[str, Any]](ServiceConfig.from_environment(environ).mongodb_uri) as client:
        assert client.flask_db.data.find_one() is not None
    wrong = ServiceConfig.from_environment(environ | {"MONGODB_PASSWORD": "another"})
    with MongoClient[dict[str, Any]](wrong.mongodb_uri) as client, pytest.raises(OperationFailure):
        client.flask_db.data.find_one()


@pytest.mark.mongod
def test_root_may_run_every_command(tmp_path: Path) -> None:
    harmful = {"shutdown", "stepDown", "killAllSessions", "updateUser", "dropDatabase"}
    with guarded(tmp_path) as mongod, opened(mongod, "admin") as admin:  # its own: it changes the users
        refused = {
            name
            for name, (database, command) in COMMANDS.items()
            if name not in harmful and not allows(admin, database, command)
        }
    assert not refused  # so a refusal above means a missing privilege


def test_anonymous_client_has_no_privileges(mongod: Mongod) -> None:
    with MongoClient[dict[str, Any]]("127.0.0.1", mongod.port, directConnection=True) as anyone:
        assert {name for name in COMMANDS if allows(anyone, *COMMANDS[name])} == set()


def test_current_and_previous_users_are_not_retired(tmp_path: Path) -> None:
    put(tmp_path, **SECRET)
    assert read_users(tmp_path).retired == {"service-b", "dashboard-b"}
    put(tmp_path, **{"service-user": "service-b", "previous-service-user": "service"})
    users = read_users(tmp_path)
    assert users.retired == {"dashboard-b"}
    assert [user.name for user in users.current] == ["admin", "service-b", "dashboard"]


def test_passwords_are_not_in_a_representation(tmp_path: Path) -> None:
    put(tmp_path, **SECRET)
    assert not [password for password in SECRET.values() if password in repr(read_users(tmp_path))]


def test_missing_password_is_named(tmp_path: Path) -> None:
    put(tmp_path, **{name: value for name, value in SECRET.items() if name != "service-password"})
    with pytest.raises(MissingSecret, match="service-password"):
        read_users(tmp_path)

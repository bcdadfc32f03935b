"""Forms the replica set and its users: `python -m service.sidecar`, one beside each mongod.

A loop compares mongod's state with the wanted one, whatever it finds, and does the next step:

    no replica set      the first pod's sidecar initiates it, with itself as the only member
    removed             mongod did not find itself in its stored configuration (its name did not resolve when it
                        started, or was another): the configuration is applied again
    primary             roles, users and passwords are made as they should be; a single member with another name is
                        renamed; missing members are added, one a turn
    any other state     nothing: the primary's sidecar acts

It never removes a member, and never initiates a set where another member has one already.

The sidecar connects as the member itself, with the key file that the members share. A new mongod without users, and
one whose passwords all changed, are therefore no special cases.
"""

from __future__ import annotations

import os
import signal
import time
from typing import Any, NoReturn

from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError

from service import logs
from service.config import SidecarConfig
from service.sidecar.users import ROLES_DATABASE, MissingSecret, Privilege, User, Users, privileges, read_users
from webserver.environment import ConfigError

Client = MongoClient[dict[str, Any]]

BUSY_SECONDS = 0.5  # between turns while something is left to do
IDLE_SECONDS = 3.0
TIMEOUT_MS = 1000  # to connect; mongod is in the same pod
ANSWER_MS = 10_000  # initiation and new users wait for the disk

AUTHENTICATION_FAILED = 18
ALREADY_INITIALIZED = 23


class Waiting(Exception):
    """Nothing can be done before another event, which the message names."""


class Sidecar:
    """The loop, and what it remembers between two turns."""

    def __init__(self, config: SidecarConfig) -> None:
        self._config = config
        self._anyone = self._connect()
        self._settled: object = None  # the state in which nothing was left to do
        self._wait = ""  # the reason that was logged last

    def run(self) -> NoReturn:
        """Take turns without end. An obstacle is logged once and retried."""
        while True:
            try:
                settled = self.turn()
            except (Waiting, MissingSecret) as reason:
                settled = self._waits(str(reason))
            except PyMongoError as error:
                settled = self._waits(f"{type(error).__name__}: {str(error).partition(',')[0]}")
            time.sleep(IDLE_SECONDS if settled else BUSY_SECONDS)

    def turn(self) -> bool:
        """Take the next step. Return whether nothing is left to do."""
        users = read_users(self._config.users)
        hello = self._anyone.admin.command("hello")
        if "setName" not in hello:
            self._settled = None
            self._form()
            return False
        state = (hello["topologyVersion"]["processId"], hello["setVersion"], hello["isWritablePrimary"], users)
        if state == self._settled:
            return True
        if hello["isWritablePrimary"]:
            with self._member() as member:
                self._put_roles(member)
                self._put_users(member, users)
                if self._change_members(member):
                    return False
        elif hello.get("primary") in (None, hello.get("me")):  # a new primary names itself before it takes writes
            raise Waiting("there is no primary that takes writes yet")
        self._settled, self._wait = state, ""
        logs.write("settled", primary=hello["isWritablePrimary"], members=len(hello["hosts"]))
        return True

    def _form(self) -> None:
        """Initiate the set on a mongod without data. With data, mongod was removed from its set: restore it."""
        if self._config.ordinal > 0:
            raise Waiting("the primary has not added this member yet")
        if self._exists_elsewhere():
            raise Waiting("another member has the replica set, and has not added this one yet")
        host = self._config.members[0]
        with self._member() as member:
            try:
                member.admin.command(
                    "replSetInitiate", {"_id": self._config.replica_set, "members": [{"_id": 0, "host": host}]}
                )
            except OperationFailure as failure:
                if failure.code != ALREADY_INITIALIZED:
                    raise
                self._restore(member, host)
            else:
                logs.write("initiated", member=host)

    def _exists_elsewhere(self) -> bool:
        """Return whether another member has the set: then this mongod lost its data, and its set fills it again."""
        for member in self._config.members[1:]:
            try:
                with self._connect(member) as other:
                    if "setName" in other.admin.command("hello"):
                        return True
            except PyMongoError:
                continue
        return False

    def _restore(self, member: Client, host: str) -> None:
        """Apply the stored configuration again, so that mongod looks for itself in it once more.

        Only for a single member, by force, since nobody can disagree. Several members do this by their heartbeats.
        """
        config = member.admin.command("replSetGetConfig")["config"]
        if len(config["members"]) != 1:
            raise Waiting("the other members have not taken this one back yet")
        was = config["members"][0]["host"]
        config["members"][0]["host"] = host
        config["version"] += 1
        member.admin.command("replSetReconfig", config, force=True)
        logs.write("restored", member=host, was=was)

    def _put_roles(self, member: Client) -> None:
        """Create the programs' roles, and give each its privileges."""
        found = member[ROLES_DATABASE].command("rolesInfo", showPrivileges=True)["roles"]
        known = {role["role"]: role["privileges"] for role in found}
        for name, wanted in privileges(self._config.database).items():
            if name not in known:
                member[ROLES_DATABASE].command("createRole", name, privileges=wanted, roles=[])
                logs.write("created role", role=name)
            elif not _same(known[name], wanted):
                member[ROLES_DATABASE].command("updateRole", name, privileges=wanted, roles=[])
                logs.write("updated role", role=name)

    def _put_users(self, member: Client, users: Users) -> None:
        """Create missing users, correct those with another password or role, and drop those that are retired."""
        found = member[ROLES_DATABASE].command("usersInfo")["users"]
        known = {user["user"]: [role["role"] for role in user["roles"]] for user in found}
        for user in users.current:
            if user.name not in known:
                member[ROLES_DATABASE].command("createUser", user.name, pwd=user.password, roles=[user.role])
                logs.write("created user", user=user.name)
            elif known[user.name] != [user.role] or not self._opens(user):
                member[ROLES_DATABASE].command("updateUser", user.name, pwd=user.password, roles=[user.role])
                logs.write("updated user", user=user.name)
        for name in sorted(users.retired & known.keys()):
            member[ROLES_DATABASE].command("dropUser", name)
            logs.write("dropped user", user=name)

    def _change_members(self, member: Client) -> bool:
        """Rename a single member or add the first missing one. Return False if nothing is to do.

        MongoDB takes one change at a time. A member that was installed under an earlier name keeps its data.
        """
        config = member.admin.command("replSetGetConfig")["config"]
        there = [each["host"] for each in config["members"]]
        missing = [each for each in self._config.members if each not in there]
        if not missing:
            return False
        if len(there) == 1 and there[0] not in self._config.members:
            config["members"][0]["host"] = self._config.members[self._config.ordinal]
            done = "renamed member"
        else:
            number = max(each["_id"] for each in config["members"]) + 1
            config["members"].append({"_id": number, "host": missing[0]})
            done = "added member"
        config["version"] += 1
        member.admin.command("replSetReconfig", config)
        logs.write(done, member=config["members"][-1]["host"])
        return True

    def _member(self) -> Client:
        """Return a connection with the members' own identity, whose password is the key file."""
        return self._connect(
            username="__system",
            password="".join(self._config.key_file.read_text().split()),
            authSource="local",
            authMechanism="SCRAM-SHA-256",
        )

    def _opens(self, user: User) -> bool:
        with self._connect(username=user.name, password=user.password) as client:
            try:
                client.admin.command("ping")
            except OperationFailure as failure:
                if failure.code == AUTHENTICATION_FAILED:
                    return False
                raise
        return True

    def _connect(self, host: str | None = None, **credentials: Any) -> Client:
        return MongoClient(
            host or f"127.0.0.1:{self._config.port}",
            directConnection=True,
            appname="sidecar",
            serverSelectionTimeoutMS=TIMEOUT_MS,
            connectTimeoutMS=TIMEOUT_MS,
            socketTimeoutMS=ANSWER_MS,
            maxPoolSize=1,
            **credentials,
        )

    def _waits(self, reason: str) -> bool:
        if reason != self._wait:
            self._wait = reason
            logs.write("waiting", reason=reason)
        return False


def _same(some: list[Privilege], others: list[Privilege]) -> bool:
    def ordered(privileges: list[Privilege]) -> list[str]:
        return sorted(f"{sorted(each['resource'].items())} {sorted(each['actions'])}" for each in privileges)

    return ordered(some) == ordered(others)


def main() -> None:
    """Run until SIGTERM, which ends it at once: its successor repeats whatever was not finished."""
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    try:
        config = SidecarConfig.from_environment()
        read_users(config.users)
    except (ConfigError, MissingSecret) as error:
        raise SystemExit(f"sidecar: {error}") from None
    Sidecar(config).run()

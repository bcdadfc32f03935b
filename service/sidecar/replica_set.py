"""Makes one mongod and the next into the replica set that the service needs: `python -m service.sidecar`, beside each.

MongoDB wants its replica set initiated by someone and its first user made through the localhost exception, from within
the pod. This loop does that, in whatever state it finds mongod, and then only looks, every few seconds:

    no replica set      the first pod's sidecar initiates it, with itself as the only member
    removed             mongod did not find itself in its stored configuration (its name did not resolve when it
                        started, or was another): the configuration is applied anew
    primary             users and their passwords are put right; members that are missing are added, one a turn
    anything else       the primary's sidecar sees to it

It never removes a member, and never initiates where another member has a set already.
"""

from __future__ import annotations

import os
import signal
import time
from typing import Any, NoReturn

from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError

from service import logs
from service.config import ConfigError, SidecarConfig

Client = MongoClient[dict[str, Any]]
Roles = list[dict[str, str]]

BUSY_SECONDS = 0.5  # between turns until all is as it should be
IDLE_SECONDS = 3.0
TIMEOUT_MS = 1000  # to connect; mongod is beside
ANSWER_MS = 10_000  # initiating and making users wait for the disk

UNAUTHORIZED = 13
AUTHENTICATION_FAILED = 18
ALREADY_INITIALIZED = 23


class Waiting(Exception):
    """There is nothing to do before something else happens: the message says what."""


class Sidecar:
    """What one sidecar knows between two turns of its loop."""

    def __init__(self, config: SidecarConfig) -> None:
        self._config = config
        self._anyone = self._connect()
        self._settled: object = None  # the state in which nothing was left to do
        self._wait = ""  # the reason that was logged last

    def run(self) -> NoReturn:
        """Turns for ever; what stands in the way is logged once and tried again."""
        while True:
            try:
                settled = self.turn()
            except Waiting as reason:
                settled = self._waits(str(reason))
            except PyMongoError as error:
                settled = self._waits(f"{type(error).__name__}: {str(error).partition(',')[0]}")
            time.sleep(IDLE_SECONDS if settled else BUSY_SECONDS)

    def turn(self) -> bool:
        """Looks, and does the next thing that is to do; whether nothing is left."""
        hello = self._anyone.admin.command("hello")
        if "setName" not in hello:
            self._settled = None
            self._form()
            return False
        state = (hello["topologyVersion"]["processId"], hello["setVersion"], hello["isWritablePrimary"])
        if state == self._settled:
            return True
        if hello["isWritablePrimary"]:
            with self._admin() as admin:
                self._put_users_right(admin)
                if self._add_member(admin):
                    return False
        elif hello.get("primary") in (None, hello.get("me")):  # a new primary calls itself one before it takes writes
            raise Waiting("there is no primary that takes writes yet")
        self._settled, self._wait = state, ""
        logs.write("settled", primary=hello["isWritablePrimary"], members=len(hello["hosts"]))
        return True

    def _form(self) -> None:
        """Initiates the set on a mongod without data; with data, it was removed from its set."""
        if self._config.ordinal > 0:
            raise Waiting("the primary is yet to add this member")
        if self._exists_elsewhere():
            raise Waiting("another member has the replica set, and is yet to take this one in")
        host = self._config.members[0]
        try:
            self._anyone.admin.command(
                "replSetInitiate", {"_id": self._config.replica_set, "members": [{"_id": 0, "host": host}]}
            )
        except OperationFailure as failure:
            if failure.code not in (UNAUTHORIZED, ALREADY_INITIALIZED):
                raise
            self._restore(host)
        else:
            logs.write("initiated", member=host)

    def _exists_elsewhere(self) -> bool:
        """Whether this empty mongod is a member that lost its data: its set will fill it again."""
        for member in self._config.members[1:]:
            try:
                with self._connect(member) as other:
                    if "setName" in other.admin.command("hello"):
                        return True
            except PyMongoError:
                continue
        return False

    def _restore(self, host: str) -> None:
        """Applies the stored configuration anew, so that mongod looks for itself in it once more.

        Only where it is the only member: by force, and with nobody to disagree. Among others, their heartbeats do this.
        """
        with self._admin() as admin:
            config = admin.admin.command("replSetGetConfig")["config"]
            if len(config["members"]) != 1:
                raise Waiting("the other members are yet to take this one back")
            was = config["members"][0]["host"]
            config["members"][0]["host"] = host
            config["version"] += 1
            admin.admin.command("replSetReconfig", config, force=True)
        logs.write("restored", member=host, was=was)

    def _put_users_right(self, admin: Client) -> None:
        """Makes what users are missing, and gives those with another password or other roles what they should have."""
        database = self._config.database
        read: Roles = [{"role": "read", "db": database}, {"role": "clusterMonitor", "db": "admin"}]
        write: Roles = [{"role": "readWrite", "db": database}]
        known = {user["user"]: user["roles"] for user in admin.admin.command("usersInfo")["users"]}
        for name, password, roles in (
            ("service", self._config.service_password, write),
            ("dashboard", self._config.dashboard_password, read),
        ):
            if name not in known:
                admin.admin.command("createUser", name, pwd=password, roles=roles)
                logs.write("created user", user=name)
            elif not (_same(known[name], roles) and self._opens(name, password)):
                admin.admin.command("updateUser", name, pwd=password, roles=roles)
                logs.write("updated user", user=name)

    def _add_member(self, admin: Client) -> bool:
        """Adds the first member that is missing; False if none is. One at a time, as MongoDB wants it."""
        config = admin.admin.command("replSetGetConfig")["config"]
        there = {member["host"] for member in config["members"]}
        missing = [member for member in self._config.members if member not in there]
        if not missing:
            return False
        number = max(member["_id"] for member in config["members"]) + 1
        config["members"].append({"_id": number, "host": missing[0]})
        config["version"] += 1
        admin.admin.command("replSetReconfig", config)
        logs.write("added member", member=missing[0])
        return True

    def _admin(self) -> Client:
        """A connection as `admin`, who is made first if there is no user at all: that is the localhost exception."""
        if not self._opens("admin", self._config.admin_password):
            try:
                self._anyone.admin.command("createUser", "admin", pwd=self._config.admin_password, roles=["root"])
            except OperationFailure as failure:
                if failure.code == UNAUTHORIZED:
                    raise Waiting("users exist, and MONGODB_ADMIN_PASSWORD does not open the database") from None
                raise
            logs.write("created user", user="admin")
        return self._connect(username="admin", password=self._config.admin_password)

    def _opens(self, name: str, password: str) -> bool:
        with self._connect(username=name, password=password) as client:
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


def _same(some: Roles, others: Roles) -> bool:
    return sorted((role["role"], role["db"]) for role in some) == sorted((role["role"], role["db"]) for role in others)


def main() -> None:
    """Runs until SIGTERM, which ends it at once: there is nothing that the next one would not do again."""
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    try:
        config = SidecarConfig.from_environment()
    except ConfigError as error:
        raise SystemExit(f"sidecar: {error}") from None
    Sidecar(config).run()

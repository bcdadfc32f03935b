"""Forms the replica set and its users: `python -m service.sidecar`, one beside each mongod.

A loop compares mongod's state with the wanted one, whatever it finds, and does the next step:

    no replica set      the first pod's sidecar initiates it, with itself as the only member
    removed             mongod did not find itself in its stored configuration (its name did not lead to it when it
                        started, or was another): the configuration is applied again, with the pod's own name
    primary             roles, users and passwords are made as they should be; a single member with another name is
                        renamed; members are added, given their vote and removed, one a turn (membership.py)
    any other state     nothing: the primary's sidecar acts

How many members are wanted is fixed, or read from the StatefulSet's scale (scale.py). While it cannot be read, no
member is changed. A set is never initiated where another member has one already. Of several sidecars that take
themselves for the primary's, MongoDB takes one's change: each names the version that it follows, and needs a majority.

The sidecar connects as the member itself, with the key file that the members share. A new mongod without users, and
one whose passwords all changed, are therefore no special cases.
"""

from __future__ import annotations

import functools
import os
import signal
import time
from typing import Any, NoReturn

import pymongo
from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError

from service import logs
from service.config import SidecarConfig
from service.sidecar import membership
from service.sidecar.figures import exposition
from service.sidecar.membership import MOST_MEMBERS, Reconfiguration, StepDown, Waiting
from service.sidecar.probes import ProbeServer, SidecarProbes
from service.sidecar.scale import Replicas, Scale, ScaleUnknown
from service.sidecar.users import ROLES_DATABASE, MissingSecret, Privilege, User, Users, privileges, read_users
from webserver.environment import ConfigError

Client = MongoClient[dict[str, Any]]

BUSY_SECONDS = 0.5  # between turns while something is left to do
IDLE_SECONDS = 3.0
TIMEOUT_MS = 1000  # to connect; mongod is in the same pod
SCRAPE_SECONDS = 2.5  # for a command of the metrics: three of them, within Prometheus' 10 s
ANSWER_MS = 10_000  # initiation and new users wait for the disk
COMMIT_MS = 8000  # for a majority to have a new configuration; below ANSWER_MS
CATCH_UP_SECONDS = 5  # for a successor to have the primary's last writes; below ANSWER_MS
STEPPED_DOWN_SECONDS = 30  # in which a member that is to go is not elected again

AUTHENTICATION_FAILED = 18
ALREADY_INITIALIZED = 23


class Sidecar:
    """The loop, and what it remembers between two turns."""

    def __init__(self, config: SidecarConfig) -> None:
        self._config = config
        self._tls: dict[str, Any] = {"tls": True, "tlsCAFile": str(config.ca_file)} if config.ca_file else {}
        self._anyone = self._connect()
        self._scale = Scale(config.scale_url) if config.scale_url else None
        self._settled: object = None  # the state in which nothing was left to do
        self._accounts: object = None  # the state in which roles and users were made
        self._wait = ""  # the reason that was logged last

    def run(self) -> NoReturn:
        """Reconcile without end. An obstacle is logged once and retried."""
        while True:
            try:
                settled = self.reconcile()
            except (Waiting, MissingSecret, ScaleUnknown) as reason:
                settled = self._waits(str(reason))
            except PyMongoError as error:
                settled = self._waits(f"{type(error).__name__}: {str(error).partition(',')[0]}")
            time.sleep(IDLE_SECONDS if settled else BUSY_SECONDS)

    def reconcile(self) -> bool:
        """Reconcile once. Return whether nothing is left to do."""
        users = read_users(self._config.users)
        hello = self._anyone.admin.command("hello")
        if "setName" not in hello:
            self._settled = self._accounts = None
            self._form()
            return False
        primary = hello["isWritablePrimary"]
        if primary:
            self._put_accounts(hello["topologyVersion"]["processId"], users)
        elif hello.get("primary") in (None, hello.get("me")):  # a new primary names itself before it takes writes
            raise Waiting("there is no primary that takes writes yet")
        state = (hello["topologyVersion"]["processId"], hello["setVersion"], primary, users)
        if primary and (self._scale or state != self._settled) and self._change_members(hello["me"]):
            return False
        if state != self._settled:
            self._settled, self._wait = state, ""
            logs.write("settled", primary=primary, members=len(hello["hosts"] + hello.get("passives", [])))
        return True

    def hello(self) -> dict[str, Any] | None:
        """Return mongod's answer to anyone; None if it does not answer."""
        try:
            return self._anyone.admin.command("hello")
        except PyMongoError:
            return None

    def ask(self, command: str) -> dict[str, Any] | None:
        """Return mongod's answer to a command, as the member itself; None if there is none within SCRAPE_SECONDS."""
        try:
            with pymongo.timeout(SCRAPE_SECONDS):
                return self._observer.admin.command(command)
        except (PyMongoError, OSError):  # without its key file yet, too
            return None

    def replicas(self) -> Replicas:
        """Return the wanted and the existing members. Raise ScaleUnknown."""
        if self._scale is None:
            return Replicas(len(self._config.members), 1)
        return self._scale.read()

    def _form(self) -> None:
        """Initiate the set on a mongod without data. With data, mongod was removed from its set: restore it."""
        if self._config.ordinal > 0:
            raise Waiting("the primary has not added this member yet")
        # The StatefulSet makes its other pods after this one was Ready, so that there is a set, reachable or not.
        if self.replicas().existing > 1 or self._exists_elsewhere():
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
                self._restore(member)
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

    def _restore(self, member: Client) -> None:
        """Apply the stored configuration again, with a name by which mongod finds itself.

        Its name in the set is a Service's, which leads to the pod only once the rules for that are in place. mongod
        looks for itself when it starts and when a host of its configuration changes, and otherwise never again. So it
        gets the pod's own name, which is in the pod's /etc/hosts, and as the primary its name in the set again.

        Only for a single member, by force, since nobody can disagree. Several members do this by their heartbeats.
        A single member that may have had others is not forced: its configuration may be an old one. mongod ends and is
        started again, and looks for itself then.
        """
        config = member.admin.command("replSetGetConfig")["config"]
        if len(config["members"]) != 1:
            raise Waiting("the other members have not taken this one back yet")
        if self._scale:
            logs.write("ended mongod", reason="it does not find itself in its configuration")
            member.admin.command("shutdown")
        was = config["members"][0]["host"]
        own = f"{self._config.hostname}:{self._config.port}"
        host = own if was != own else self._config.members[0]
        member.admin.command("replSetReconfig", _renamed(config, host), force=True)
        logs.write("restored", member=host, was=was)

    def _put_accounts(self, process: object, users: Users) -> None:
        """Make roles and users, once for each process that is primary and each change of the Secret."""
        if (state := (process, users)) != self._accounts:
            self._put_roles(self._own)
            self._put_users(self._own, users)
            self._accounts = state

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

    def _change_members(self, me: str) -> bool:
        """Make the next change of the members. Return False if nothing is to do. Raise Waiting."""
        answer = self._own.admin.command("replSetGetConfig", commitmentStatus=True)
        asked, most = self.replicas().wanted, len(self._config.members)
        config, wanted = answer["config"], self._config.members[:asked]
        if not answer["commitmentStatus"]:
            raise Waiting("a majority does not have the last configuration yet")
        hosts = [each["host"] for each in config["members"]]
        if len(hosts) == 1 and hosts[0] not in self._config.members:
            host = self._config.members[self._config.ordinal]
            self._reconfigure(Reconfiguration(_renamed(config, host), "renamed member", host))
            return True
        reachable = frozenset(each for each in wanted if each not in hosts and self._answers(each))
        status = self._own.admin.command("replSetGetStatus")
        change = membership.next_change(config, membership.states(status), wanted, me, reachable)
        if isinstance(change, Reconfiguration):
            self._reconfigure(change)
        elif isinstance(change, StepDown):
            logs.write("stepping down", member=me)
            self._own.admin.command(
                "replSetStepDown", STEPPED_DOWN_SECONDS, secondaryCatchUpPeriodSecs=CATCH_UP_SECONDS
            )
        elif asked > most:
            raise Waiting(
                f"{asked} members are wanted, and this set has {most} at most (REPLICAS, of MongoDB's {MOST_MEMBERS})"
            )
        return change is not None

    def _reconfigure(self, change: Reconfiguration) -> None:
        """Apply it, and wait until a majority has it. MongoDB refuses it if another change came first."""
        self._own.admin.command("replSetReconfig", change.config, maxTimeMS=COMMIT_MS)
        logs.write(change.what, member=change.member)

    def _answers(self, host: str) -> bool:
        """Return whether a missing member answers, and has no set yet or left this one before."""
        try:
            with self._connect(host) as other:
                return "setName" not in other.admin.command("hello")
        except PyMongoError:
            return False

    @functools.cached_property
    def _own(self) -> Client:
        """The connection to mongod as the member itself."""
        return self._member()

    @functools.cached_property
    def _observer(self) -> Client:
        """The same for the metrics, which must not wait for what the loop does."""
        return self._member()

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
            **self._tls,
            **credentials,
        )

    def _waits(self, reason: str) -> bool:
        if reason != self._wait:
            self._wait = reason
            logs.write("waiting", reason=reason)
        return False


def _renamed(config: dict[str, Any], host: str) -> dict[str, Any]:
    """Return the next version of a single member's configuration, with another name of the member."""
    (member,) = config["members"]
    return config | {"version": config["version"] + 1, "members": [member | {"host": host}]}


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
    sidecar = Sidecar(config)
    if config.probe_port:
        probes = SidecarProbes(sidecar.hello, sidecar.replicas, config.ordinal)
        ProbeServer(config.probe_port, probes, functools.partial(exposition, sidecar.ask)).start()
    sidecar.run()

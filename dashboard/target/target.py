"""What is under proof, as a file says it (docs/contract.md): a service, its contract, perhaps its database. Pure but
for `read`."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from msgspec import Struct

from dashboard.target import postgresql
from dashboard.target.contract import Contract, ContractError, convert, loaded
from dashboard.target.postgresql import PostgresTarget
from dashboard.target.validation import problems as contract_problems

_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?")
_SERVICE = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")


class ServiceTarget(Struct, frozen=True, forbid_unknown_fields=True):
    """The service in its namespace. `load` is the path and query that a load requests. Without an `autoscaler` there is
    no autoscale demo; with a `metrics_port`, the pods' /metrics there is shown."""

    url: str
    deployment: str
    load: str
    autoscaler: str = ""
    metrics_port: int = 0


class DatabaseTarget(Struct, frozen=True, forbid_unknown_fields=True):
    """The StatefulSet of one pod that holds the service's data: the container in it that is the database, and the
    directory in which it keeps them. Without `postgresql` the database itself is not read."""

    statefulset: str
    container: str
    data: str
    postgresql: PostgresTarget | None = None


class ProofTarget(Struct, frozen=True, forbid_unknown_fields=True):
    """Without a `contract` there is only the autoscale demo, and without a `database` no persistence demo."""

    service: ServiceTarget
    database: DatabaseTarget | None = None
    contract: Contract | None = None

    def secrets(self) -> set[str]:
        """Return the names of all secrets, of which each is a file."""
        given = self.database.postgresql if self.database else None
        database = postgresql.secret(given.password) if given else None
        return (self.contract.secrets() if self.contract else set()) | {*filter(None, [database])}


def read(path: str | Path) -> ProofTarget:
    """Return the target in a YAML or JSON file. Raise ContractError."""
    try:
        return parse(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ContractError(f"The target {path} cannot be read: {error}.") from error


def parse(text: str) -> ProofTarget:
    """Return the target. Raise ContractError with the first mistake."""
    target = convert(loaded(text), ProofTarget)
    for problem in _problems(target):
        raise ContractError(problem)
    return target


def _problems(target: ProofTarget) -> Iterator[str]:
    service, database = target.service, target.database
    names: dict[str, Any] = {
        "service.deployment": service.deployment,
        "service.autoscaler": service.autoscaler or "none",
    }
    if database:
        names |= {"database.statefulset": database.statefulset, "database.container": database.container}
        if not database.data.startswith("/"):
            yield f"database.data is the directory of its data, and begins with a slash: {database.data!r}."
        if not target.contract:
            yield "The database is given without a contract, by which documents are written: give both, or neither."
        if database.postgresql:
            yield from postgresql.problems(database.postgresql, target.contract)
    mounted = target.secrets()
    if both := sorted(name for name in mounted if any(each.startswith(f"{name}/") for each in mounted)):
        yield f"{{secret:{both[0]}}} would be a file, and the directory of {{secret:{both[0]}/…}}: rename the key."
    for place, name in names.items():
        if not _NAME.fullmatch(name) or len(name) > 253:
            yield f"{place} is no name of an object: {name!r}."
    if not _is_address(service.url):
        yield "service.url must be an address such as http://notes:8000, without a user and a query."
    if not service.load.startswith("/") or service.load.startswith("//") or not service.load.isprintable():
        yield f"service.load must be a path such as /notes?limit=20: {service.load!r}."
    if not 0 <= service.metrics_port <= 65535:
        yield f"service.metrics_port is no port: {service.metrics_port}."
    if target.contract:
        yield from (f"contract: {problem}" for problem in contract_problems(target.contract))


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        is_plain = not (parts.query or parts.fragment or parts.username or parts.password is not None)
        host = (parts.hostname or "").split(".")[0]
        # The host's first label is the Service's name, so it can be no address.
        return parts.scheme in ("http", "https") and parts.port != 0 and is_plain and bool(_SERVICE.fullmatch(host))
    except ValueError:
        return False

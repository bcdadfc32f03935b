"""Prints the manifests of a dashboard beside somebody else's application (docs/your-app.md).

    python -m dashboard.manifests --for target.yaml --namespace shop | kubectl apply -f -

They are this project's own, from k8s/base, with the names of the target: its Role may delete the database's pod, and
may change nothing else of the application. It runs in a checkout. Exit status: 0, or 2 if the target is not valid.
"""

import argparse
import json
import re
import secrets
import sys
from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from dashboard.target.contract import ContractError
from dashboard.target.target import ProofTarget, parse

BASE = Path(__file__).parents[1] / "k8s" / "base"
FILES = (
    "dashboard-serviceaccount.yaml", "dashboard-role.yaml", "dashboard-rolebinding.yaml", "dashboard-lease.yaml",
    "dashboard-runs-configmap.yaml", "dashboard-history-configmap.yaml", "dashboard-evidence-configmaps.yaml",
    "dashboard-networkpolicy.yaml", "dashboard-service.yaml", "dashboard-deployment.yaml",
)  # fmt: skip
FILE = "target.yaml"
NAME = "dashboard"  # what our own objects' names begin with
TARGET = "target"  # after the name: the ConfigMap with the file; and the Secret with what it names secrets, if it does
_NAMED = re.compile(rf"^{NAME}(?=[-.]|$)")
_VALID = re.compile("[a-z]([-a-z0-9]{0,38}[a-z0-9])?")  # a Service's name, with room for what is added to it
_NAMESPACE = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
TARGET_PATH, SECRETS_PATH = "/target", "/target-secrets"
TOKENS = ("operator-token", "viewer-token", "session-key")
OURS = ("MONGODB_", "DEPLOYMENT", "HPA", "STATEFULSET", "SERVICE_URL")  # settings that a target file takes the place of

Json = dict[str, Any]


def main(arguments: Sequence[str] | None = None) -> int:
    """Return the exit status."""
    options = _parse(arguments)
    if options.secret:
        print(json.dumps(secret(options.namespace, secrets.token_hex, options.name), indent=2))
        return 0
    try:
        text = Path(options.file).read_text(encoding="utf-8")
        target = parse(text)
    except (ContractError, OSError, UnicodeDecodeError) as error:
        print(f"{options.file}: {error}", file=sys.stderr)
        return 2
    if options.name in (taken := _taken(target)):
        what = f"the application's own {taken[options.name]}"
        print(f"--name {options.name} is {what}: give another one.", file=sys.stderr)
        return 2
    made = manifests(target, text, options.namespace, options.image, options.name)
    print(yaml.safe_dump_all(made, sort_keys=False), end="")
    return 0


def secret(namespace: str, token: Callable[[int], str], name: str = NAME) -> Json:
    """Return the Secret with new tokens. `kubectl create` makes it once, and refuses to replace it."""
    meta = {"name": f"{name}-auth", "namespace": namespace}
    values = {key: token(24) for key in TOKENS}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "stringData": values}


def manifests(target: ProofTarget, text: str, namespace: str, image: str, name: str = NAME) -> list[Json]:
    """Return the objects. `text` is the target's file; the objects' names begin with `name`."""
    edits: dict[str, Callable[[Json], object]] = {
        "Role": lambda role: _name(role, target),
        "Deployment": lambda deployment: _configure(deployment, target, text, image, name),
        "NetworkPolicy": lambda policy: _open(policy),
        "RoleBinding": lambda binding: _bind(binding, namespace),
    }
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"{name}-{TARGET}"}, "data": {FILE: text}}
    made = [*(_renamed(each, name) for each in _base()), config]
    for each in made:
        each["metadata"]["namespace"] = namespace
        if edit := edits.get(each["kind"]):
            edit(each)
    return made


def _taken(target: ProofTarget) -> dict[str, str]:
    """Return the application's names that an object of the dashboard may not have, with what they are."""
    database = target.database
    hosts = [target.service.url, database.postgresql.url if database and database.postgresql else ""]
    services = {(urlsplit(url).hostname or "").split(".")[0]: "Service" for url in hosts}
    members = {database.statefulset: "StatefulSet"} if database else {}  # whose Service mostly has its name
    return members | services | {target.service.deployment: "Deployment"}


def _base() -> Iterator[Json]:
    for name in FILES:
        yield from yaml.safe_load_all((BASE / name).read_text(encoding="utf-8"))


def _renamed(value: Any, name: str) -> Any:
    """Put `name` in the place of our own name, in all texts of a JSON value that begin with it."""
    if isinstance(value, dict):
        return {key: _renamed(each, name) for key, each in value.items()}
    if isinstance(value, list):
        return [_renamed(each, name) for each in value]
    return _NAMED.sub(name, value) if isinstance(value, str) else value


def _name(role: Json, target: ProofTarget) -> None:
    """Put the target's names into the Role, in the place of our own."""
    service = (urlsplit(target.service.url).hostname or "").split(".")[0]
    names = {"flask": service, "mongodb-0": f"{target.database.statefulset}-0" if target.database else None}
    for rule in role["rules"]:
        if named := rule.get("resourceNames"):
            rule["resourceNames"] = [found for each in named if (found := names.get(each, each))]
    role["rules"] = [rule for rule in role["rules"] if rule.get("resourceNames") != []]


def _bind(binding: Json, namespace: str) -> None:
    for subject in binding["subjects"]:
        subject["namespace"] = namespace  # which kustomize adds to our own


def _configure(deployment: Json, target: ProofTarget, text: str, image: str, name: str) -> None:
    """Give the dashboard the target's file instead of our own names. It reads the file at its start, so another one
    rolls it out."""
    spec = deployment["spec"]["template"]["spec"]
    deployment["spec"]["template"]["metadata"]["annotations"]["checksum/target"] = sha256(text.encode()).hexdigest()
    (container,) = spec["containers"]
    container["image"] = image
    mounts = {TARGET: TARGET_PATH}
    given = [{"name": "TARGET_FILE", "value": f"{TARGET_PATH}/{FILE}"}, {"name": "OBJECT_PREFIX", "value": name}]
    sources: dict[str, Json] = {TARGET: {"configMap": {"name": f"{name}-{TARGET}"}}}
    if names := sorted(target.secrets()):
        mounts[f"{TARGET}-secrets"] = SECRETS_PATH
        sources[f"{TARGET}-secrets"] = {"projected": {"sources": [_source(each, name) for each in names]}}
        given.append({"name": "TARGET_SECRETS", "value": SECRETS_PATH})
    container["env"] = [each for each in container["env"] if not each["name"].startswith(OURS)] + given
    container["volumeMounts"] += [{"name": key, "mountPath": path, "readOnly": True} for key, path in mounts.items()]
    spec["volumes"] += [{"name": key, **source} for key, source in sources.items()]


def _source(secret: str, name: str) -> Json:
    """Return the source of a secret's file: KEY is of the target's own Secret, NAME/KEY of another one."""
    other, _, key = secret.rpartition("/")
    return {"secret": {"name": other or f"{name}-{TARGET}", "items": [{"key": key, "path": secret}]}}


def _open(policy: Json) -> None:
    """Let the dashboard reach DNS, the API server, and every pod of its namespace: a target does not say its pods'
    labels and ports."""
    if policy["spec"]["policyTypes"] == ["Egress"]:
        api = next(each for each in policy["spec"]["egress"] if "to" not in each)
        dns = {"ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]}
        policy["spec"]["egress"] = [dns, api, {"to": [{"podSelector": {}}]}]


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m dashboard.manifests", description="Prints the manifests of a dashboard for an application."
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--for", dest="file", metavar="FILE", help="the target's file")
    what.add_argument("--secret", action="store_true", help="print the Secret with new tokens, for kubectl create")
    parser.add_argument("--namespace", type=_namespace, required=True, help="the application's namespace")
    parser.add_argument("--image", default="flask-mongodb-dashboard:0.1.0", help="the dashboard's image")
    parser.add_argument("--name", type=_valid, default=NAME, help="what its objects' names begin with")
    return parser.parse_args(arguments)


def _namespace(name: str) -> str:
    if not _NAMESPACE.fullmatch(name):
        raise argparse.ArgumentTypeError("a namespace has up to 63 small letters, digits and -, and - at neither end")
    return name


def _valid(name: str) -> str:
    if not _VALID.fullmatch(name):
        raise argparse.ArgumentTypeError("a name has up to 40 small letters, digits and -, and begins with a letter")
    return name


if __name__ == "__main__":
    sys.exit(main())

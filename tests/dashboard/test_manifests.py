"""The manifests of a dashboard beside somebody else's application."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from dashboard import manifests
from dashboard.manifests import BASE
from dashboard.target.target import parse
from tests.dashboard.target.test_target import DATABASE, SERVICE, TWO_ROUTES, WHOLE, whole

Json = dict[str, Any]


def made(**parts: Any) -> list[Json]:
    text = json.dumps(parts or WHOLE)
    return manifests.manifests(parse(text), text, "shop", "dashboard:1")


def of(objects: list[Json], kind: str) -> list[Json]:
    return [each for each in objects if each["kind"] == kind]


def texts(value: Any) -> Iterator[str]:
    """Yield all texts in a JSON value."""
    if isinstance(value, str):
        yield value
    for each in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from texts(each)


def test_all_objects_are_in_the_applications_namespace() -> None:
    assert {each["metadata"]["namespace"] for each in made()} == {"shop"}
    (binding,) = of(made(), "RoleBinding")
    assert binding["subjects"] == [{"kind": "ServiceAccount", "name": "dashboard", "namespace": "shop"}]


def test_nothing_names_our_own_application() -> None:
    names = {"flask", "mongodb", "mongodb-0", "flask-mongodb"}
    assert not names & {*texts(made())}
    assert not [text for text in texts(made()) if text.startswith("MONGODB_")]


def test_role_may_delete_the_databases_pod_and_change_nothing_else_of_the_application() -> None:
    (role,) = of(made(), "Role")
    changing = {"create", "update", "patch", "delete", "deletecollection"}
    rules = [rule for rule in role["rules"] if changing & {*rule["verbs"]}]
    assert [(rule["resources"], rule.get("resourceNames")) for rule in rules if "delete" in rule["verbs"]] == [
        (["pods"], ["notes-db-0"])
    ]
    others = {name for rule in rules for name in rule.get("resourceNames", ())} - {"notes-db-0"}
    assert all(name.startswith("dashboard-") for name in others)
    assert [rule["resources"] for rule in rules if "resourceNames" not in rule] == [["events"]]


def test_without_a_database_no_pod_may_be_deleted() -> None:
    (role,) = of(made(service=SERVICE), "Role")
    assert not [rule for rule in role["rules"] if "delete" in rule["verbs"]]


def test_rights_are_those_of_our_own_role_under_other_names() -> None:
    (role,) = of(made(), "Role")
    own = yaml.safe_load((BASE / "dashboard-role.yaml").read_text())
    names = {"notes": "flask", "notes-db-0": "mongodb-0"}
    for rule in role["rules"]:
        if "resourceNames" in rule:
            rule["resourceNames"] = [names.get(each, each) for each in rule["resourceNames"]]
    assert role["rules"] == own["rules"]


def test_deployment_reads_the_target_and_its_secrets() -> None:
    contract = {**TWO_ROUTES, "headers": {"Authorization": "Bearer {secret:token}"}}
    objects = made(service=SERVICE, database=DATABASE, contract=contract)
    (deployment,) = of(objects, "Deployment")
    spec = deployment["spec"]["template"]["spec"]
    environ = {each["name"]: each.get("value") for each in spec["containers"][0]["env"]}
    assert (environ["TARGET_FILE"], environ["TARGET_SECRETS"]) == ("/target/target.yaml", "/target-secrets")
    assert not {"DEPLOYMENT", "HPA", "STATEFULSET", "SERVICE_URL", "MONGODB_URI"} & environ.keys()
    mounts = {each["name"]: each["mountPath"] for each in spec["containers"][0]["volumeMounts"]}
    assert {each["name"] for each in spec["volumes"]} == mounts.keys()
    config = next(each for each in of(objects, "ConfigMap") if each["metadata"]["name"] == "dashboard-target")
    assert parse(config["data"]["target.yaml"]) == parse(json.dumps(
        {"service": SERVICE, "database": DATABASE, "contract": contract}
    ))  # fmt: skip
    (plain,) = of(made(), "Deployment")
    assert "TARGET_SECRETS" not in {each["name"] for each in plain["spec"]["template"]["spec"]["containers"][0]["env"]}


def test_another_name_makes_a_dashboard_that_shares_no_object_with_the_first() -> None:
    text = json.dumps(WHOLE)
    first, second = (
        manifests.manifests(parse(text), text, "shop", "image:1", name) for name in ("dashboard", "another")
    )
    objects = [{(each["kind"], each["metadata"]["name"]) for each in made} for made in (first, second)]
    assert len(objects[0]) == len(objects[1]) and not objects[0] & objects[1]
    assert not [each for each in texts(second) if each.startswith("dashboard")]
    assert json.loads(json.dumps(second).replace("another", "dashboard")) == first
    (deployment,) = of(second, "Deployment")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert {"name": "OBJECT_PREFIX", "value": "another"} in container["env"]


def secrets_of(deployment: Json) -> list[tuple[str, str, str]]:
    """Return (Secret, key, file) of each secret of the target that is mounted."""
    volumes = {each["name"]: each for each in deployment["spec"]["template"]["spec"]["volumes"]}
    sources = [each["secret"] for each in volumes["target-secrets"]["projected"]["sources"]]
    return [(each["name"], item["key"], item["path"]) for each in sources for item in each["items"]]


def test_only_the_keys_that_the_file_names_are_mounted_of_the_applications_own_secrets() -> None:
    contract = {**TWO_ROUTES, "headers": {"Authorization": "Bearer {secret:token}", "X-Key": "{secret:notes-api/key}"}}
    text = json.dumps({"service": SERVICE, "database": DATABASE, "contract": contract})
    (deployment,) = of(manifests.manifests(parse(text), text, "shop", "image:1", "another"), "Deployment")
    assert secrets_of(deployment) == [("notes-api", "key", "notes-api/key"), ("another-target", "token", "token")]


def test_databases_password_is_mounted_and_its_port_is_reached() -> None:
    text = json.dumps(whole())
    objects = manifests.manifests(parse(text), text, "shop", "dashboard:1")
    (deployment,) = of(objects, "Deployment")
    assert secrets_of(deployment) == [("dashboard-target", "database", "database")]
    (egress,) = [each["spec"] for each in of(objects, "NetworkPolicy") if each["spec"]["policyTypes"] == ["Egress"]]
    assert {"to": [{"podSelector": {}}]} in egress["egress"]  # to each port, whatever it is called


class TestCommand:
    def test_output_is_yaml_that_kubectl_takes(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        file = tmp_path / "target.yaml"
        file.write_text(json.dumps(WHOLE))
        assert manifests.main(["--for", str(file), "--namespace", "shop", "--image", "dashboard:1"]) == 0
        printed = [*yaml.safe_load_all(capsys.readouterr().out)]
        assert printed == made()

    @pytest.mark.parametrize("text", ["", "{}", json.dumps({**WHOLE, "contract": None})])
    def test_invalid_target_is_status_2(self, text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        file = tmp_path / "target.yaml"
        file.write_text(text)
        assert manifests.main(["--for", str(file), "--namespace", "shop"]) == 2
        printed = capsys.readouterr()
        assert str(file) in printed.err and not printed.out

    def test_secret_has_new_tokens_each_time(self, capsys: pytest.CaptureFixture[str]) -> None:
        found = []
        for _ in range(2):
            assert manifests.main(["--secret", "--namespace", "shop"]) == 0
            found.append(json.loads(capsys.readouterr().out)["stringData"])
        values = {value for each in found for value in each.values()}
        assert len(values) == 6 and {len(value) for value in values} == {48}

    @pytest.mark.parametrize("name", ["notes", "notes-db"])
    def test_name_of_the_applications_own_is_refused(
        self, name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Applied, it would replace the application's Service or Deployment."""
        file = tmp_path / "target.yaml"
        file.write_text(json.dumps(whole()))
        assert manifests.main(["--for", str(file), "--namespace", "shop", "--name", name]) == 2
        printed = capsys.readouterr()
        assert f"--name {name} is the application's own" in printed.err and not printed.out

    def test_secret_and_objects_take_a_name(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert manifests.main(["--secret", "--namespace", "shop", "--name", "another"]) == 0
        assert json.loads(capsys.readouterr().out)["metadata"]["name"] == "another-auth"

    @pytest.mark.parametrize("namespace", ["", "My NS", "-a", "a-", "a.b", "a" * 64])
    def test_invalid_namespace_is_refused(self, namespace: str) -> None:
        with pytest.raises(SystemExit):
            manifests.main(["--secret", f"--namespace={namespace}"])

    @pytest.mark.parametrize("name", ["", "Notes", "-notes", "notes-", "1notes", "n" * 41, "notes.d"])
    def test_invalid_name_is_refused(self, name: str) -> None:
        with pytest.raises(SystemExit):
            manifests.main(["--secret", "--namespace", "shop", "--name", name])

"""The file that names another application, and the dashboard that is made for it."""

import json
from pathlib import Path
from typing import Any

import pytest

from dashboard.app import create_app
from dashboard.config import read
from dashboard.core.errors import NotFound
from dashboard.kube.pods.control import PodIdentity
from dashboard.runs.demos.registry import offered_for
from dashboard.runs.workload.postgres_reader import PostgresReader
from dashboard.runs.workload.unread_database import UnreadDatabase
from dashboard.target.contract import ContractError
from dashboard.target.target import parse
from dashboard.web.health import HubCollector
from tests.dashboard.test_config import VALID
from webserver.environment import ConfigError

SERVICE = {"url": "http://notes:8000", "deployment": "notes", "load": "/notes", "autoscaler": "notes"}
DATABASE = {"statefulset": "notes-db", "container": "postgres", "data": "/var/lib/postgresql"}
TWO_ROUTES = {
    "write": {"path": "/notes/{id}", "body": {"text": "{payload}"}},
    "read": {"path": "/notes/{id}", "payload": "/text"},
}
WHOLE: dict[str, Any] = {"service": SERVICE, "database": DATABASE, "contract": TWO_ROUTES}
POSTGRESQL = {
    "url": "postgresql://reader@notes-db:5432/notes",
    "password": "{secret:database}",
    "table": "notes",
    "id": "id",
    "payload": "text",
    "run": "run",
}
WITH_RUN: dict[str, Any] = {
    **TWO_ROUTES,
    "write": {"path": "/notes/{id}", "body": {"text": "{payload}", "run": "{run}"}},
}


def whole(contract: Any = WITH_RUN, **changes: Any) -> dict[str, Any]:
    """Return a target whose database is read, with changes of how."""
    return {"service": SERVICE, "database": {**DATABASE, "postgresql": {**POSTGRESQL, **changes}}, "contract": contract}


@pytest.mark.parametrize(
    ("left_out", "demos"),
    [((), ["persistence", "autoscale"]), (("database",), ["autoscale"]), (("database", "contract"), ["autoscale"])],
)
def test_demos_are_those_that_the_target_has_parts_for(left_out: tuple[str, ...], demos: list[str]) -> None:
    target = parse(json.dumps({name: part for name, part in WHOLE.items() if name not in left_out}))
    assert [*offered_for(target)] == demos


def test_demos_by_hand_are_in_the_targets_words() -> None:
    target = parse(json.dumps({**WHOLE, "service": {**SERVICE, "load": "/notes?filter={}"}}))
    names = {"namespace": "shop", "deployment": "notes", "database": "notes-db-0", "service": target.service.url}
    persistence, autoscale = (demo.to_json(names) for demo in offered_for(target).values())
    assert persistence["by_hand"]["command"] == "kubectl -n shop delete pod notes-db-0"
    assert "201" not in persistence["by_hand"]["watch"] and "arrives" not in persistence["by_hand"]["watch"]
    assert autoscale["by_hand"]["command"].endswith(" 'http://notes:8000/notes?filter={}'")
    assert persistence["options"] == [
        {"name": "mode", "choices": [("graceful", "delete the pod")], "default": "graceful"}
    ]


def test_without_an_autoscaler_there_is_no_autoscale_demo() -> None:
    target = parse(json.dumps({**WHOLE, "service": {**SERVICE, "autoscaler": ""}}))
    assert [*offered_for(target)] == ["persistence"]


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"service": None}, "service"),
        ({"service": {**SERVICE, "deployment": "Notes"}}, "service.deployment"),
        ({"service": {**SERVICE, "autoscaler": "notes/x"}}, "service.autoscaler"),
        ({"service": {**SERVICE, "url": "notes:8000"}}, "service.url"),
        ({"service": {**SERVICE, "url": "http://notes:0"}}, "service.url"),
        ({"service": {**SERVICE, "url": "http://user:password@notes:8000"}}, "service.url"),
        ({"service": {**SERVICE, "url": "http://10.0.0.7:8000"}}, "service.url"),
        ({"service": {**SERVICE, "url": "http://*:8000"}}, "service.url"),
        ({"service": {**SERVICE, "load": "notes"}}, "service.load"),
        ({"service": {**SERVICE, "metrics_port": 70000}}, "service.metrics_port"),
        ({"service": {**SERVICE, "colour": "blue"}}, "colour"),
        ({"database": {**DATABASE, "statefulset": ""}}, "database.statefulset"),
        ({"database": {**DATABASE, "data": "data"}}, "database.data"),
        ({"contract": None}, "contract"),
        (
            {"contract": {**TWO_ROUTES, "headers": {"X-A": "{secret:notes-db}", "X-B": "{secret:notes-db/key}"}}},
            "{secret:notes-db}",
        ),
        ({"contract": {**TWO_ROUTES, "read": {"path": "/notes", "payload": "/text"}}}, "contract: read"),
    ],
)
def test_mistake_is_named_with_its_place(changes: dict[str, Any], place: str) -> None:
    with pytest.raises(ContractError) as caught:
        parse(json.dumps({**WHOLE, **changes}))
    assert place in str(caught.value) and "user:password" not in str(caught.value)


class FakePods:
    """Implements the part of `runs.ports.Pods` that is used here."""

    def __init__(self, found: PodIdentity | None) -> None:
        self.found = found

    def pod(self, name: str) -> PodIdentity:
        if self.found is None:
            raise NotFound("There is no such pod.")
        return self.found


@pytest.mark.parametrize(
    ("found", "process"),
    [
        (PodIdentity("notes-db-0", "u", "c", "n", True), "c"),
        (PodIdentity("notes-db-0", "u", "c", "n", False), None),
        (PodIdentity("notes-db-0", "u", None, "n", True), None),
        (None, None),
    ],
)
def test_database_without_an_adapter_is_there_while_its_pod_is_ready(
    found: PodIdentity | None, process: str | None
) -> None:
    database = UnreadDatabase(FakePods(found), "notes-db-0")  # type: ignore[arg-type]
    primary = database.primary()
    assert (primary and primary.process) == process and not database.reads


class TestApp:
    @pytest.fixture
    def environ(self, tmp_path: Path) -> dict[str, str]:
        kubeconfig = tmp_path / "kubeconfig"
        kubeconfig.write_text(
            "{apiVersion: v1, kind: Config, current-context: c, contexts: [{name: c, context: {cluster: c, user: u}}],"
            " clusters: [{name: c, cluster: {server: 'https://127.0.0.1:1'}}], users: [{name: u, user: {}}]}"
        )
        file = tmp_path / "target.yaml"
        file.write_text(json.dumps(WHOLE))
        without = {name: value for name, value in VALID.items() if name != "MONGODB_URI"}
        return {**without, "TARGET_FILE": str(file), "KUBECONFIG": str(kubeconfig)}

    def test_names_are_the_targets_and_mongodb_is_no_source(self, environ: dict[str, str]) -> None:
        app = create_app(read(environ))
        config = app.config["DASHBOARD"]
        assert (config.deployment, config.autoscaler, config.statefulset) == ("notes", "notes", "notes-db")
        assert (config.service, config.service_url) == ("notes", "http://notes:8000")
        assert not {"mongo", "traffic"} & app.extensions["hub"].sources().keys()
        assert [*app.extensions["manager"].demos] == ["persistence", "autoscale"]

    def test_service_alone_is_enough(self, environ: dict[str, str]) -> None:
        Path(environ["TARGET_FILE"]).write_text(json.dumps({"service": SERVICE}))
        app = create_app(read(environ))
        config = app.config["DASHBOARD"]
        assert (config.deployment, config.autoscaler, config.statefulset) == ("notes", "notes", "")
        assert [*app.extensions["manager"].demos] == ["autoscale"]
        assert app.extensions["hub"].view()["statefulset"] is None

    @pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
    def test_documents_of_another_application_are_neither_read_nor_written_by_the_api(
        self, environ: dict[str, str], method: str
    ) -> None:
        client = create_app(read(environ)).test_client()
        answer = client.open(
            "/api/documents", method=method, headers={"Authorization": f"Bearer {VALID['OPERATOR_TOKEN']}"}, json={}
        )
        assert answer.status_code == 404

    def test_login_names_the_secret_with_the_tokens(self, environ: dict[str, str]) -> None:
        page = create_app(read({**environ, "OBJECT_PREFIX": "prover"})).test_client().get("/login").text
        assert "prover-auth" in page and "make login" not in page

    def test_metrics_have_no_database_that_nobody_asks(self, environ: dict[str, str]) -> None:
        app = create_app(read(environ))
        assert "dashboard_mongodb_up" not in {each.name for each in HubCollector(app.extensions["hub"]).collect()}

    @pytest.mark.parametrize(
        ("settings", "reader", "note"),
        [
            ({}, PostgresReader, "the table notes (database.postgresql in the target's file), at notes-db:5432"),
            ({"TARGET_URL": "http://127.0.0.1:8000"}, UnreadDatabase, "--database must say"),
            (
                {"TARGET_URL": "http://127.0.0.1:8000", "TARGET_DATABASE": "127.0.0.1:6000"},
                PostgresReader,
                "at 127.0.0.1:6000",
            ),
        ],
    )
    def test_database_is_read_where_it_is_reached(
        self, settings: dict[str, str], reader: type, note: str, environ: dict[str, str], tmp_path: Path
    ) -> None:
        (tmp_path / "database").write_text("t0p-s3cret\n")
        Path(environ["TARGET_FILE"]).write_text(json.dumps(whole()))
        app = create_app(read({**environ, **settings, "TARGET_SECRETS": str(tmp_path)}))
        found = app.extensions["manager"]._tools.reader
        assert type(found) is reader and note in found.note and "t0p-s3cret" not in found.note

    def test_database_that_cannot_be_read_as_it_is_asked_for_is_a_config_error(self, environ: dict[str, str]) -> None:
        with pytest.raises(ConfigError, match=r"TARGET_DATABASE.*database\.postgresql"):
            create_app(read({**environ, "TARGET_DATABASE": "127.0.0.1:6000"}))
        Path(environ["TARGET_FILE"]).write_text(json.dumps(whole()))
        with pytest.raises(ConfigError, match="The secret database is missing"):
            create_app(read(environ))

    def test_password_is_not_needed_where_the_database_is_not_read(self, environ: dict[str, str]) -> None:
        Path(environ["TARGET_FILE"]).write_text(json.dumps(whole()))
        create_app(read({**environ, "TARGET_URL": "http://127.0.0.1:8000"}))

    def test_invalid_file_and_missing_secret_are_config_errors(self, environ: dict[str, str], tmp_path: Path) -> None:
        for text in ("{}", json.dumps({**WHOLE, "contract": {**TWO_ROUTES, "headers": {"X": "{secret:token}"}}})):
            Path(environ["TARGET_FILE"]).write_text(text)
            with pytest.raises(ConfigError, match="TARGET_FILE"):
                create_app(read(environ))
        (tmp_path / "token").write_text("t")
        create_app(read({**environ, "TARGET_SECRETS": str(tmp_path)}))

"""The OpenAPI contract: it is valid, it describes the code, and the running service conforms to it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from service import config, document, errors, filter
from service.app import create_app
from service.config import ServiceConfig
from service.routes import documents, openapi
from service.routes import request_body as body
from service.store.collection import MARK
from tests.service.process import ROOT, ServiceProcess

CONTRACT = openapi.contract("1.2.3")
CONDITIONS = {"If-Match", "If-None-Match"}
METHODS = {"GET", "HEAD", "POST", "PUT", "DELETE"}
EXAMPLES = {"short": 30, "long": 250}  # per operation; an operation without parameters gets one


@pytest.fixture(scope="module")
def unconnected() -> Iterator[Flask]:
    """The application without MongoDB."""
    made = create_app(ServiceConfig("mongodb://127.0.0.1:1/"))
    yield made
    made.extensions["service"].store.close()


def test_contract_is_valid_openapi() -> None:
    import schemathesis  # takes a second, which other tests need not wait

    schemathesis.openapi.from_dict(CONTRACT).validate()


def test_invalid_contract_is_found() -> None:
    import schemathesis

    invalid = {**CONTRACT, "paths": {"/data": {"get": {"responses": "none"}}}}
    with pytest.raises(Exception, match="none"):
        schemathesis.openapi.from_dict(invalid).validate()


def test_contract_has_exactly_the_routes_and_methods_of_the_application(unconnected: Flask) -> None:
    routes = {
        (re.sub(r"<(\w+)>", r"{\1}", rule.rule), method): rule.endpoint
        for rule in unconnected.url_map.iter_rules()
        for method in (rule.methods or set()) - {"OPTIONS"}
    }
    documented = {
        (path, method.upper()): operation.get("operationId")
        for path, operations in CONTRACT["paths"].items()
        for method, operation in operations.items()
        if method != "parameters"
    }
    assert set(documented) == set(routes)
    assert {each: name for each, name in documented.items() if each[1] != "HEAD"} == {
        each: name for each, name in routes.items() if each[1] != "HEAD"
    }
    assert {method for _, method in documented} == METHODS


def test_contract_has_all_query_parameters_and_filter_operators(unconnected: Flask) -> None:
    for path, operations in CONTRACT["paths"].items():
        for method, operation in operations.items():
            if method != "parameters":
                parameters = {each["name"] for each in operation.get("parameters", [])}
                is_list = path in ("/data", "/proofs") and method in ("get", "head")
                expected = set(documents.QUERY) if is_list else CONDITIONS if path.endswith("{id}") else set()
                assert parameters == expected
    schemas = openapi.SCHEMAS
    assert set(schemas["Operators"]["properties"]) == filter.FIELD_OPERATORS
    assert set(schemas["Filter"]["properties"]) == filter.JOINING
    assert schemas["Proof"]["properties"][MARK] is False


def test_contract_states_every_limit() -> None:
    text = json.dumps(CONTRACT)
    for limit in (
        *(body.LIMIT, document.MAX_DEPTH, document.MAX_NAMES),
        *(config.REQUEST_LINE_LIMIT, config.HEADERS_LIMIT, config.HEADER_SIZE_LIMIT),
        *(filter.MAX_BYTES, filter.MAX_ESCAPED_BYTES, filter.MAX_CONDITIONS, filter.MAX_DEPTH),
    ):
        assert f" {limit:,} " in text
    bounds = {"type": "integer", "minimum": 1, "maximum": documents.MAX_LIMIT, "default": documents.DEFAULT_LIMIT}
    assert openapi.PAGING[0]["schema"] == bounds
    assert openapi.SCHEMAS["Document"]["maxProperties"] == document.MAX_NAMES


def test_every_error_response_is_a_problem() -> None:
    for operation in _operations():
        for status, response in operation["responses"].items():
            if "$ref" in response:
                response = CONTRACT["components"]["responses"][response["$ref"].rpartition("/")[2]]
            if int(status) >= 400 and not operation["summary"].startswith("GET's"):
                assert list(response["content"]) == ["application/problem+json"]
    statuses = {int(status) for operation in _operations() for status in operation["responses"]}
    assert {int(each) for each in errors._STORE_STATUS.values()} <= statuses
    assert {each for each in statuses if each >= 400} == set(openapi.PROBLEMS)


def test_service_serves_the_contract(client: FlaskClient) -> None:
    response = client.get("/openapi.json")
    assert (response.status_code, response.content_type) == (200, "application/json")
    assert response.get_json() == CONTRACT


def test_service_conforms(served: ServiceProcess, tmp_path: Path) -> None:
    assert _fuzz(served, tmp_path, "--max-examples", f"{EXAMPLES['short']}", "--seed", "1") > 1000


@pytest.mark.soak
@pytest.mark.parametrize("round", range(2))  # each with random cases of its own
@pytest.mark.parametrize("collection", ["data", "proofs"])
def test_service_conforms_in_ten_thousand_cases(
    served: ServiceProcess, tmp_path: Path, collection: str, round: int
) -> None:
    options = ["--max-examples", f"{EXAMPLES['long']}", "--include-path-regex", f"^/{collection}"]
    assert _fuzz(served, tmp_path, *options) > 2500


def _operations() -> list[dict[str, Any]]:
    found = CONTRACT["paths"].values()
    return [each for operations in found for method, each in operations.items() if method != "parameters"]


def _fuzz(served: ServiceProcess, directory: Path, *options: str) -> int:
    """Run all of schemathesis' checks against the service. Return the number of cases, all of which passed."""
    command = [str(Path(sys.executable).with_name("schemathesis"))]
    command += ["--config-file", str(ROOT / "tests/service/schemathesis.toml"), "--no-color"]
    command += ["run", f"{served.url}/openapi.json", "--checks", "all", *options]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    ended = subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    done = re.search(r"(\d+) generated, (\d+) passed", ended.stdout)
    assert done and done[1] == done[2], ended.stdout
    print(done[0])
    return int(done[1])

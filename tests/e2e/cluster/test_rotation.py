"""Rotation of all passwords, keys and tokens while documents are written."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.cluster.test_rolling import FixedRateWriters
from tests.e2e.deployment import Deployment
from tools.deploy import secrets

pytestmark = pytest.mark.cluster

FILES = [secrets.MANIFESTS / path for path in (*secrets.RANDOM, secrets.KEY_FILE)]


@pytest.fixture
def former(deployment: Deployment) -> Iterator[dict[Path, str]]:
    """The contents of the secrets' files. A second rotation restores them, since other deployments use them."""
    before = {path: path.read_text() for path in FILES}
    yield before
    if {path: path.read_text() for path in FILES} != before:
        users = secrets.MANIFESTS / secrets.USERS
        now = dict(line.split("=", 1) for line in users.read_text().splitlines())
        for path, text in before.items():
            path.write_text(text)
        users.write_text(before[users] + "".join(f"{secrets.PREVIOUS}{key}={now[key]}\n" for key in secrets.PAIRS))
        done = deployment.deploy("rotate")  # the previous users are in the file: it continues a rotation
        assert done.returncode == 0, done.stdout
        assert {path: path.read_text() for path in FILES} == before


def test_rotation_fails_no_request_and_revokes_all_former_credentials(
    deployment: Deployment, former: dict[Path, str]
) -> None:
    authorization = deployment.authorization
    session = sign_in(deployment)
    assert status(deployment, session) == 200
    with FixedRateWriters(f"{deployment.service}/proofs") as writers:
        writers.wait_for()
        done = deployment.deploy("rotate")
        assert done.returncode == 0, done.stdout
        writers.wait_for()
    print(f"{len(writers.responses):,} writes, {writers.rate:.0f} a second")
    assert not writers.failures
    assert Counter(response for response, _ in writers.responses) == {201: len(writers.responses)}
    assert [status(deployment, headers) for headers in (authorization, session)] == [401, 401]
    assert status(deployment, deployment.authorization) == 200
    assert not [path for path, text in former.items() if path.read_text() == text]


def sign_in(deployment: Deployment) -> dict[str, str]:
    """Return the headers of a new session."""
    token = {"token": secrets.operator_token()}
    response = deployment.http.request("POST", f"{deployment.dashboard}/login", json=token)
    assert response.status == 204
    return {"Cookie": response.headers["Set-Cookie"].partition(";")[0]}


def status(deployment: Deployment, headers: dict[str, str]) -> int:
    return deployment.http.request("GET", f"{deployment.dashboard}/api/state", headers=headers, retries=3).status

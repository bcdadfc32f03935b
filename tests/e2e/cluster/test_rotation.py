"""Rotation of all passwords, keys and tokens while documents are written."""

from collections import Counter

import pytest

from tests.e2e.cluster.test_rolling import FixedRateWriters
from tests.e2e.deployment import Deployment
from tools.deploy import secrets

pytestmark = pytest.mark.cluster

FILES = (*secrets.RANDOM, secrets.KEY_FILE)


def test_rotation_fails_no_request_and_revokes_all_former_credentials(deployment: Deployment) -> None:
    former = {path: path.read_text() for path in (deployment.manifests / each for each in FILES)}
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
    token = {"token": deployment.operator_token}
    response = deployment.http.request("POST", f"{deployment.dashboard}/login", json=token)
    assert response.status == 204
    return {"Cookie": response.headers["Set-Cookie"].partition(";")[0]}


def status(deployment: Deployment, headers: dict[str, str]) -> int:
    return deployment.http.request("GET", f"{deployment.dashboard}/api/state", headers=headers, retries=3).status

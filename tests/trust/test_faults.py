"""The defects of the service: a defect that breaks nothing would make its state healthy."""

from collections import Counter
from pathlib import Path

import pytest
import requests

from tests.service.process import ServiceProcess
from tests.trust.faults import service
from tools.local.mongod import Mongod

REQUESTS = 100


@pytest.mark.parametrize(
    ("program", "statuses", "stored"),
    [
        (service.ANSWERS_500, {500: REQUESTS}, 0),
        (service.LEAKS_ERRORS, {201: REQUESTS - 2, 500: 2}, REQUESTS - 2),
        (service.DROPS_INSERTS, {201: REQUESTS}, REQUESTS - 2),
    ],
)
def test_defect_breaks_what_it_says(
    program: str, statuses: dict[int, int], stored: int, mongod: Mongod, tmp_path: Path
) -> None:
    with ServiceProcess(tmp_path, mongod.uri, program, MONGODB_DATABASE=tmp_path.name[:60]) as defective:
        defective.wait_ready()
        found = Counter(
            requests.post(f"{defective.url}/data", json={}, timeout=30).status_code for _ in range(REQUESTS)
        )
        assert found == statuses
        answer = requests.get(f"{defective.url}/data?limit=1000", timeout=30)
    assert program == service.ANSWERS_500 or len(answer.json()) == stored

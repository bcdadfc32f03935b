"""A sample of the cases of `make trust`: verdicts on healthy and on broken deployments."""

import pytest

from tests.e2e.deployment import Deployment
from tests.trust.case import AUTOSCALE, BROKEN, HEALTHY, PERSISTENCE, Case
from tests.trust.cases import CASES
from tests.trust.runner import measure
from tests.trust.site import Site

pytestmark = [pytest.mark.cluster, pytest.mark.soak]

SAMPLE = [
    (PERSISTENCE, HEALTHY, "right after a roll-out"),
    (PERSISTENCE, HEALTHY, "crash, 100 writes a second go on"),
    (PERSISTENCE, BROKEN, "documents are deleted during the run"),
    (PERSISTENCE, BROKEN, "a wrong crash token, crash"),
    (AUTOSCALE, HEALTHY, "right after a persistence run"),
    (AUTOSCALE, HEALTHY, "requests of 50m"),
    (AUTOSCALE, BROKEN, "a quota forbids new pods"),
    (AUTOSCALE, BROKEN, "the Service misses new pods"),
]


@pytest.fixture(scope="module")
def site(deployment: Deployment) -> Site:
    made = Site(deployment)
    made.make()
    return made


def case(demo: str, kind: str, name: str) -> Case:
    (found,) = (each for each in CASES if (each.demo, each.kind, each.name) == (demo, kind, name))
    return found


@pytest.mark.parametrize(("demo", "kind", "name"), SAMPLE)
def test_verdict_is_the_expected_one(site: Site, demo: str, kind: str, name: str) -> None:
    result = measure(site, case(demo, kind, name))
    assert result.ok, result

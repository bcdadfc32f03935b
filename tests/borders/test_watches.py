"""Objects of the Kubernetes API: lines of watches, lists, and pod metrics, from their bytes to the page."""

import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dashboard.core import events
from dashboard.core.timestamps import seconds
from dashboard.kube.client import KubeError
from dashboard.sources import watches
from dashboard.sources.watches import Poller, Reflector
from tests.borders.cluster import OBJECTS, RULES, SAMPLE, metadata, opening, pod
from tests.borders.page import AT, Page
from tests.borders.poison import cut, edited, spoiled

OPENING = opening()
TYPES = st.sampled_from(["ADDED", "MODIFIED", "MODIFIED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR", "RENAMED"])
OBJECT = {kind: spoiled(written) for kind, written in OBJECTS.items()}
LINE = {
    kind: cut(st.builds(lambda type_, text: f'{{"type":"{type_}","object":{text}}}', TYPES, OBJECT[kind]))
    for kind in OBJECTS
}
ODD_EVENT = OBJECTS["events"] | {"metadata": metadata("odd")}
STREAMS = st.sampled_from(list(OBJECTS)).flatmap(
    lambda kind: st.tuples(st.just(kind), st.lists(OBJECT[kind], max_size=2), st.lists(LINE[kind], max_size=3))
)


class Api:
    """An API server that answers a list and a watch once."""

    def __init__(self, listed: bytes, lines: list[bytes]) -> None:
        self._listed = listed
        self._lines = lines

    def get(self, path: str, **query: Any) -> bytes:
        return self._listed

    def lines(self, path: str, silence: float, **query: Any) -> Iterator[bytes]:
        yield from self._lines


@pytest.fixture(autouse=True, scope="module")
def at_noon() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(watches, "now", lambda: AT)
        yield


def page_of(items: list[str]) -> bytes:
    return f'{{"metadata":{{"resourceVersion":"100"}},"items":[{",".join(items)}]}}'.encode()


def watch(page: Page, kind: str, listed: list[str], lines: list[bytes]) -> None:
    """List and watch, as the reflector's thread does."""
    reflector = Reflector(kind, Api(page_of(listed), lines), "/", page.take, threading.Event())
    error = reflector._round()
    assert error is None or isinstance(error, KubeError), repr(error)
    if error:
        reflector._health.fail(error)


def listed(kind: str, path: str, new: Any) -> tuple[str, list[str], list[bytes]]:
    return kind, [edited(OBJECTS[kind], path, new)], []


def line(kind: str, text: str, type_: str = "MODIFIED") -> tuple[str, list[str], list[bytes]]:
    return kind, [], [f'{{"type":"{type_}","object":{text}}}'.encode("latin-1")]


@pytest.mark.slow
@given(STREAMS)
@example(listed("pods", "spec.containers.0.resources.requests.cpu", "1 Gi"))
@example(listed("pods", "status.conditions.0.lastTransitionTime", "0000-01-01T00:00:00Z"))
@example(listed("pods", "metadata.creationTimestamp", "yesterday"))
@example(listed("pods", "status.reason", "x" * 500_000))
@example(line("pods", edited(OBJECTS["pods"], "metadata.resourceVersion", "9" * 5_000)))
@example(line("pods", '{"metadata":{"name":"\xff","uid":"u"}}'))
@example(listed("deployments", "spec.replicas", 10**40))
@example(listed("deployments", "status.conditions.0.message", "x" * 500_000))
@example(listed("persistentvolumeclaims", "status.capacity.storage", "1gi"))
@example(listed("horizontalpodautoscalers", "status.lastScaleTime", "0000-01-01T00:00:00Z"))
@example(listed("horizontalpodautoscalers", "status.currentMetrics.0.resource.current.averageValue", "-1 m"))
@example(listed("horizontalpodautoscalers", "spec.maxReplicas", 2**64))
@example(listed("horizontalpodautoscalers", "spec.behavior.scaleUp.policies", RULES["policies"] * 2_000))
@example(listed("horizontalpodautoscalers", "status.conditions.0.message", "x" * 500_000))
@example(("events", [edited(ODD_EVENT, "series.lastObservedTime", "0001-01-01T00:00:00+23:59")], []))
def test_spoiled_object_is_one_spoiled_object(stream: tuple[str, list[str], list[bytes]]) -> None:
    kind, listed, lines = stream
    page = Page(*OPENING)
    watch(page, kind, [*listed, json.dumps(OBJECTS[kind] | {"metadata": metadata("new")})], lines)
    page.check()
    if kind == "pods":
        assert "uid-new" in [each["uid"] for each in page.state["pods"]]
    else:
        watch(page, "pods", [json.dumps(pod("flask-1", restarts=7))], [])
        assert [each["restarts"] for each in page.state["pods"]] == [8]
    page.take(OPENING[-1])
    watch(page, kind, [json.dumps(OBJECTS[kind])], [])
    assert page.state["sources"][kind]["state"] == "live" and page.state["sources"][kind]["error"] is None
    page.check()


@pytest.mark.slow
@given(cut(st.lists(spoiled(SAMPLE), max_size=3).map(lambda items: page_of(items).decode())))
@example(page_of([edited(SAMPLE, "timestamp", "9999-12-31T23:59:59Z")]))
@example(page_of([edited(SAMPLE, "timestamp", "0000-01-01T00:00:00Z")]))
@example(page_of([edited(SAMPLE, "timestamp", "2026-11-24T12:00:00.123456789Z")]))
@example(page_of([edited(SAMPLE, "timestamp", "2026-11-24T12:04:00Z")]))
@example(page_of([edited(SAMPLE, "window", "1..5s")]))
@example(page_of([edited(SAMPLE, "containers.0.usage.cpu", "NaN")]))
@example(page_of([edited(SAMPLE, "containers.0.usage.memory", "9007199254740993")]))
def test_spoiled_sample_is_one_spoiled_sample(answer: bytes) -> None:
    page = Page(*OPENING)
    poller = Poller(Api(answer, []), "/", page.take, threading.Event())
    error = poller._round()
    assert error is None or isinstance(error, KubeError), repr(error)
    page.check()
    page.take(events.SourceStatus(at=AT, source="metrics", state="live"))
    later = "2026-11-24T12:04:30Z"  # than each that is taken: a clock may be 5 minutes ahead
    poller.api = Api(page_of([edited(SAMPLE, "timestamp", later)]), [])
    assert poller._round() is None
    assert page.state["sources"]["metrics"]["error"] is None
    assert [each["cpu_millicores"] for each in page.state["pods"]] == [133, None]
    assert page.hub._builder.history.since(0.0)["tables"]["cpu"]["at"][-1] == seconds(later)
    page.check()

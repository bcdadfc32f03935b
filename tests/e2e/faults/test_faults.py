"""The state and the page during faults, and the time until they are correct again. `make soak` has the longer cases."""

import contextlib
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from dashboard.sources.watches import SOURCES
from tests.browser import frozen, wait_until_idle
from tests.e2e.deployment import Deployment, wait_until
from tests.e2e.faults.injection import PAGE_PORT, POLL_SECONDS, PROBE_PORT, Faults

pytestmark = pytest.mark.cluster

RecordDuration = Callable[[str, float, float], None]

WATCHED = tuple(name for name in SOURCES if name != "metrics")
METRICS = ("metrics",)
ALL_SOURCES = (*SOURCES, "mongo", "traffic")
LIVE_SECONDS = 180.0  # until all sources are live at first
STALE_SECONDS = 90.0  # the limit until no source is live
RECOVERY_SECONDS = 3.0  # promised time from a fault's end until its sources are live
METRICS_RECOVERY_SECONDS = 45.0  # the same for metrics-server, which measures each 15 s
SHORT, LONG = 12.0, 60.0  # durations of faults in seconds

# The elements beyond the window's right edge, except those that an ancestor clips or scrolls. There should be none.
OVERFLOWING = """
() => {
  const clipped = (one) => one && one !== document.body
    && (getComputedStyle(one).overflowX !== "visible" || clipped(one.parentElement));
  return document.documentElement.scrollWidth <= innerWidth ? [] :
    [...document.querySelectorAll("body *")]
      .filter((one) => one.getBoundingClientRect().right > innerWidth && !clipped(one.parentElement))
      .map((one) => `${one.closest("section")?.id} ${one.tagName}.${one.className} ${one.textContent.slice(0, 20)}`);
}
"""

short_and_long = pytest.mark.parametrize(
    "seconds", [pytest.param(SHORT, id="short"), pytest.param(LONG, id="long", marks=pytest.mark.soak)]
)


@pytest.fixture
def faults(deployment: Deployment) -> Faults:
    wait_until(lambda: all_live(deployment, ALL_SOURCES), LIVE_SECONDS)
    return Faults(deployment)


def states(deployment: Deployment) -> dict[str, str]:
    with contextlib.suppress(Exception):  # the page's port may be cut, too
        return {name: source["state"] for name, source in deployment.state()["sources"].items()}
    return {}


def all_live(deployment: Deployment, names: tuple[str, ...]) -> bool:
    found = states(deployment)
    return all(found.get(name) == "live" for name in names)


def none_live(deployment: Deployment, names: tuple[str, ...]) -> bool:
    found = states(deployment)
    return bool(found) and not any(found[name] == "live" for name in names)


@contextlib.contextmanager
def applied(
    deployment: Deployment,
    faults: Faults,
    record_duration: RecordDuration,
    fault_name: str,
    fault: contextlib.AbstractContextManager[None],
    seconds: float,
    broken: tuple[str, ...],
    promised: float,
) -> Iterator[None]:
    """Apply a fault for `seconds`. The broken sources must have a time and an error, the others must stay live, and the
    API server must get at most about one request a second of each kind.
    """
    began, before = time.monotonic(), faults.requests()
    started_at = deployment.state()["as_of"]
    with fault:
        wait_until_stale(deployment, record_duration, fault_name, broken, promised)
        state = deployment.state()
        for name in broken:
            source = state["sources"][name]
            assert source["since"] >= started_at and source["error"], source
        assert state["pods"], "the last known values are lost"
        yield
        time.sleep(max(0.0, began + seconds - time.monotonic()))
        lasted, after = time.monotonic() - began, faults.requests()
        for kind in after:
            assert after[kind] - before.get(kind, 0) <= lasted + 3, f"{kind}: too many requests"
        others = tuple(set(ALL_SOURCES) - set(broken))  # one of them may miss an answer now and then
        wait_until(lambda: all_live(deployment, others), 15)


def record_slowest(
    deployment: Deployment,
    record_duration: RecordDuration,
    fault_name: str,
    names: tuple[str, ...],
    promised: float,
    *,
    live: bool,
) -> None:
    """Wait until all sources are live, or until none is. Record how long the slowest took."""
    began, found = time.monotonic(), dict[str, float]()

    def all_changed() -> bool:
        for name, state in states(deployment).items():
            if name in names and (state == "live") == live:
                found.setdefault(name, time.monotonic() - began)
        return len(found) == len(names)

    wait_until(all_changed, 5 * promised, POLL_SECONDS)
    last = max(found, key=lambda name: found[name])
    record_duration(
        f"{fault_name}: {last}" + (f", the last of {len(names)}" if len(names) > 1 else ""), found[last], promised
    )


def wait_until_stale(
    deployment: Deployment, record_duration: RecordDuration, fault_name: str, names: tuple[str, ...], promised: float
) -> None:
    record_slowest(deployment, record_duration, f"{fault_name}, noticed", names, promised, live=False)


def wait_until_live(
    deployment: Deployment, record_duration: RecordDuration, fault_name: str, names: tuple[str, ...], promised: float
) -> None:
    record_slowest(deployment, record_duration, f"{fault_name}, back", names, promised, live=True)


def assert_no_ghosts(deployment: Deployment) -> None:
    """The pods on the page are the cluster's."""

    def same() -> bool:
        shown = {pod["uid"] for pod in deployment.state()["pods"]}
        return shown == {pod["metadata"]["uid"] for pod in deployment.get("pods")["items"]}

    wait_until(same, 30)


@short_and_long
def test_network_is_cut(
    seconds: float, deployment: Deployment, faults: Faults, record_duration: RecordDuration
) -> None:
    (name, *_) = flask_pods(deployment)
    fault_name = f"network cut for {seconds:.0f} s"
    cut = faults.network_cut(PAGE_PORT, PROBE_PORT)
    with applied(deployment, faults, record_duration, fault_name, cut, seconds, ALL_SOURCES, 10):
        deployment.kubectl("delete", "pod", name, "--wait=false")  # the dashboard cannot see it
    wait_until_live(deployment, record_duration, fault_name, (*WATCHED, "mongo", "traffic"), RECOVERY_SECONDS)
    assert_no_ghosts(deployment)
    wait_until_live(deployment, record_duration, fault_name, METRICS, METRICS_RECOVERY_SECONDS)


@short_and_long
def test_api_server_is_paused(
    seconds: float, deployment: Deployment, faults: Faults, record_duration: RecordDuration
) -> None:
    fault_name = f"API server stopped for {seconds:.0f} s"
    with faults.paused("kube-apiserver"):
        end = time.monotonic() + seconds
        wait_until_stale(deployment, record_duration, fault_name, WATCHED, 10)
        time.sleep(max(0.0, end - time.monotonic()))
    wait_until_live(deployment, record_duration, fault_name, WATCHED, RECOVERY_SECONDS)
    assert_no_ghosts(deployment)


@pytest.mark.parametrize("times", [1, pytest.param(3, marks=pytest.mark.soak)])
def test_api_server_is_restarted(
    times: int, deployment: Deployment, faults: Faults, record_duration: RecordDuration
) -> None:
    before = deployment.state()
    for _ in range(times):
        started_at = deployment.state()["as_of"]
        with faults.api_server_killed():
            wait_until_stale(deployment, record_duration, "API server restarted", WATCHED, 3)
            state = deployment.state()["sources"]["pods"]
            is_live_again = state["state"] == "live"
            assert is_live_again or (state["since"] >= started_at and "can't be reached" in state["error"])
        wait_until_live(deployment, record_duration, "API server restarted", WATCHED, RECOVERY_SECONDS)
        assert_no_ghosts(deployment)
    assert {pod["uid"] for pod in deployment.state()["pods"]} == {pod["uid"] for pod in before["pods"]}


@short_and_long
def test_metrics_server_is_unreachable(
    seconds: float, deployment: Deployment, faults: Faults, record_duration: RecordDuration
) -> None:
    fault_name = f"metrics-server gone for {seconds:.0f} s"
    with applied(
        deployment, faults, record_duration, fault_name, faults.metrics_server_unreachable(), seconds, METRICS, 6
    ):
        pass
    wait_until_live(deployment, record_duration, fault_name, METRICS, METRICS_RECOVERY_SECONDS)


@short_and_long
def test_metrics_server_is_paused(
    seconds: float, deployment: Deployment, faults: Faults, record_duration: RecordDuration
) -> None:
    fault_name = f"metrics-server stopped for {seconds:.0f} s"
    stopped = faults.paused("metrics-server")
    with applied(deployment, faults, record_duration, fault_name, stopped, seconds, METRICS, 20):
        pass
    wait_until_live(deployment, record_duration, fault_name, METRICS, METRICS_RECOVERY_SECONDS)


@short_and_long
def test_database_is_scaled_to_zero(
    seconds: float, deployment: Deployment, faults: Faults, record_duration: RecordDuration
) -> None:
    count = deployment.state()["mongo"]["count"]
    fault_name = f"MongoDB gone for {seconds:.0f} s"
    with applied(
        deployment, faults, record_duration, fault_name, faults.database_scaled_to_zero(), seconds, ("mongo",), 5
    ):
        state = deployment.state()["mongo"]
        assert (state["state"], state["count"]) == ("down", count), "the last known values are lost"
    wait_until_live(deployment, record_duration, fault_name, ("mongo",), RECOVERY_SECONDS)
    state = deployment.state()["mongo"]
    assert state["state"] == "up" and state["count"] >= count


@pytest.mark.soak
def test_role_is_revoked_and_restored(deployment: Deployment, faults: Faults, record_duration: RecordDuration) -> None:
    fault_name = "watch of pods answered 403"
    role = faults.role_without("pods")
    with applied(deployment, faults, record_duration, fault_name, role, LONG, ("pods", "metrics"), 40):
        state = deployment.state()["sources"]["pods"]
        assert state["state"] == "forbidden" and 'cannot watch resource "pods"' in state["error"]
    wait_until_live(deployment, record_duration, fault_name, WATCHED, RECOVERY_SECONDS)
    assert_no_ghosts(deployment)


def test_database_is_back_though_its_service_led_to_it_after_its_start(deployment: Deployment, faults: Faults) -> None:
    def log() -> str:
        return deployment.kubectl("logs", "mongodb-0", "--container", "sidecar", check=False)

    with faults.paused("kube-proxy"):
        deployment.kubectl("delete", "pod", "mongodb-0")
        deployment.kubectl("wait", "--for=create", "pod/mongodb-0", "--timeout=60s")
        wait_until(lambda: '"restored"' in log(), 90)
    wait_until(lambda: '"renamed member"' in log(), 60)
    deployment.kubectl("wait", "--for=condition=Ready", "pod/mongodb-0", "--timeout=60s")
    stored = deployment.http.request("POST", f"{deployment.service}/proofs", json={}, timeout=60)
    assert stored.status == 201


@short_and_long
@pytest.mark.browser
def test_page_loses_its_connection(
    seconds: float, browser: Browser, deployment: Deployment, faults: Faults, record_duration: RecordDuration
) -> None:
    fault_name = f"page cut off for {seconds:.0f} s"
    page = browser.new_page()  # not the fixture's: the lost connection makes errors in its console
    page.goto(deployment.login_link)
    expect(page.locator('[data-connection="live"]')).to_be_visible()
    with faults.network_cut(PROBE_PORT):
        began = time.monotonic()
        expect(page.locator("[data-connection]")).not_to_have_attribute("data-connection", "live")
        record_duration(f"{fault_name}, noticed", time.monotonic() - began, 5)
        expect(page.locator("#banner")).to_contain_text("how it stood")
        page.wait_for_timeout(max(0.0, seconds - (time.monotonic() - began)) * 1000)
    restored = time.monotonic()
    expect(page.locator('[data-connection="live"]')).to_be_visible()
    record_duration(f"{fault_name}, back", time.monotonic() - restored, RECOVERY_SECONDS)
    page.close()


@pytest.mark.browser
def test_page_names_stale_sources_and_their_age(page: Page, deployment: Deployment, faults: Faults) -> None:
    with faults.network_cut(PAGE_PORT, PROBE_PORT):
        wait_until(lambda: none_live(deployment, ALL_SOURCES), STALE_SECONDS)
        source = page.locator('[data-source="pods"]')
        expect(source).to_contain_text("stale")
        expect(source.locator(".source-age")).to_contain_text("since ")
        expect(source.locator(".source-error")).to_contain_text("the API server can't be reached")
        for panel in ("deployment", "documents"):
            expect(page.locator(f"#{panel} .panel-mark")).to_contain_text("since ")
        expect(page.locator("[data-connection]")).to_have_attribute("data-connection", "live")
        page.reload()  # a new page shows the same
        expect(page.locator('[data-source="pods"]')).to_contain_text("stale")
    expect(page.locator('[data-source="pods"]')).to_contain_text("live")
    expect(page.locator("#deployment .panel-mark")).to_have_count(0)


@pytest.mark.browser
@pytest.mark.parametrize("width", [1440, 360])
def test_hostile_text_is_escaped_and_does_not_overflow_the_page(page: Page, deployment: Deployment, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    title = page.title()
    markup = "<img src=x onerror=document.title='owned'><script>document.title='owned'</script>"
    nested: Any = markup
    for _ in range(90):
        nested = {"in": nested}
    documents = [{"note": markup, markup: 1}, {"long": "x" * 200_000}, {"deep": nested}, {"word": "w" * 3_000}]
    posted = [
        deployment.http.request("POST", f"{deployment.service}/data", json=document).json()["id"]
        for document in documents
    ]
    name = pod_that_never_runs(deployment)
    try:
        expect(page.locator(f'[data-pod="{name}"]')).to_be_visible()
        for id_ in posted:
            expect(page.locator(f'[data-document="{id_}"]')).to_be_visible()
        expect(page.locator(f'[data-document="{posted[0]}"]')).to_contain_text("<script>")
        wait_until_idle(page)
        with frozen(page):
            assert "\n".join(page.evaluate(OVERFLOWING)) == ""
        expect(page.locator("#main img[src=x], #main script")).to_have_count(0)
        assert page.title().split(" · ")[-1] == title.split(" · ")[-1]
    finally:
        deployment.kubectl("delete", "pod", name, "--wait=false")
    expect(page.locator(f'[data-pod="{name}"]')).to_have_count(0)


def pod_that_never_runs(deployment: Deployment) -> str:
    """Create a pod that no node accepts, and return its name of 253 characters."""
    name = "n" * 253
    security = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}, "runAsNonRoot": True}
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app.kubernetes.io/name": "flask-not"}},
        "spec": {
            "nodeSelector": {"no": "such-node"},
            "automountServiceAccountToken": False,
            "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [{"name": "c", "image": "localhost/none:1", "securityContext": security}],
        },
    }
    path = deployment.directory / "long-name.json"
    path.write_text(json.dumps(pod))
    deployment.kubectl("apply", "--filename", str(path))
    return name


def flask_pods(deployment: Deployment) -> list[str]:
    pods = deployment.get("pods", "--selector", "app.kubernetes.io/name=flask")["items"]
    return sorted(pod["metadata"]["name"] for pod in pods if "deletionTimestamp" not in pod["metadata"])

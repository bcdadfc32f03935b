"""What the page says while something is broken, and how soon it is right again. The longer cases are `make soak`."""

import contextlib
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from dashboard.sources.watches import SOURCES
from tests.browser import held_still, settle
from tests.e2e.deployment import Deployment
from tests.e2e.faults import PAGE_PORT, PROBE_PORT, Faults, until

pytestmark = pytest.mark.cluster

Measured = Callable[[str, float, float], None]

WATCHED = tuple(name for name in SOURCES if name != "metrics")
METRICS = ("metrics",)
EVERYTHING = (*SOURCES, "mongo", "traffic")
SETTLED = 180.0  # seconds until all sources are live at first
NOTICED = 90.0  # seconds, generously
BACK = 3.0  # seconds from the cause's end to the page being right, as promised
CPU_BACK = 45.0  # the same for what metrics-server measures, each 15 s
SHORT, LONG = 12.0, 60.0  # seconds that a fault lasts

# The elements that make the page wider than the window: none is. What a scroller or a frame clips does not.
STICKING_OUT = """
() => {
  const clipped = (one) => one && one !== document.body
    && (getComputedStyle(one).overflowX !== "visible" || clipped(one.parentElement));
  return document.documentElement.scrollWidth <= innerWidth ? [] :
    [...document.querySelectorAll("body *")]
      .filter((one) => one.getBoundingClientRect().right > innerWidth && !clipped(one.parentElement))
      .map((one) => `${one.closest("section")?.id} ${one.tagName}.${one.className} ${one.textContent.slice(0, 20)}`);
}
"""

lasting = pytest.mark.parametrize(
    "seconds", [pytest.param(SHORT, id="short"), pytest.param(LONG, id="long", marks=pytest.mark.soak)]
)


@pytest.fixture
def faults(deployment: Deployment) -> Faults:
    until(lambda: all_live(deployment, EVERYTHING), SETTLED)
    return Faults(deployment)


def states(deployment: Deployment) -> dict[str, str]:
    with contextlib.suppress(Exception):  # the page's own port may be what is cut
        return {name: source["state"] for name, source in deployment.state()["sources"].items()}
    return {}


def all_live(deployment: Deployment, names: tuple[str, ...]) -> bool:
    found = states(deployment)
    return all(found.get(name) == "live" for name in names)


def none_live(deployment: Deployment, names: tuple[str, ...]) -> bool:
    found = states(deployment)
    return bool(found) and not any(found[name] == "live" for name in names)


@contextlib.contextmanager
def observed(
    deployment: Deployment,
    faults: Faults,
    measured: Measured,
    what: str,
    fault: contextlib.AbstractContextManager[None],
    seconds: float,
    broken: tuple[str, ...],
    promised: float,
) -> Iterator[None]:
    """In the fault: the broken sources say so, since when and why, the others stay live, and nobody is hammered."""
    began, before = time.monotonic(), faults.requests()
    moment = deployment.state()["as_of"]
    with fault:
        noticed(deployment, measured, what, broken, promised)
        told = deployment.state()
        for name in broken:
            source = told["sources"][name]
            assert source["since"] >= moment and source["error"], source
        assert told["pods"], "what was known stays"
        yield
        time.sleep(max(0.0, began + seconds - time.monotonic()))
        lasted, after = time.monotonic() - began, faults.requests()
        for kind in after:
            assert after[kind] - before.get(kind, 0) <= lasted + 3, f"{kind} is hammered"
        for name in set(EVERYTHING) - set(broken):
            assert states(deployment)[name] == "live", name


def slowest(
    deployment: Deployment, measured: Measured, what: str, names: tuple[str, ...], promised: float, *, live: bool
) -> None:
    """Waits until each is live, or is not, and notes how long the slowest took."""
    began, found = time.monotonic(), dict[str, float]()

    def all_so() -> bool:
        for name, state in states(deployment).items():
            if name in names and (state == "live") == live:
                found.setdefault(name, time.monotonic() - began)
        return len(found) == len(names)

    until(all_so, 5 * promised)
    last = max(found, key=lambda name: found[name])
    measured(f"{what}: {last}" + (f", the last of {len(names)}" if len(names) > 1 else ""), found[last], promised)


def noticed(deployment: Deployment, measured: Measured, what: str, names: tuple[str, ...], promised: float) -> None:
    slowest(deployment, measured, f"{what}, noticed", names, promised, live=False)


def recovered(deployment: Deployment, measured: Measured, what: str, names: tuple[str, ...], promised: float) -> None:
    slowest(deployment, measured, f"{what}, back", names, promised, live=True)


def assert_no_ghosts(deployment: Deployment) -> None:
    """The pods on the page are the cluster's."""

    def same() -> bool:
        shown = {pod["uid"] for pod in deployment.state()["pods"]}
        return shown == {pod["metadata"]["uid"] for pod in deployment.get("pods")["items"]}

    until(same, 30)


@lasting
def test_network_is_cut(seconds: float, deployment: Deployment, faults: Faults, measured: Measured) -> None:
    (name, *_) = flask_pods(deployment)
    what = f"network cut for {seconds:.0f} s"
    cut = faults.network_cut(PAGE_PORT, PROBE_PORT)
    with observed(deployment, faults, measured, what, cut, seconds, EVERYTHING, 10):
        deployment.kubectl("delete", "pod", name, "--wait=false")  # unseen
    recovered(deployment, measured, what, (*WATCHED, "mongo", "traffic"), BACK)
    assert_no_ghosts(deployment)
    recovered(deployment, measured, what, METRICS, CPU_BACK)


@lasting
def test_api_server_stands_still(
    seconds: float, deployment: Deployment, faults: Faults, measured: Measured
) -> None:
    what = f"API server stopped for {seconds:.0f} s"
    with faults.standing_still("kube-apiserver"):
        end = time.monotonic() + seconds
        noticed(deployment, measured, what, WATCHED, 10)
        time.sleep(max(0.0, end - time.monotonic()))
    recovered(deployment, measured, what, WATCHED, BACK)
    assert_no_ghosts(deployment)


@pytest.mark.parametrize("times", [1, pytest.param(3, marks=pytest.mark.soak)])
def test_api_server_is_restarted(times: int, deployment: Deployment, faults: Faults, measured: Measured) -> None:
    before = deployment.state()
    for _ in range(times):
        moment = deployment.state()["as_of"]
        with faults.api_server_killed():
            noticed(deployment, measured, "API server restarted", WATCHED, 3)
            told = deployment.state()["sources"]["pods"]
            assert told["since"] >= moment and "can't be reached" in told["error"]
        recovered(deployment, measured, "API server restarted", WATCHED, BACK)
        assert_no_ghosts(deployment)
    assert {pod["uid"] for pod in deployment.state()["pods"]} == {pod["uid"] for pod in before["pods"]}


@lasting
def test_metrics_server_is_gone(seconds: float, deployment: Deployment, faults: Faults, measured: Measured) -> None:
    what = f"metrics-server gone for {seconds:.0f} s"
    with observed(deployment, faults, measured, what, faults.metrics_server_gone(), seconds, METRICS, 6):
        pass
    recovered(deployment, measured, what, METRICS, CPU_BACK)


@lasting
def test_metrics_server_stands_still(
    seconds: float, deployment: Deployment, faults: Faults, measured: Measured
) -> None:
    what = f"metrics-server stopped for {seconds:.0f} s"
    stopped = faults.standing_still("metrics-server")
    with observed(deployment, faults, measured, what, stopped, seconds, METRICS, 20):
        pass
    recovered(deployment, measured, what, METRICS, CPU_BACK)


@lasting
def test_database_is_gone(seconds: float, deployment: Deployment, faults: Faults, measured: Measured) -> None:
    count = deployment.state()["mongo"]["count"]
    what = f"MongoDB gone for {seconds:.0f} s"
    with observed(deployment, faults, measured, what, faults.database_gone(), seconds, ("mongo",), 5):
        told = deployment.state()["mongo"]
        assert (told["state"], told["count"]) == ("down", count), "what was known stays"
    recovered(deployment, measured, what, ("mongo",), BACK)
    told = deployment.state()["mongo"]
    assert told["state"] == "up" and told["count"] >= count


@pytest.mark.soak
def test_role_is_taken_away_and_given_back(deployment: Deployment, faults: Faults, measured: Measured) -> None:
    what = "watch of pods answered 403"
    role = faults.role_without("pods")
    with observed(deployment, faults, measured, what, role, LONG, ("pods", "metrics"), 40):
        told = deployment.state()["sources"]["pods"]
        assert told["state"] == "forbidden" and 'cannot watch resource "pods"' in told["error"]
    recovered(deployment, measured, what, WATCHED, BACK)
    assert_no_ghosts(deployment)


@lasting
@pytest.mark.browser
def test_page_itself_is_cut_off(
    seconds: float, browser: Browser, deployment: Deployment, faults: Faults, measured: Measured
) -> None:
    what = f"page cut off for {seconds:.0f} s"
    page = browser.new_page()  # not the fixture's: its console will tell of the network
    page.goto(deployment.login_link)
    expect(page.locator('[data-connection="live"]')).to_be_visible()
    with faults.network_cut(PROBE_PORT):
        began = time.monotonic()
        expect(page.locator("[data-connection]")).not_to_have_attribute("data-connection", "live")
        measured(f"{what}, noticed", time.monotonic() - began, 5)
        expect(page.locator("#banner")).to_contain_text("how it stood")
        page.wait_for_timeout(max(0.0, seconds - (time.monotonic() - began)) * 1000)
    mended = time.monotonic()
    expect(page.locator('[data-connection="live"]')).to_be_visible()
    measured(f"{what}, back", time.monotonic() - mended, BACK)
    page.close()


@pytest.mark.browser
def test_page_names_stale_sources_and_their_age(page: Page, deployment: Deployment, faults: Faults) -> None:
    with faults.network_cut(PAGE_PORT, PROBE_PORT):
        until(lambda: none_live(deployment, EVERYTHING), NOTICED)
        source = page.locator('[data-source="pods"]')
        expect(source).to_contain_text("stale")
        expect(source.locator(".source-age")).to_contain_text("since ")
        expect(source.locator(".source-error")).to_contain_text("the API server can't be reached")
        for panel in ("deployment", "documents"):
            expect(page.locator(f"#{panel} .panel-mark")).to_contain_text("since ")
        expect(page.locator("[data-connection]")).to_have_attribute("data-connection", "live")
        page.reload()  # whoever comes now is told the same
        expect(page.locator('[data-source="pods"]')).to_contain_text("stale")
    expect(page.locator('[data-source="pods"]')).to_contain_text("live")
    expect(page.locator("#deployment .panel-mark")).to_have_count(0)


@pytest.mark.browser
@pytest.mark.parametrize("width", [1440, 360])
def test_hostile_text_stays_text_and_inside_the_page(page: Page, deployment: Deployment, width: int) -> None:
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
        settle(page)
        with held_still(page):
            assert "\n".join(page.evaluate(STICKING_OUT)) == ""
        expect(page.locator("#main img[src=x], #main script")).to_have_count(0)
        assert page.title().split(" · ")[-1] == title.split(" · ")[-1]
    finally:
        deployment.kubectl("delete", "pod", name, "--wait=false")
    expect(page.locator(f'[data-pod="{name}"]')).to_have_count(0)


def pod_that_never_runs(deployment: Deployment) -> str:
    """A name of 253 characters, and no node that would take it."""
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

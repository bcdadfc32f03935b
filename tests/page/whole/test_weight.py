"""The transferred bytes of a first visit."""

from typing import Any

import pytest
from playwright.sync_api import Browser

from tests.page.mock import TOKENS, MockProcess

pytestmark = pytest.mark.browser

MOST_BYTES = 150_000  # the document, styles, scripts and pictures


def test_first_visit_is_below_150_kb(browser: Browser, mock: MockProcess) -> None:
    context = browser.new_context()
    context.request.post(f"{mock.url}/login", data={"token": TOKENS["viewer"]})
    page = context.new_page()
    session = context.new_cdp_session(page)
    session.send("Network.enable")
    paths: dict[str, str] = {}
    weights: dict[str, int] = {}

    def on_request(event: dict[str, Any]) -> None:
        paths[event["requestId"]] = event["request"]["url"].removeprefix(mock.url)

    def on_data(event: dict[str, Any]) -> None:
        path = paths.get(event["requestId"], "")
        if not path.startswith(("/api/", "/socket.io/")):  # these depend on the deployment
            weights[path] = weights.get(path, 0) + int(event["encodedDataLength"])

    session.on("Network.requestWillBeSent", on_request)
    session.on("Network.dataReceived", on_data)  # compressed, as transferred
    page.goto(mock.url)
    page.wait_for_selector("[data-pod]")
    context.close()
    assert "/" in weights and len(weights) > 20
    assert sum(weights.values()) < MOST_BYTES, dict(sorted(weights.items(), key=lambda item: -item[1])[:10])

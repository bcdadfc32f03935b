"""Bodies that are sent to /login, before anybody is known."""

import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st

from dashboard.app import create_app
from dashboard.config import DashboardConfig
from dashboard.web.auth import ADDRESSES, FAILURES
from tests.borders.page import FAILURES as LOGGED
from tests.dashboard.stubs import OPERATOR, SESSION_KEY, VIEWER

TYPES = st.sampled_from([
    "application/json", "application/problem+json", "application/x-www-form-urlencoded", "multipart/form-data",
    "multipart/form-data; boundary=x", "text/plain", "", "application/json; charset=\xff", "x" * 300,
])  # fmt: skip
BODIES = st.sampled_from([
    b"", b"{}", b"[]", b"null", b"7", b'"x"', b'{"token":7}', b'{"token":null}', b'{"token":{"token":"x"}}',
    b'{"token":"\\ud800"}', b'{"token":"\xff"}', b'{"token":"' + b"x" * 600 + b'"}', b'{"token":' + b"[" * 2000,
    b"x" * 70_000, b"token=x", b"token=%ff%00", b"token=" + b"x" * 600, b"token=1&token=2", "token=\u0661".encode(),
    b"&".join(b"a%d=1" % number for number in range(2000)), b"--x\r\n" * 500,
    b'--x\r\nContent-Disposition: form-data; name="token"\r\n\r\nx\r\n--x--',
    b'--x\r\nContent-Disposition: form-data; name="token"; filename="f"\r\n\r\nx\r\n--x--',
    f'{{"token":"{VIEWER}","token":"x"}}'.encode(),
]) | st.binary(max_size=30)  # fmt: skip
ADDRESSES_OF = st.sampled_from(["10.0.0.1", "10.0.0.2", "::1", ""])


@pytest.fixture(scope="module")
def app() -> Flask:
    return create_app(DashboardConfig(OPERATOR, VIEWER, SESSION_KEY, source="mock"))


@given(type_=TYPES, body=BODIES, address=ADDRESSES_OF)
def test_no_body_signs_in_without_a_token(app: Flask, type_: str, body: bytes, address: str) -> None:
    LOGGED.records.clear()
    client = app.test_client(use_cookies=False)
    answer = client.post("/login", data=body, content_type=type_, environ_overrides={"REMOTE_ADDR": address})
    LOGGED.check()
    assert answer.status_code in (400, 401, 413, 429)
    assert "Set-Cookie" not in answer.headers
    failures = app.extensions["auth"]._limit._failures
    assert len(failures) <= ADDRESSES and all(len(each) <= FAILURES for each in failures.values())


def test_token_still_signs_in(app: Flask) -> None:
    answer = app.test_client().post("/login", json={"token": VIEWER}, environ_overrides={"REMOTE_ADDR": "10.0.0.1"})
    assert answer.status_code == 204

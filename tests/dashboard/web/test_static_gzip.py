"""Gzipped responses: the page and its static files."""

import gzip
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.dashboard.stubs import VIEWER

PATH = "/static/js/main.js"


def get(client: FlaskClient, **headers: Any) -> TestResponse:
    """Return the response, completely read and closed."""
    with client.get(PATH, headers={name.replace("_", "-"): value for name, value in headers.items()}) as answer:
        answer.get_data()
        return answer


def uncommented(script: bytes) -> list[bytes]:
    """Return the script's lines, with empty lines instead of comments."""
    return [b"" if line.strip().startswith(b"//") else line for line in script.splitlines()]


def test_file_is_gzipped_if_accepted(client: FlaskClient) -> None:
    plain = get(client)
    for _ in range(2):
        gzipped = get(client, Accept_Encoding="gzip, br")
        assert gzipped.headers["Content-Encoding"] == "gzip" and gzipped.headers["Vary"] == "Accept-Encoding"
        assert uncommented(gzip.decompress(gzipped.data)) == uncommented(plain.data)
        assert b"\n//" in plain.data and b"\n//" not in gzip.decompress(gzipped.data)
        assert int(gzipped.headers["Content-Length"]) == len(gzipped.data)
    assert "Content-Encoding" not in plain.headers


def test_file_is_compressed_once_for_all_of_its_paths(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def compress(*args: Any, **kwargs: Any) -> bytes:
        compressed.append(gzip_compress(*args, **kwargs))
        return compressed[-1]

    gzip_compress, compressed = gzip.compress, list[bytes]()
    monkeypatch.setattr(gzip, "compress", compress)
    for number in range(20):
        with client.get(f"/static/js/{number}/../main.js", headers={"Accept-Encoding": "gzip"}) as answer:
            assert answer.status_code == 200 and answer.get_data() == compressed[0]
    assert len(compressed) == 1


def test_cached_file_is_304(client: FlaskClient) -> None:
    first = get(client, Accept_Encoding="gzip")
    again = get(client, Accept_Encoding="gzip", If_None_Match=first.headers["ETag"])
    assert again.status_code == 304 and not again.data


def test_file_is_sent_uncompressed_if_gzip_is_refused(client: FlaskClient) -> None:
    assert "Content-Encoding" not in get(client, Accept_Encoding="gzip;q=0, identity").headers


def test_page_is_gzipped_with_its_own_csrf_token(client: FlaskClient) -> None:
    pages = []
    for _ in range(2):
        client.post("/login", json={"token": VIEWER})
        answer = client.get("/", headers={"Accept-Encoding": "gzip"})
        assert answer.headers["Content-Encoding"] == "gzip" and "Accept-Encoding" in answer.headers["Vary"]
        pages.append(gzip.decompress(answer.data))
    assert pages[0] != pages[1] and all(b"csrf-token" in page for page in pages)


def test_other_responses_of_a_session_are_not_gzipped(client: FlaskClient) -> None:
    assert "Content-Encoding" not in client.get("/login", headers={"Accept-Encoding": "gzip"}).headers

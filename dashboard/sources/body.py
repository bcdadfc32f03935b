"""The body of an HTTP answer, within a time and a size: urllib3's own timeouts hold for one read each."""

import time

import urllib3

LARGEST = 1 << 20  # bytes
READ_BYTES = 1 << 16


def read_text(response: urllib3.BaseHTTPResponse, deadline: float) -> str:
    """Read the whole body, so that the connection can be reused. Raise ValueError if it is too large or too slow.

    `deadline` is in seconds of time.monotonic; one read may exceed it by the socket's timeout.
    """
    body = bytearray()
    while data := response.read1(READ_BYTES):
        body += data
        if len(body) > LARGEST or time.monotonic() > deadline:
            raise ValueError("the response is too large or too slow")
    return body.decode("utf-8", "replace")

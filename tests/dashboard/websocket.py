"""A WebSocket client for messages that browsers and libraries do not send."""

import socket
import struct

TEXT, CONTINUATION, BINARY = 1, 0, 2


def connect(port: int, token: str, seconds: float = 60, cookie: str = "") -> socket.socket:
    """Return a connection to the dashboard after the handshake, by token or cookie. Raise ConnectionRefusedError."""
    own = f"Cookie: {cookie}\r\nOrigin: http://127.0.0.1:{port}" if cookie else f"Authorization: Bearer {token}"
    connection = socket.create_connection(("127.0.0.1", port), seconds)
    connection.sendall(
        f"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        f"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n{own}\r\n\r\n".encode()
    )
    answer = connection.recv(65536)
    if not answer.startswith(b"HTTP/1.1 101 "):
        connection.close()
        raise ConnectionRefusedError(answer.partition(b"\r\n")[0].decode())
    return connection


def frame(data: bytes, opcode: int = TEXT, *, last: bool = True) -> bytes:
    """Return a frame, masked with zeros."""
    length = bytes([0x80 | len(data)]) if len(data) < 126 else b"\xfe" + struct.pack(">H", len(data))
    return bytes([opcode | (0x80 if last else 0)]) + length + bytes(4) + data


def send_until_closed(connection: socket.socket, data: bytes, most: int) -> int:
    """Send the data repeatedly, up to `most` bytes. Return the number of sent bytes."""
    sent = 0
    try:
        while sent < most:
            connection.sendall(data)
            sent += len(data)
    except OSError:
        pass
    return sent


def wait_until_closed(connection: socket.socket) -> None:
    """Read until the server closes the connection. Raise TimeoutError."""
    try:
        while connection.recv(65536):
            pass
    except ConnectionError:
        pass

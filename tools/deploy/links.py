"""The dashboard's login link: remembered with the port of the last `make up`, and printed only if it works."""

import http.client
from pathlib import Path
from urllib.parse import urlsplit

from tools.cluster.errors import ClusterError

FILE = "dashboard-url"
LIMIT = 10.0  # seconds


def login(url: str, token: str) -> str:
    return f"dashboard {url}/login#{token}"


def remember(directory: Path, url: str) -> None:
    directory.mkdir(exist_ok=True)
    (directory / FILE).write_text(url)


def remembered(directory: Path, default: str) -> str:
    """Return the address that the last `make up` of this cluster printed."""
    file = directory / FILE
    return file.read_text() if file.exists() else default


def check(url: str, token: str) -> None:
    """Raise ClusterError unless a dashboard answers there and takes the token."""
    address = urlsplit(url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=LIMIT)  # past any proxy
    try:
        connection.request("GET", "/api/demos", headers={"Authorization": f"Bearer {token}"})
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        raise ClusterError(f"No dashboard answers at {url} ({error}): `make up` starts it.") from None
    finally:
        connection.close()
    if status == 401:
        raise ClusterError(f"The dashboard at {url} has another token than the secrets here: `make up` changes it.")
    if status != 200:
        raise ClusterError(f"What answers at {url} is no dashboard (status {status}): `make up` starts one.")

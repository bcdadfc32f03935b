"""The data service, over HTTP."""

import urllib3  # noqa: F401

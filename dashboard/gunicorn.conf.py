"""gunicorn's configuration. The container's command, in the directory that holds dashboard/, templates/ and static/:

    gunicorn --config dashboard/gunicorn.conf.py "dashboard.app:create_app()"

One worker, since the hub's state and the sockets live in it; a thread for each open page, and some for all else.
Nothing is written but to /dev/shm (gunicorn's heartbeat). SIGTERM closes the pages' sockets and ends within seconds.
"""

import gc
import signal
import sys
import threading
from types import FrameType
from typing import Any

from dashboard import app as root
from dashboard.config import ConfigError, read

SPARE_THREADS = 20

try:
    _config = read()
except ConfigError as error:
    sys.exit(str(error))

bind = f"{_config.host}:{_config.port}"
workers = 1
worker_class = "gthread"
threads = _config.viewers + SPARE_THREADS
worker_tmp_dir = "/dev/shm"  # noqa: S108 - memory, and not a name that anybody could guess
control_socket_disable = True
graceful_timeout = 12  # over the 10 that a run has to clean up
keepalive = 20
limit_request_line = 8190  # a filter of documents may be long
proc_name = "dashboard"


def post_worker_init(worker: Any) -> None:
    """Starts the threads, in the process that serves: none survives a fork."""
    app = worker.wsgi
    try:
        root.start(app)
    except (ConfigError, OSError) as error:
        sys.exit(f"The dashboard can't start: {error}")
    gc.freeze()  # what was imported stays; later collections need not look at it
    graceful = signal.getsignal(signal.SIGTERM)

    def leave(number: int, frame: FrameType | None) -> None:
        threading.Thread(target=root.stop, args=[app], name="stop").start()  # a handler must take no lock
        if callable(graceful):
            graceful(number, frame)

    signal.signal(signal.SIGTERM, leave)

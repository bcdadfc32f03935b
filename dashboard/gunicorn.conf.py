"""gunicorn's configuration. The container runs, in the directory that holds dashboard/, templates/ and static/:

    gunicorn --config dashboard/gunicorn.conf.py "dashboard.app:create_app()"

There is one worker, since the hub's state and the sockets live in its memory. It has a thread for each open page and
some spare ones. Only gunicorn's heartbeat is written, to /dev/shm. SIGTERM closes the sockets and stops the server
within `graceful_timeout`.
"""

import gc
import signal
import sys
import threading
from types import FrameType
from typing import Any

from dashboard import app as root
from dashboard.config import read
from webserver.environment import ConfigError
from webserver.worker import end_with_worker

SPARE_THREADS = 20

try:
    _config = read()
except ConfigError as error:
    sys.exit(str(error))

bind = f"{_config.host}:{_config.port}"
workers = 1
worker_class = "webserver.worker.Worker"
sendfile = False  # answers go through the worker's channels
threads = _config.viewers + SPARE_THREADS
worker_tmp_dir = "/dev/shm"  # noqa: S108 - in memory, and gunicorn's file name is random
control_socket_disable = True
forwarded_allow_ips = ""  # gunicorn would believe a proxy's headers from 127.0.0.1; webserver.forwarded reads them
graceful_timeout = 12  # longer than the 10 s that a run has to clean up
keepalive = 20
limit_request_line = 8190  # a document filter may be long
proc_name = "dashboard"


def post_worker_init(worker: Any) -> None:
    """Start the threads in the worker process: threads do not survive a fork."""
    app = worker.wsgi
    try:
        root.start(app)
    except (ConfigError, OSError) as error:
        sys.exit(f"The dashboard can't start: {error}")
    gc.freeze()  # imported modules are never freed: later collections can skip them
    stop_gracefully = signal.getsignal(signal.SIGTERM)

    def on_sigterm(number: int, frame: FrameType | None) -> None:
        threading.Thread(target=root.stop, args=[app], name="stop").start()  # a signal handler must not take a lock
        if callable(stop_gracefully):
            stop_gracefully(number, frame)

    signal.signal(signal.SIGTERM, on_sigterm)


def child_exit(server: Any, worker: Any) -> None:
    """End with the worker: its successor would know no run and no page."""
    end_with_worker(server)

"""`python -m dashboard`: run the dashboard on this machine, under the same server as in a cluster.

DASHBOARD_SOURCE=mock needs no other settings: missing secrets are generated, and the login link is printed.
MOCK_SEED selects another simulation, MOCK_SPEED runs it that many times as fast, MOCK_PODS sets the number of pods,
MOCK_CHURN how many of them change each second, MOCK_QUIET=1 leaves the cluster idle, MOCK_AUTOSCALER (several, missing,
average, container, memory or broken) gives its autoscaler other settings, and MOCK_OUTCOME (pass, fail or inconclusive)
sets the verdict of every run.
"""

import os
import sys

from dashboard.config import mock, read
from webserver.environment import ConfigError


def main() -> None:
    """Replace this process with gunicorn."""
    environment = mock()
    try:
        config = read(environment)
    except ConfigError as error:
        sys.exit(str(error))
    print(f"dashboard http://{config.host}:{config.port}/login#{config.operator_token}", flush=True)
    command = ["gunicorn", "--config", "dashboard/gunicorn.conf.py", "dashboard.app:create_app()"]
    os.execve(sys.executable, [sys.executable, "-m", *command], environment)  # noqa: S606 - its own server


main()

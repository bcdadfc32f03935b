"""`python -m dashboard`: the dashboard on this machine, by the same server as in a cluster.

With DASHBOARD_SOURCE=mock it needs nothing else: missing tokens are made up, and the login link is printed.
MOCK_SEED tells another story, MOCK_SPEED tells it so many times as fast; MOCK_PODS makes a crowd of pods, of which
MOCK_CHURN change each second; with MOCK_QUIET=1 nothing more happens than on a quiet day. MOCK_OUTCOME=pass, fail or
inconclusive is how every run ends.
"""

import os
import sys

from dashboard.config import ConfigError, mock, read


def main() -> None:
    """Becomes gunicorn."""
    environment = mock()
    try:
        config = read(environment)
    except ConfigError as error:
        sys.exit(str(error))
    print(f"dashboard http://{config.host}:{config.port}/login#{config.operator_token}", flush=True)
    command = ["gunicorn", "--config", "dashboard/gunicorn.conf.py", "dashboard.app:create_app()"]
    os.execve(sys.executable, [sys.executable, "-m", *command], environment)  # noqa: S606 - its own server


main()

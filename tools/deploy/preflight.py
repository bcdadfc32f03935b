"""The obstacles of `make up`, found before anything is installed: this needs the system's Python only.

python -m tools.deploy.preflight prints the first obstacle in one sentence and exits with 1.
"""

import os
import sys
from pathlib import Path

from tools.cluster import binary, host
from tools.cluster.errors import HostError
from tools.cluster.instance import CHECKOUT
from tools.cluster.patience import patient


def main() -> int:
    if (os.environ.get("CLUSTER") or "embedded") != "embedded":
        return 0
    try:
        check(CHECKOUT / ".cluster")
    except HostError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def check(directory: Path) -> None:
    """Raise HostError if this machine cannot run the embedded cluster in `directory`."""
    patient(0)  # an invalid factor
    host.require_root()
    host.require_visible()
    host.require_avx()
    host.require_cgroups()
    host.require_inotify()
    host.require_room(directory, building=binary.cached(binary.KUBERNETES) is None)


if __name__ == "__main__":
    sys.exit(main())

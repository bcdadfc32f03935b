"""The obstacles of `make up`, found before anything is installed: this needs the system's Python only.

python -m tools.deploy.preflight prints the first obstacle in one sentence and exits with 1.
"""

import os
import sys
from pathlib import Path

from tools.cluster import binary, host
from tools.cluster.errors import HostError
from tools.cluster.instance import CHECKOUT, wanted_nodes
from tools.cluster.patience import patient


def main() -> int:
    if (os.environ.get("CLUSTER") or "embedded") != "embedded":
        return 0
    try:
        check(CHECKOUT / ".cluster", wanted_nodes())
    except HostError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def check(directory: Path, nodes: int = 1, running: bool = False) -> None:
    """Raise HostError if this machine cannot run an embedded cluster with so many nodes in `directory`.

    One that is running has its inotify instances.
    """
    patient(0)  # an invalid factor
    host.require_root()
    host.require_visible()
    host.require_avx()
    host.require_cgroups()
    if not running:
        host.require_inotify(nodes=nodes)
    host.require_room(directory, binary.cached(binary.KUBERNETES) is None, nodes)


if __name__ == "__main__":
    sys.exit(main())

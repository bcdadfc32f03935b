"""Runs a command again whenever it ends, a second later: kubectl's port-forward ends with the pod that it led to."""

import subprocess
import sys
import time

PAUSE = 1.0  # seconds

if __name__ == "__main__":
    while True:
        subprocess.run(sys.argv[1:])
        time.sleep(PAUSE)

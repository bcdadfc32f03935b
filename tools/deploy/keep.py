"""Restarts a command whenever it ends, after a pause: `kubectl port-forward` ends with its pod."""

import subprocess
import sys
import time

PAUSE = 1.0  # seconds

if __name__ == "__main__":
    while True:
        subprocess.run(sys.argv[1:])
        time.sleep(PAUSE)

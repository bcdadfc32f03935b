"""A command of another program."""

import subprocess


def succeeds(*command: str) -> bool:
    """Run the command. Return whether its status is 0."""
    return subprocess.run(command, capture_output=True).returncode == 0

"""A clock that tests set, and the names and times that they share."""

NAMESPACE = "flask-mongodb"
START = 1_780_000_000.0  # the first time of `Clock`


class Clock:
    """A clock that stands still until a test changes `now`."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> float:
        return self.now

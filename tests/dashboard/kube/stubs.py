"""A clock that stands still, for what reads the time of day."""




NAMESPACE = "flask-mongodb"
START = 1_780_000_000.0  # of the tests' clock


class Clock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> float:
        return self.now

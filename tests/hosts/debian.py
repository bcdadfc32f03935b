"""The machines to try: which Debian, with which processor, and whether the project should refuse them."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Debian:
    """A stock Debian machine. Where `refusal` is given, `make up` must stop at once with these words."""

    name: str
    suite: str
    processor: str = "max"  # QEMU's name; "max" is everything that it can emulate
    refusal: str = ""


MACHINES = {
    machine.name: machine
    for machine in (
        Debian("debian-13", "trixie"),
        Debian("debian-12", "bookworm"),
        Debian("debian-13-without-avx", "trixie", processor="qemu64", refusal="AVX"),
    )
}

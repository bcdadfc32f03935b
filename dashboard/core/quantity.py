"""Parsers for Kubernetes quantities ("250m", "1Gi", "12345678n"), into whole millicores and bytes."""

from decimal import ROUND_CEILING, Context, Decimal, InvalidOperation

LARGEST_SAFE_INTEGER = 2**53 - 1  # JavaScript's Number.MAX_SAFE_INTEGER: a browser rounds larger ones

# Larger values are clamped to these: they are a mistake or an attack.
MOST_MILLICORES = 10**9
MOST_BYTES = LARGEST_SAFE_INTEGER
MOST_MILLI = 2**63 - 1  # as in Kubernetes

# What the API allows: only a metric's value may be negative.
QUANTITY = r"\A\+?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,9}|[KMGTPE]i|[numkMGTPE])?\Z"
SIGNED_QUANTITY = QUANTITY.replace(r"\+?", "[+-]?", 1)

_SUFFIXES = {
    "n": Decimal("1e-9"),
    "u": Decimal("1e-6"),
    "m": Decimal("1e-3"),
    "": Decimal(1),
    "k": Decimal(10**3),
    "M": Decimal(10**6),
    "G": Decimal(10**9),
    "T": Decimal(10**12),
    "P": Decimal(10**15),
    "E": Decimal(10**18),
    "Ki": Decimal(2**10),
    "Mi": Decimal(2**20),
    "Gi": Decimal(2**30),
    "Ti": Decimal(2**40),
    "Pi": Decimal(2**50),
    "Ei": Decimal(2**60),
}

_CONTEXT = Context(traps=[InvalidOperation])  # overflow gives infinity instead of an error


class QuantityError(ValueError):
    """The text is not a Kubernetes quantity."""


def millicores(text: str) -> int:
    """Return a CPU quantity in thousandths of a core, rounded up as Kubernetes does."""
    return _whole(_CONTEXT.multiply(_parse(text), 1000), MOST_MILLICORES)


def whole_bytes(text: str) -> int:
    """Return a memory or storage quantity in bytes, rounded up as Kubernetes does."""
    return _whole(_parse(text), MOST_BYTES)


def milli(text: str) -> int:
    """Return a quantity of any unit in thousandths, rounded up as Kubernetes does."""
    return _whole(_CONTEXT.multiply(_parse(text), 1000), MOST_MILLI)


def number(text: str) -> float:
    """Return a dimensionless quantity, such as an HPA's tolerance: "50m" is 0.05."""
    return float(_clamp(_parse(text), MOST_MILLICORES))


def _parse(text: str) -> Decimal:
    """Return the exact value of a decimal number with a suffix or an exponent (`1e3`, `1E3`)."""
    number = text.rstrip("numkKMGTPEi")
    suffix = text[len(number) :]
    if suffix not in _SUFFIXES or not number.isascii() or number != number.strip() or "_" in number:
        raise QuantityError(f"not a quantity: {text!r}")
    try:
        value = Decimal(number)
    except InvalidOperation:
        raise QuantityError(f"not a quantity: {text!r}") from None
    if not value.is_finite():
        raise QuantityError(f"not a quantity: {text!r}")
    return _CONTEXT.multiply(value, _SUFFIXES[suffix])


def _whole(value: Decimal, most: int) -> int:
    return int(_clamp(value, most).to_integral_value(rounding=ROUND_CEILING))


def _clamp(value: Decimal, most: int) -> Decimal:
    return max(Decimal(-most), min(value, Decimal(most)))

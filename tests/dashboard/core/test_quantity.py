import pytest

from dashboard.core.quantity import MOST_BYTES, MOST_MILLICORES, QuantityError, millicores, number, whole_bytes


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", 0), ("1", 1000), ("0.5", 500), ("250m", 250), ("1500m", 1500), ("12345678n", 13), ("1n", 1),
        ("250u", 1), ("2k", 2_000_000), ("1e3", 1_000_000), ("1E-3", 1), (".5", 500), ("-1", -1000),
    ],
)  # fmt: skip
def test_cpu_is_rounded_up_to_millicores(text: str, expected: int) -> None:
    assert millicores(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", 0), ("128974848", 128974848), ("129e6", 129_000_000), ("129M", 129_000_000), ("123Mi", 128974848),
        ("1Gi", 2**30), ("1.5Gi", 3 * 2**29), ("7Pi", 7 * 2**50), ("9P", 9 * 10**15), ("100m", 1), ("1Ki", 1024),
        ("4Pi", 2**52), ("1E3", 1000),
    ],
)  # fmt: skip
def test_memory_is_rounded_up_to_bytes(text: str, expected: int) -> None:
    assert whole_bytes(text) == expected


@pytest.mark.parametrize("text", ["1e20", "5E", "8Pi", "100Ei", "9223372036854775807", "1e999999999", "9" * 100_000])
def test_huge_quantities_are_clamped(text: str) -> None:
    assert (millicores(text), whole_bytes(text), number(text)) == (MOST_MILLICORES, MOST_BYTES, MOST_MILLICORES)
    assert (millicores(f"-{text}"), whole_bytes(f"-{text}")) == (-MOST_MILLICORES, -MOST_BYTES)


@pytest.mark.parametrize("text", ["1e-20", "1n", "0." + "0" * 100_000 + "1"])
def test_tiny_quantities_are_rounded_up(text: str) -> None:
    assert (millicores(text), whole_bytes(text)) == (1, 1)


NO_QUANTITIES = ["", "m", "1 Gi", "1gi", "1KiB", "1mm", "NaN", "inf", "1_000", " 1", "1i", "0x10", "\u0661\u0662"]


@pytest.mark.parametrize("text", NO_QUANTITIES)
def test_invalid_quantity(text: str) -> None:
    with pytest.raises(QuantityError):
        whole_bytes(text)

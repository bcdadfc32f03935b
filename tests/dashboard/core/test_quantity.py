import pytest

from dashboard.core.quantity import QuantityError, millicores, whole_bytes


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", 0), ("1", 1000), ("0.5", 500), ("250m", 250), ("1500m", 1500), ("12345678n", 13), ("1n", 1),
        ("250u", 1), ("2k", 2_000_000), ("1e3", 1_000_000), ("1E-3", 1), (".5", 500), ("-1", -1000),
    ],
)  # fmt: skip
def test_cpu_is_read_in_millicores_rounded_up(text: str, expected: int) -> None:
    assert millicores(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", 0), ("128974848", 128974848), ("129e6", 129_000_000), ("129M", 129_000_000), ("123Mi", 128974848),
        ("1Gi", 2**30), ("1.5Gi", 3 * 2**29), ("1Ei", 2**60), ("1E", 10**18), ("100m", 1), ("1Ki", 1024),
        ("8Pi", 2**53), ("1E3", 1000),
    ],
)  # fmt: skip
def test_memory_is_read_in_bytes_rounded_up(text: str, expected: int) -> None:
    assert whole_bytes(text) == expected


NO_QUANTITIES = ["", "m", "1 Gi", "1gi", "1KiB", "1mm", "NaN", "inf", "1_000", " 1", "1i", "0x10", "\u0661\u0662"]


@pytest.mark.parametrize("text", NO_QUANTITIES)
def test_what_is_no_quantity_is_refused(text: str) -> None:
    with pytest.raises(QuantityError):
        whole_bytes(text)

"""Laws of reading and writing amounts."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from walletd.engine.refusals import Refusal, RefusalCode
from walletd.http.amounts import decimal_number, decimal_text, major_units, minor_units, signed_minor_units

AMOUNT_MAX = 2**63 - 1


@pytest.mark.parametrize(
    ("raw", "amount"),
    [
        (b"1", 1),
        (b'"1"', 1),
        (b'"007"', 7),
        (b'"\\u0031\\u0030"', 10),
        (str(AMOUNT_MAX).encode(), AMOUNT_MAX),
        (f'"{AMOUNT_MAX}"'.encode(), AMOUNT_MAX),
    ],
)
def test_minor_units_are_an_integer_or_a_string_of_digits(raw: bytes, amount: int) -> None:
    assert minor_units(raw) == amount


MALFORMED = [
    b"10.0",
    b"1e2",
    b"true",
    b"null",
    b"{}",
    b"[1]",
    b'""',
    b'"+1"',
    b'" 1"',
    b'"1 "',
    b'"1_000"',
    b'"1,000"',
    b'"0x10"',
    b'"NaN"',
    b'"Infinity"',
    b'"-"',
    b'"--1"',
    b'"1.0"',
    '"١٢"'.encode(),
    '"１"'.encode(),
    '"²"'.encode(),
    b'"\\u0661"',
    b'"\xff"',
    b'"1\\n"',
    b'"' + b"9" * 65 + b'"',
    b"9" * 5000,
]


@pytest.mark.parametrize("raw", MALFORMED)
@pytest.mark.parametrize("read", [minor_units, signed_minor_units])
def test_nothing_else_is_minor_units(raw: bytes, read: object) -> None:
    with pytest.raises(Refusal) as caught:
        read(raw, "/legs/0/amount")  # type: ignore[operator]
    assert caught.value.code is RefusalCode.INVALID_REQUEST
    assert caught.value.fields[0][0] == "/legs/0/amount"


@pytest.mark.parametrize("raw", [b"0", b'"0"', b'"000"', b"-0", b"-5", b'"-5"'])
def test_zero_and_less_are_not_positive(raw: bytes) -> None:
    with pytest.raises(Refusal) as caught:
        minor_units(raw)
    assert caught.value.code is RefusalCode.AMOUNT_NOT_POSITIVE


@pytest.mark.parametrize("raw", [str(AMOUNT_MAX + 1).encode(), b'"' + b"9" * 64 + b'"'])
def test_an_amount_past_63_bits_is_above_the_maximum(raw: bytes) -> None:
    with pytest.raises(Refusal) as caught:
        minor_units(raw)
    assert caught.value.code is RefusalCode.AMOUNT_ABOVE_MAXIMUM


@pytest.mark.parametrize(("raw", "amount"), [(b"5", 5), (b"-5", -5), (b'"-5"', -5), (b'"5"', 5)])
def test_a_leg_has_a_sign(raw: bytes, amount: int) -> None:
    assert signed_minor_units(raw) == amount


@pytest.mark.parametrize("raw", [b"0", b"-0", b'"-000"', b'"+5"', b"-1.0"])
def test_a_leg_of_zero_or_of_another_form_is_refused(raw: bytes) -> None:
    with pytest.raises(Refusal) as caught:
        signed_minor_units(raw)
    assert caught.value.code is RefusalCode.INVALID_REQUEST


@pytest.mark.parametrize(
    ("raw", "scale", "amount"),
    [
        (b"10", 2, 1000),
        (b"10.0", 2, 1000),
        (b'"10.00"', 2, 1000),
        (b"0.07", 2, 7),
        (b"150.5", 2, 15050),
        (b'"0.1"', 18, 10**17),
        (b"7", 0, 7),
        (b"90071992547409.93", 2, 9007199254740993),
    ],
)
def test_major_units_are_read_from_their_digits(raw: bytes, scale: int, amount: int) -> None:
    assert major_units(raw, scale) == amount


@pytest.mark.parametrize(
    "raw",
    [
        b"1.001",
        b"1.000",
        b"1e2",
        b'"1."',
        b'".5"',
        b'"1.2.3"',
        b'"NaN"',
        b'"1_0.00"',
        b'"+1"',
        '"１.0"'.encode(),
        b"true",
    ],
)
def test_major_units_are_refused_rather_than_rounded(raw: bytes) -> None:
    with pytest.raises(Refusal) as caught:
        major_units(raw, 2)
    assert caught.value.code is RefusalCode.INVALID_REQUEST


@pytest.mark.parametrize("raw", [b"0", b"0.00", b"-1", b'"-0.01"'])
def test_major_units_of_zero_and_less_are_not_positive(raw: bytes) -> None:
    with pytest.raises(Refusal) as caught:
        major_units(raw, 2)
    assert caught.value.code is RefusalCode.AMOUNT_NOT_POSITIVE


def test_major_units_past_63_bits_are_above_the_maximum() -> None:
    with pytest.raises(Refusal) as caught:
        major_units(b"92233720368547758.08", 2)
    assert caught.value.code is RefusalCode.AMOUNT_ABOVE_MAXIMUM


@pytest.mark.parametrize(
    ("amount", "scale", "text"),
    [
        (10000, 2, "100.00"),
        (5, 2, "0.05"),
        (-5, 2, "-0.05"),
        (0, 2, "0.00"),
        (7, 0, "7"),
        (-7, 0, "-7"),
        (1, 18, "0." + "0" * 17 + "1"),
    ],
)
def test_decimals_are_written_in_full(amount: int, scale: int, text: str) -> None:
    assert decimal_text(amount, scale) == text


def test_a_decimal_number_stands_in_json_with_its_digits() -> None:
    assert msgspec.json.encode({"amount": decimal_number(15050, 2)}) == b'{"amount":150.50}'


@given(st.integers(1, AMOUNT_MAX), st.integers(0, 18))
def test_what_is_written_is_read_back(amount: int, scale: int) -> None:
    text = decimal_text(amount, scale).encode()
    assert major_units(text, scale) == major_units(b'"' + text + b'"', scale) == amount
    assert minor_units(str(amount).encode()) == amount
    assert signed_minor_units(str(-amount).encode()) == -amount

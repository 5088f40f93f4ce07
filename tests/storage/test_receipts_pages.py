"""What a receipt says and how it looks: everything that the record has, nothing that a caller smuggles in, the same bytes each time."""

import re
import subprocess
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from walletd.engine.receipts import Party, Receipt
from walletd.storage.receipts.fonts import MISSING, Fonts
from walletd.storage.receipts.paper import pdf_of
from walletd.storage.receipts.plain import WIDTH, text_of
from walletd.storage.receipts.wording import NAME_LENGTH_MAX, shown

WALLET = "3f2b8a44-9d0e-4c5f-8b1a-2c7e5d9f0a1b"
AT = 1_763_682_852_123_456
CHAIN = "3fa94c1d2b90e7f5" * 4


def receipt(payer: str | None = "John Doe", payee: str | None = "Jane Smith", **members: Any) -> Receipt:
    return Receipt(
        **{
            "transaction": 12, "type": "transfer", "at": AT, "seq": 37, "chain": CHAIN, "amount": 2_500,
            "asset": "USD", "asset_name": "US Dollar", "scale": 2,
            "source": Party(1, WALLET, 23, payer, "john_doe"), "destination": Party(2, WALLET, 24, payee, "jane_smith"),
            **members,
        }
    )  # fmt: skip


def text(**members: Any) -> str:
    return text_of(receipt(**members), "").decode()


@pytest.fixture(scope="module")
def fonts() -> Iterator[Fonts]:
    fonts = Fonts()
    yield fonts
    fonts.close()


def test_the_text_has_everything_that_the_record_has() -> None:
    said = text(description="rent", category="housing", reference="INV-1")
    for words in ("25.00 USD", "US Dollar", "2025-11-20T23:54:12.123456Z", "John Doe", "Jane Smith", "john_doe, user 1",
                  "user 2", WALLET, "rent", "housing", "INV-1", "23 (sender), 24 (recipient)", "txn_12", "37", CHAIN,
                  "/v1/transfers/tfr_12"):  # fmt: skip
        assert words in said


def test_a_link_begins_with_the_public_address() -> None:
    said = text_of(receipt(), "https://wallet.example.com").decode()
    assert "https://wallet.example.com/v1/transfers/tfr_12" in said


@pytest.mark.parametrize(
    ("amount", "scale", "said"),
    [(1, 2, "0.01"), (5, 0, "5"), (10**15, 2, "10000000000000.00"), (1, 18, f"0.{'0' * 17}1")],
)
def test_an_amount_has_all_its_decimals(amount: int, scale: int, said: str) -> None:
    assert f"Amount          {said} USD\n" in text(amount=amount, scale=scale)


def test_a_user_without_a_name_is_called_by_what_it_has() -> None:
    parties = [
        Party(7, WALLET, 1, None, "nick"),
        Party(7, WALLET, 1, None, None, "ext-1"),
        Party(7, WALLET, 1),
        Party(0, WALLET, 1),
    ]
    names = [text(source=party).partition("From            ")[2].partition("\n")[0] for party in parties]
    assert names == ["nick", "ext-1", "User 7", "Treasury of USD"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("a\nAmount          999.00 USD", "a Amount 999.00 USD"),
        ("\u202eevil\u202c \u2066x\u2069\u200e\u061c", "evil x"),
        ("\x1b[31mred\x07", "\ufffd[31mred\ufffd"),
        ("a\u2028b\u2029c\x85d\te", "a b c d e"),
        ("\ufeffa\u00ad\u200bb", "ab"),
        ("e" + "\u0301" * 50, "e" + "\u0301" * 5),
        ("\ud800x\ufffe", "\ufffdx\ufffd"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("  many   spaces  ", "many spaces"),
        ("x" * 101, "x" * 99 + "…"),
    ],
)
def test_a_callers_text_is_text_and_nothing_else(given: str, said: str) -> None:
    import unicodedata

    shown_text = shown(given, NAME_LENGTH_MAX)
    assert unicodedata.normalize("NFD", shown_text) == unicodedata.normalize("NFD", said)


def test_no_value_can_look_like_a_row_of_its_own() -> None:
    rows = text(description="x " * 40 + "\nStatus          Refused\n" + "Amount " * 30)
    labels = [line[:16].strip() for line in rows.splitlines() if line[:16].strip()]
    assert labels.count("Status") == labels.count("Amount") == 1
    assert all(len(line) <= WIDTH for line in rows.splitlines())


def test_letters_from_right_to_left_turn_nothing_but_themselves() -> None:
    line = next(line for line in text(payer="שלום עולם").splitlines() if line.startswith("From"))
    assert line == "From            \u2068שלום עולם\u2069"


def test_the_date_of_the_pdf_is_the_records(fonts: Fonts) -> None:
    assert b"(D:20251120235412Z" in pdf_of(receipt(), "", fonts)


def test_the_pdf_is_the_same_in_another_process(fonts: Fonts) -> None:
    script = (
        "import hashlib, walletd.tests.storage.test_receipts_pages as t\n"
        "fonts = t.Fonts()\n"
        "for name in ('John Doe', 'محمد ★ Ольга'):\n"
        "    print(hashlib.sha256(t.pdf_of(t.receipt(name), '', fonts)).hexdigest())\n"
    )
    runs = [
        subprocess.run(
            [sys.executable, "-c", script],
            env={"PYTHONHASHSEED": seed, "TZ": zone},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed, zone in (("1", "UTC"), ("2", "Asia/Tokyo"))
    ]
    assert runs[0] == runs[1]
    assert len(set(runs[0].split())) == 2


@pytest.mark.parametrize(
    "members",
    [
        {},
        {"payer": "محمد بن عبد الله", "payee": "अनीता शर्मा"},
        {"payer": "שלום", "payee": "ไทย გია Ελένη Ольга", "description": "中文 😀 ★"},
        {"payer": "W" * 100, "payee": "\u202e)\\ Tj ET /JS (app.alert(1))", "description": "x" * 500, "reference": "R" * 255},
        {"source": Party(0, WALLET, 23), "amount": 2**63 - 1, "scale": 18},
    ],
)  # fmt: skip
def test_every_receipt_is_one_page_with_its_fonts_inside_and_nothing_that_acts(
    fonts: Fonts, members: dict[str, Any]
) -> None:
    pdf = pdf_of(receipt(**members), "https://wallet.example.com", fonts)
    assert pdf.startswith(b"%PDF-1")
    assert pdf.rstrip().endswith(b"%%EOF")
    assert len(re.findall(rb"/Type /Page\b", pdf)) == 1
    assert pdf.count(b"/FontFile2") >= 3
    outside = re.sub(rb"stream\r?\n.*?endstream", b"", pdf, flags=re.DOTALL)
    outside = outside.replace(b"/OpenAction [3 0 R /FitH null]", b"")  # a place to begin reading at
    assert not re.search(rb"/(JavaScript|JS|OpenAction|AA|Launch|EmbeddedFile)\b", outside)


def test_nothing_runs_off_the_page(fonts: Fonts) -> None:
    longest = receipt("W" * 100, "M" * 100, description="W" * 500, category="W" * 64, reference="W" * 255)
    pdf = pdf_of(longest, "https://wallet.example.com/" + "w" * 100, fonts)
    content = max(
        (zlib.decompress(part) for part in re.findall(rb"stream\r?\n(.*?)\r?\nendstream", pdf, re.DOTALL)[:1]), key=len
    )
    rows = [float(y) for y in re.findall(rb"BT [\d.]+ ([\d.-]+) Td", content)]
    footer = 16 / 25.4 * 72
    body = [y for y in rows if y > footer + 1]
    assert rows
    assert min(rows) > 20
    assert min(body) - min(rows) > 4


def test_a_letter_that_no_font_has_is_marked_and_the_text_has_it(fonts: Fonts) -> None:
    assert fonts.printable("a中b", latin=False) == f"a{MISSING}b"
    assert "中" in text(payer="中")


def test_further_fonts_are_used_where_the_own_ones_lack_a_letter(tmp_path: Path, fonts: Fonts) -> None:
    from fontTools.fontBuilder import FontBuilder  # type: ignore[import-untyped]
    from fontTools.pens.ttGlyphPen import TTGlyphPen  # type: ignore[import-untyped]

    builder = FontBuilder(1000, isTTF=True)
    builder.setupGlyphOrder([".notdef", "han"])
    builder.setupCharacterMap({0x4E2D: "han"})
    pen = TTGlyphPen(None)
    pen.moveTo((0, 0)), pen.lineTo((0, 700)), pen.lineTo((700, 700)), pen.closePath()
    builder.setupGlyf({".notdef": pen.glyph(), "han": pen.glyph()})
    builder.setupHorizontalMetrics({".notdef": (1000, 0), "han": (1000, 0)})
    builder.setupHorizontalHeader(ascent=800, descent=-200)
    builder.setupNameTable({"familyName": "Further", "styleName": "Regular", "psName": "Further-Regular"})
    builder.setupOS2()
    builder.setupPost()
    builder.save(tmp_path / "further.ttf")
    more = Fonts([tmp_path / "further.ttf"])
    try:
        assert more.printable("中", latin=False) == "中"
        assert b"Further" in pdf_of(receipt("中"), "", more)
        assert b"Further" not in pdf_of(receipt("John"), "", more)
    finally:
        more.close()

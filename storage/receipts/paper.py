"""The receipt as a PDF: one page of A4, the same bytes whenever it is made from the same receipt with the same versions of the libraries.

Nothing in it comes from the clock or from chance: its date is the record's. A receipt in Latin letters takes the small cut of the fonts and no shaping, any other the whole fonts.
"""

import logging
from datetime import UTC, datetime
from typing import Final

import segno
from fpdf import FPDF
from fpdf.enums import MethodReturnValue, XPos, YPos

from ...engine.receipts import Receipt
from .fonts import MISSING, Fonts
from .wording import CHECK, STATUS, TITLE, PartyWords, Words, words_of

# The fonts' own notes about their tables are no news to anyone who reads a log.
logging.getLogger("fontTools").setLevel(logging.ERROR)

Colour = tuple[int, int, int]

INK: Final[Colour] = (23, 32, 42)
MUTED: Final[Colour] = (96, 108, 122)
ACCENT: Final[Colour] = (14, 84, 108)
GOOD: Final[Colour] = (18, 110, 70)
RULE: Final[Colour] = (216, 222, 230)
PANEL: Final[Colour] = (244, 247, 249)

WIDTH: Final = 210.0
HEIGHT: Final = 297.0
LEFT: Final = 22.0
RIGHT: Final = WIDTH - LEFT
INNER: Final = RIGHT - LEFT
GAP: Final = 10.0
HALF: Final = (INNER - GAP) / 2
LABEL: Final = 42.0
QR: Final = 34.0
LEADING: Final = 0.48
"""Height of a line in millimetres, for each point of its size."""

NOTE: Final = f"{MISSING} stands for a letter that this server cannot print; the text form of the receipt has it."


def pdf_of(receipt: Receipt, public_url: str, fonts: Fonts, *, latin_only: bool = False) -> bytes:
    """The receipt's PDF. `public_url` is what its link begins with, empty for none.

    `latin_only`: other letters are replaced, for a receipt whose text the libraries cannot lay out.
    """
    words = words_of(receipt, public_url)
    page = _Page(receipt, fonts, [] if latin_only else _texts(words))
    page.head(words)
    page.amount(words)
    page.parties(words)
    page.facts(words)
    page.proof(words)
    return bytes(page.pdf.output())


def _texts(words: Words) -> list[str]:
    parties = [text for party in (words.source, words.destination) for text in party]
    facts = [text for pair in (*words.facts, *words.proof) for text in pair]
    return [*parties, *facts, words.kind, words.amount_grouped, words.asset_name, words.link]


class _Page:
    """One receipt being laid out, from top to bottom."""

    def __init__(self, receipt: Receipt, fonts: Fonts, texts: list[str]) -> None:
        self.pdf = pdf = FPDF(unit="mm", format="A4")
        self._fonts = fonts
        self._latin = latin = fonts.is_latin(texts)
        self._lacking = False
        cut = fonts.cut(texts)
        pdf.add_font("body", "", cut.faces["body"])
        pdf.add_font("body", "B", cut.faces["bold"])
        pdf.add_font("mono", "", cut.faces["mono"])
        if not latin:
            pdf.set_text_shaping(True)
        for path in cut.fallback:
            pdf.add_font(path.stem, "", path)
        if cut.fallback:
            pdf.set_fallback_fonts([path.stem for path in cut.fallback], exact_match=False)
        pdf.set_auto_page_break(False)
        pdf.set_margins(LEFT, 18, LEFT)
        pdf.c_margin = 0
        pdf.set_lang("en")
        pdf.set_title(f"{TITLE} txn_{receipt.transaction}")
        pdf.set_creator("walletd")
        pdf.set_producer("walletd")
        pdf.set_creation_date(datetime.fromtimestamp(receipt.at // 1_000_000, UTC))
        pdf.add_page()

    # ------------------------------------------------------------------------------------------------------ sections

    def head(self, words: Words) -> None:
        pdf = self.pdf
        pdf.set_fill_color(*ACCENT)
        pdf.rect(0, 0, WIDTH, 5, style="F")
        self._line(LEFT, 22, TITLE, 22, bold=True)
        self._line(LEFT, 22.5, words.ledger_id, 10, MUTED, align="R")
        self._line(LEFT, 28, words.day, 10, MUTED, align="R")

    def amount(self, words: Words) -> None:
        pdf = self.pdf
        pdf.set_fill_color(*PANEL)
        pdf.rect(LEFT, 42, INNER, 36, style="F", round_corners=True, corner_radius=2.5)
        self._line(LEFT + 8, 48, words.kind, 9.5, MUTED)
        size = 28.0
        while size > 12 and self._width(words.amount_grouped, size, bold=True) > INNER - 16:
            size -= 1
        self._line(LEFT + 8, 54, words.amount_grouped, size, bold=True, height=12)
        self._line(LEFT + 8, 68, f"{words.asset_name}  ·  {words.day}, {words.clock}", 9.5, MUTED)
        width = self._width(STATUS, 9.5, bold=True) + 10
        pdf.set_fill_color(*GOOD)
        pdf.rect(RIGHT - 8 - width, 47, width, 7, style="F", round_corners=True, corner_radius=3.5)
        self._line(RIGHT - 8 - width, 48, STATUS, 9.5, (255, 255, 255), bold=True, width=width, align="C")

    def parties(self, words: Words) -> None:
        top = 88.0
        left = self._party(LEFT, top, words.source)
        right = self._party(LEFT + HALF + GAP, top, words.destination)
        self.pdf.set_y(max(left, right) + 6)

    def facts(self, words: Words) -> None:
        pdf = self.pdf
        for label, value in [("Time", words.time), *words.facts]:
            lines_max = 5 if label == "Description" else 3
            top = pdf.get_y()
            pdf.set_draw_color(*RULE)
            pdf.set_line_width(0.2)
            pdf.line(LEFT, top, RIGHT, top)
            self._line(LEFT, top + 2.4, label, 9.5, MUTED)
            bottom = self._block(LEFT + LABEL, top + 2.4, INNER - LABEL, value, 9.5, lines_max=lines_max)
            pdf.set_y(bottom + 2.4)
        pdf.line(LEFT, pdf.get_y(), RIGHT, pdf.get_y())

    def proof(self, words: Words) -> None:
        pdf = self.pdf
        top = max(pdf.get_y() + 6, HEIGHT - 74)
        width = INNER - QR - GAP
        self._qr(RIGHT - QR, top, words.link)
        self._line(LEFT, top, "To check against the ledger", 11, bold=True)
        y = top + 7
        for label, value in words.proof:
            self._line(LEFT, y, label, 8.5, MUTED)
            halves = f"{value[:32]} {value[32:]}".strip()  # a chain value takes two lines
            y = self._block(LEFT + LABEL, y, width - LABEL, halves, 8.5, mono=True, lines_max=2) + 1.2
        self._line(LEFT, y, "Link", 8.5, MUTED)
        address = words.link if "://" in words.link else ""
        y = self._block(LEFT + LABEL, y, width - LABEL, words.link, 8.5, link=address, lines_max=2) + 2.5
        y = self._block(LEFT, y, width, CHECK, 7.5, MUTED, lines_max=4)
        if self._lacking:
            self._block(LEFT, y + 1.5, width, NOTE, 7.5, MUTED, lines_max=2)
        self._line(LEFT, HEIGHT - 16, "walletd", 8, MUTED, bold=True)
        self._line(
            LEFT,
            HEIGHT - 16,
            f"{words.ledger_id}, journal record {words.proof[0][1]}",
            8,
            MUTED,
            align="R",
        )

    # --------------------------------------------------------------------------------------------------------- pieces

    def _party(self, x: float, y: float, party: PartyWords) -> float:
        self._line(x, y, party.label, 9.5, MUTED)
        y = self._block(x, y + 6, HALF, party.name, 13, bold=True, lines_max=3) + 0.8
        if party.who:
            y = self._block(x, y, HALF, party.who, 9.5, MUTED, lines_max=3) + 0.8
        return self._block(x, y, HALF, party.wallet, 7.5, MUTED, mono=True)

    def _line(
        self,
        x: float,
        y: float,
        text: str,
        size: float,
        colour: Colour = INK,
        *,
        bold: bool = False,
        width: float | None = None,
        height: float | None = None,
        align: str = "L",
    ) -> None:
        """A line of our own words."""
        pdf = self.pdf
        pdf.set_font("body", "B" if bold else "", size)
        pdf.set_text_color(*colour)
        pdf.set_xy(x, y)
        pdf.cell(width or RIGHT - x, height or size * LEADING, self._printable(text), align=align)

    def _block(
        self,
        x: float,
        y: float,
        width: float,
        text: str,
        size: float,
        colour: Colour = INK,
        *,
        bold: bool = False,
        mono: bool = False,
        link: str = "",
        lines_max: int = 1,
    ) -> float:
        """A text of any length, on at most `lines_max` lines; returns where it ends."""
        pdf = self.pdf
        pdf.set_font("mono" if mono else "body", "B" if bold else "", size)
        pdf.set_text_color(*colour)
        height = size * LEADING
        text = self._printable(text)
        while len(lines := self._lines(text, width, height)) > lines_max:
            text = text[: int(len(text) * lines_max / len(lines))].rstrip(" …") + "…"
        pdf.set_xy(x, y)
        pdf.multi_cell(width, height, text, align="L", new_x=XPos.LEFT, new_y=YPos.NEXT, link=link or None)
        return float(pdf.get_y())

    def _lines(self, text: str, width: float, height: float) -> list[str]:
        lines = self.pdf.multi_cell(width, height, text, align="L", dry_run=True, output=MethodReturnValue.LINES)
        assert isinstance(lines, list)
        return lines

    def _width(self, text: str, size: float, *, bold: bool = False) -> float:
        self.pdf.set_font("body", "B" if bold else "", size)
        return float(self.pdf.get_string_width(self._printable(text)))

    def _printable(self, text: str) -> str:
        printable = self._fonts.printable(text, latin=self._latin)
        self._lacking = self._lacking or printable != text
        return printable

    def _qr(self, x: float, y: float, content: str) -> None:
        """The link as a QR code: each row's dark runs as one rectangle."""
        rows = [list(row) for row in segno.make_qr(content, error="m").matrix]
        size = QR / len(rows)
        self.pdf.set_fill_color(*INK)
        for number, row in enumerate(rows):
            start: int | None = None
            for column, dark in enumerate([*row, 0]):
                if dark and start is None:
                    start = column
                elif not dark and start is not None:
                    # A hair taller than the row, so that no viewer shows a gap between rows.
                    self.pdf.rect(x + start * size, y + number * size, (column - start) * size, size * 1.02, style="F")
                    start = None

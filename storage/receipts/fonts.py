"""Fonts: what receipts are set in. FiraGO and Space Mono, and Noto's symbols, all under the SIL Open Font License, from the package pymupdf-fonts.

FiraGO has Latin, Greek, Cyrillic, Arabic, Hebrew, Devanagari, Georgian and Thai. Further fonts can be given, for Chinese, Japanese and Korean above all.
Laying out costs by the size of the fonts, so each receipt gets them cut down to its own letters first, by HarfBuzz, in milliseconds.
"""

import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final, Literal, NamedTuple

import pymupdf_fonts  # type: ignore[import-untyped]
import uharfbuzz  # type: ignore[import-untyped]

Face = Literal["body", "bold", "mono"]

SOURCES: Final[dict[Face, str]] = {"body": "figo", "bold": "figbo", "mono": "spacemo"}
SYMBOLS: Final = ("symbol2", "symbol1")

ASCII: Final = frozenset(range(0x20, 0x7F))
LATIN: Final = ASCII | frozenset({*range(0xA0, 0x180), *range(0x218, 0x21C), *range(0x2013, 0x2027), 0x20AC, 0x2122})
"""Letters that stand one after the other as they come: nothing joins, nothing turns round."""

MISSING: Final = "\u00a4"
"""Printed for a letter that no font has."""


class Cut(NamedTuple):
    """Fonts cut down to some letters, as files that last until the next cut. `fallback` have what FiraGO lacks, in order."""

    faces: dict[Face, Path]
    fallback: list[Path]


class Fonts:
    """The fonts, for as long as this object lives. `further` are used in their order where FiraGO and the symbols lack a letter."""

    def __init__(self, further: Sequence[Path] = ()) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="walletd-fonts-")
        self._faces = {face: uharfbuzz.Face(pymupdf_fonts.myfont(source)) for face, source in SOURCES.items()}
        self._fallback = [uharfbuzz.Face(pymupdf_fonts.myfont(source)) for source in SYMBOLS]
        self._fallback += [uharfbuzz.Face(path.read_bytes()) for path in further]
        self._own = frozenset(self._faces["body"].unicodes) & frozenset(self._faces["bold"].unicodes)
        self._all = self._own.union(*(face.unicodes for face in self._fallback))
        self._latin = LATIN & self._own

    def is_latin(self, texts: Iterable[str]) -> bool:
        """Whether the texts need no shaping, and no font but FiraGO."""
        return all(ord(char) in self._latin for text in texts for char in text)

    def printable(self, text: str, *, latin: bool) -> str:
        """The text with MISSING for each letter that no font has, or that needs more than Latin does."""
        letters = self._latin if latin else self._all
        return "".join(char if ord(char) in letters else MISSING for char in text)

    def cut(self, texts: Iterable[str]) -> Cut:
        """The fonts with the letters of these texts and all of ASCII."""
        letters = ASCII.union((ord(MISSING), ord("·"), ord("…")), (ord(char) for text in texts for char in text))
        folder = Path(self._folder.name)
        faces = {name: _cut(face, letters, folder / f"{name}.ttf") for name, face in self._faces.items()}
        lacking = letters - self._own
        fallback = [
            _cut(face, lacking, folder / f"fallback{number}.ttf")
            for number, face in enumerate(self._fallback)
            if not lacking.isdisjoint(face.unicodes)
        ]
        return Cut(faces, fallback)

    def close(self) -> None:
        """Remove the files."""
        self._folder.cleanup()


def _cut(face: uharfbuzz.Face, letters: frozenset[int], path: Path) -> Path:
    asked = uharfbuzz.SubsetInput()
    asked.unicode_set.set(set(letters))
    asked.flags = uharfbuzz.SubsetFlags.NO_HINTING | uharfbuzz.SubsetFlags.NOTDEF_OUTLINE
    path.write_bytes(uharfbuzz.subset(face, asked).blob.data)
    return path

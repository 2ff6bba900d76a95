"""Find usable typefaces on this machine. Called by the look of a page. Downloads nothing, installs nothing."""

from __future__ import annotations

import functools
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from PIL import ImageFont

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

_SYSTEM_FOLDERS = (
    Path("/usr/share/fonts"),
    Path("/usr/local/share/fonts"),
    Path("/Library/Fonts"),
    Path.home() / ".fonts",
)
_PACKAGE_PATTERNS = ("*/files/*.[to]tf", "*/fonts/*.[to]tf", "*/fonts/ttf/*.[to]tf", "*/*/fonts/ttf/*.[to]tf")
_PLAIN = ("Regular", "Book", "Roman", "Medium", "Semibold")
_BOLD = ("Bold", "Black", "Heavy")
_UNFIT = ("LastResort", "Last Resort", "Math", "Amatic")
_SAMPLE = "AZaz09äöüÄÖÜßéèêàçñíóúìòù€£«»–·"


@dataclass(frozen=True, slots=True)
class Typeface:
    """A family with a plain and a bold file; both None is Pillow's own ASCII font."""

    name: str
    plain: Path | None
    bold: Path | None
    is_mono: bool

    def at(self, size_px: int, *, bold: bool = False) -> Font:
        """The font at a size."""
        return _load(self.bold if bold else self.plain, size_px)


PILLOW_FACE = Typeface("Pillow default", None, None, False)


@functools.lru_cache(maxsize=512)
def _load(path: Path | None, size_px: int) -> Font:
    return ImageFont.load_default(size_px) if path is None else ImageFont.truetype(str(path), size_px)


@functools.cache
def find_typefaces() -> tuple[Typeface, ...]:
    """Every family that has the Latin letters of our five languages, by name; never empty."""
    families: dict[str, dict[str, Path]] = {}
    for path in _font_files():
        try:
            family, style = ImageFont.truetype(str(path), 20).getname()
        except OSError:
            continue
        if family and style and not any(word in family for word in _UNFIT):
            if "Condensed" in style:
                family, style = f"{family} Condensed", style.replace("Condensed", "").strip() or "Regular"
            families.setdefault(family, {}).setdefault(style, path)
    faces = []
    for family, styles in sorted(families.items()):
        plain = next((styles[style] for style in _PLAIN if style in styles), None)
        bold = next((styles[style] for style in _BOLD if style in styles), plain)
        if plain is not None and bold is not None and _has_letters(plain) and _has_letters(bold):
            faces.append(Typeface(family, plain, bold, _is_mono(plain)))
    return (*faces, PILLOW_FACE)


def covers(face: Typeface, text: str) -> bool:
    """Whether the face can print the text; Pillow's own font is trusted with ASCII alone."""
    return face.plain is not None or text.isascii()


def _font_files() -> Iterator[Path]:
    for folder in _SYSTEM_FOLDERS:
        if folder.is_dir():
            yield from sorted(folder.rglob("*.[to]tf"))
    for entry in sys.path:
        folder = Path(entry)
        if folder.name in ("site-packages", "dist-packages") and folder.is_dir():
            for pattern in _PACKAGE_PATTERNS:
                yield from sorted(folder.glob(pattern))


def _has_letters(path: Path) -> bool:
    font = ImageFont.truetype(str(path), 24)
    missing = bytes(font.getmask("\U0010fff0"))
    return all(bytes(font.getmask(letter)) != missing and font.getbbox(letter) != (0, 0, 0, 0) for letter in _SAMPLE)


def _is_mono(path: Path) -> bool:
    font = ImageFont.truetype(str(path), 40)
    return abs(font.getlength("iiii") - font.getlength("MMMM")) < 1

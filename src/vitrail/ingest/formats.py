"""Name what bytes are when they are no JPEG or PNG, so that a refusal can say what was seen. Called by sniff."""

from __future__ import annotations

FORMATS_HINT = "Send a JPEG or PNG."

_SIGNATURES: tuple[tuple[bytes, str], ...] = (
    (b"GIF8", "a GIF"),
    (b"II*\x00", "a TIFF"),
    (b"MM\x00*", "a TIFF"),
    (b"BM", "a BMP"),
    (b"\x00\x00\x01\x00", "an ICO"),
    (b"8BPS", "a PSD"),
    (b"\xff\x0a", "a JPEG XL"),
    (b"\x00\x00\x00\x0cJXL ", "a JPEG XL"),
    (b"\x00\x00\x00\x0cjP  ", "a JPEG 2000"),
    (b"\xff\x4f\xff\x51", "a JPEG 2000"),
    (b"%!PS", "a PostScript file"),
    (b"\xc5\xd0\xd3\xc6", "a PostScript file"),
    (b"%PDF", "a PDF"),
    (b"SIMPLE  =", "a FITS file"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"\x1f\x8b", "gzip data"),
    (b"\xff\xd8", "a JPEG cut off after its first bytes"),
    (b"\x89PNG", "a PNG cut off or damaged in its first bytes"),
)
_BRANDS = {
    b"heic": "a HEIC",
    b"heix": "a HEIC",
    b"hevc": "a HEIC",
    b"mif1": "a HEIC",
    b"msf1": "a HEIC",
    b"avif": "an AVIF",
    b"avis": "an AVIF",
}


def name_format(data: bytes) -> str:
    """Return a few words for what `data` seems to be, such as `it is a WebP`; never anything out of the data."""
    if not data:
        return "it is empty"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "it is a WebP"
    if data[4:8] == b"ftyp":
        return f"it is {_BRANDS.get(data[8:12], 'a video or an unknown ISO media file')}"
    for signature, name in _SIGNATURES:
        if data.startswith(signature):
            return f"it is {name}"
    return _name_text(data[:1024])


def _name_text(head: bytes) -> str:
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith((b"<!doctype html", b"<html", b"<head", b"<body")):
        return "it is an HTML page"
    if b"<svg" in text:
        return "it is an SVG"
    if text.startswith(b"<"):
        return "it is XML or HTML"
    if text.startswith((b"{", b"[")):
        return "it is JSON"
    return "its first bytes are no image format that is known"

"""Reading headers of hostile and harmless files without decoding them (I01-I22, I28)."""

from __future__ import annotations

import struct
import time
import zlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from vitrail.domain.errors import InvalidArgument
from vitrail.domain.pictures import ImageFormat
from vitrail.ingest.containers import check_container
from vitrail.ingest.exif import parse_orientation
from vitrail.ingest.sniff import ImageHeader, sniff_image

Make = Callable[..., bytes]

SOF = struct.pack(">HBHHB", 17, 8, 300, 400, 3) + b"\x01\x22\x00\x02\x11\x01\x03\x11\x01"
SOS = b"\x00\x0c\x03\x01\x00\x02\x11\x03\x11\x00\x3f\x00"
ONE_COMPONENT_SOS = b"\x00\x08\x01\x01\x00\x00\x3f\x00"


def inspect(data: bytes) -> ImageHeader:
    """Read the header and judge the rest, as the server does before it decodes."""
    header = sniff_image(data)
    check_container(data, header)
    return header


def jpeg(
    *, marker: int = 0xC0, sof: bytes = SOF, before: bytes = b"", sos: bytes = SOS, pixels: bytes = b"\x12"
) -> bytes:
    """Return the skeleton of a JPEG, which says of itself that it is 400 x 300."""
    return b"\xff\xd8" + before + bytes([0xFF, marker]) + sof + b"\xff\xda" + sos + pixels + b"\xff\xd9"


def tiff(order: str, entries: list[tuple[int, int, int, int]], directory: int = 8) -> bytes:
    """Return EXIF's TIFF structure with one directory of (tag, type, count, value) entries."""
    mark = b"II*\0" if order == "<" else b"MM\0*"
    body = b"".join(
        struct.pack(order + "HHI", tag, kind, count) + struct.pack(order + "HH", value, 0)
        for tag, kind, count, value in entries
    )
    return mark + struct.pack(order + "I", directory) + struct.pack(order + "H", len(entries)) + body + bytes(4)


def app1(exif: bytes) -> bytes:
    """Return the segment that carries EXIF."""
    return b"\xff\xe1" + struct.pack(">H", len(exif) + 8) + b"Exif\0\0" + exif


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("progressive", [False, True])
def test_a_jpeg_says_its_size(mode: str, progressive: bool, photo: Image.Image, encode: Make) -> None:
    """Baseline and progressive JPEGs of every colour type give format and size."""
    data = encode(photo.convert(mode), "JPEG", progressive=progressive)

    header = inspect(data)

    assert (header.format, header.upright_size_px, header.orientation) == (ImageFormat.JPEG, (640, 480), 1)
    assert header.progressive == progressive


@pytest.mark.parametrize("mode", ["RGB", "L", "P", "1", "LA", "RGBA", "I;16"])
def test_a_png_says_its_size(mode: str, encode: Make) -> None:
    """PNGs of every colour type give format and size."""
    header = inspect(encode(Image.new(mode, (31, 17))))

    assert (header.format, header.upright_size_px, header.orientation) == (ImageFormat.PNG, (31, 17), 1)


@pytest.mark.parametrize("size", [(1, 1), (1, 50), (50, 1), (2, 2), (3, 3), (65_000, 1)])
@pytest.mark.parametrize("format", ["PNG", "JPEG"])
def test_I03_the_smallest_pictures_are_read(size: tuple[int, int], format: str, encode: Make) -> None:
    """Pictures of one or a few pixels are pictures."""
    header = inspect(encode(Image.new("RGB", size), format))

    assert (header.width_px, header.height_px) == size


def test_I01_a_bomb_is_measured_from_its_header(png: Make) -> None:
    """A PNG of 169 megapixels in 20 kB gives its size at once, for the pixel limit to refuse."""
    bomb = png(13_000, 13_000, depth=1)
    begin = time.perf_counter()
    header = inspect(bomb)

    assert len(bomb) < 40_000
    assert (header.width_px, header.height_px) == (13_000, 13_000)
    assert time.perf_counter() - begin < 0.5


@pytest.mark.parametrize("size", [(65_536, 65_536), (2**31 - 1, 1)])
def test_I02_the_largest_sizes_are_measured(size: tuple[int, int], png: Make) -> None:
    """Sizes at the end of what PNG can say are read as they stand."""
    header = inspect(png(*size, rows=b"\0"))

    assert (header.width_px, header.height_px) == size


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(lambda png: png(0, 5, rows=b"\0"), id="png-width-0"),
        pytest.param(lambda png: png(5, 0, rows=b"\0"), id="png-height-0"),
        pytest.param(lambda png: png(2**31, 1, rows=b"\0"), id="png-width-beyond-the-format"),
        pytest.param(lambda _: jpeg(sof=SOF[:3] + b"\0\0" + SOF[5:]), id="jpeg-height-0"),
        pytest.param(lambda _: jpeg(sof=SOF[:5] + b"\0\0" + SOF[7:]), id="jpeg-width-0"),
    ],
)
def test_I06_a_side_of_no_pixels_is_refused(data: Callable[[Make], bytes], png: Make) -> None:
    """A width or height of zero in the header is refused."""
    with pytest.raises(InvalidArgument, match="its size as"):
        inspect(data(png))


@pytest.mark.parametrize("kind", [b"zTXt", b"iTXt", b"iCCP"])
def test_I10_metadata_that_inflates_without_end_is_refused(kind: bytes, png: Make, png_chunk: Make) -> None:
    """Compressed metadata that would become 50 MB is refused, having been inflated to 4 MiB at most."""
    compressed = zlib.compress(bytes(50_000_000), 9)
    body = b"key\0" + (b"\x01\0\0\0" if kind == b"iTXt" else b"\0") + compressed

    with pytest.raises(InvalidArgument, match="metadata inflates"):
        inspect(png(8, 8, extra=png_chunk(kind, body)))


def test_I10_many_small_bombs_are_one(png: Make, png_chunk: Make) -> None:
    """Metadata is counted over the whole file, so the limit cannot be passed in pieces."""
    piece = png_chunk(b"zTXt", b"key\0\0" + zlib.compress(bytes(3_000_000), 9))

    with pytest.raises(InvalidArgument, match="metadata inflates"):
        inspect(png(8, 8, extra=piece * 3))


def test_I10_an_ordinary_profile_is_no_bomb(photo: Image.Image, encode: Make) -> None:
    """A colour profile as editors embed it passes."""
    assert inspect(encode(photo, "PNG", icc_profile=bytes(range(256)) * 12)).width_px == 640


def test_I11_too_many_chunks_are_refused(png: Make, png_chunk: Make) -> None:
    """A PNG of 100,000 tiny chunks is refused in bounded time."""
    data = png(8, 8, extra=png_chunk(b"tEXt", b"a\0b") * 100_000)
    begin = time.perf_counter()
    with pytest.raises(InvalidArgument, match="10,000 chunks"):
        inspect(data)

    assert time.perf_counter() - begin < 0.5


@pytest.mark.parametrize("without", ["IDAT", "IEND"])
def test_I12_a_png_without_pixels_or_end_is_refused(without: str, png: Make) -> None:
    """The chunks that a PNG cannot do without have to be there."""
    data = png(8, 8)
    at = data.index(without.encode()) - 4
    end = at + 12 + int.from_bytes(data[at : at + 4], "big")

    with pytest.raises(InvalidArgument, match=r"no pixels|cut off"):
        inspect(data[:at] + data[end:])


def test_I16_a_thousand_scans_are_refused(photo: Image.Image, encode: Make) -> None:
    """A progressive JPEG with more scans than any encoder makes is refused from its markers."""
    scan = b"\xff\xda" + ONE_COMPONENT_SOS + b"\x12\xff\x00\xff\xd0\x34"

    with pytest.raises(InvalidArgument, match="more than 100 scans"):
        inspect(jpeg(marker=0xC2, pixels=b"\x12" + scan * 1_000))


def test_I16_a_sequential_file_cannot_hide_its_scans() -> None:
    """Scan bombs are refused in sequential files too, once a scan leaves a component out."""
    scan = b"\xff\xda" + ONE_COMPONENT_SOS + b"\x12"

    with pytest.raises(InvalidArgument, match="more than 100 scans"):
        inspect(jpeg(sos=ONE_COMPONENT_SOS, pixels=scan * 1_000))


@pytest.mark.parametrize(
    ("marker", "says"),
    [(0xC3, "lossless"), (0xC5, "differential"), (0xC9, "arithmetic"), (0xCA, "arithmetic"), (0xCB, "lossless")],
)
def test_I17_processes_that_are_not_decoded_are_refused(marker: int, says: str) -> None:
    """Arithmetic-coded and lossless JPEGs are refused by name."""
    with pytest.raises(InvalidArgument, match=f"{says}.*not supported"):
        inspect(jpeg(marker=marker))


def test_I17_twelve_bits_are_refused() -> None:
    """A JPEG with 12 bits a sample is refused."""
    with pytest.raises(InvalidArgument, match=r"12 bits.*not supported"):
        inspect(jpeg(sof=SOF[:2] + b"\x0c" + SOF[3:], marker=0xC1))


def test_I19_bytes_after_the_end_do_not_matter(photo: Image.Image, encode: Make) -> None:
    """A picture with an archive or a page behind it is the picture."""
    for format in ("JPEG", "PNG"):
        assert inspect(encode(photo, format) + b"PK\x03\x04" + b"\xff\xda" * 100_000).width_px == 640


@pytest.mark.parametrize(
    ("data", "name"),
    [
        pytest.param(b"%!PS-Adobe-3.0 EPSF", "PostScript", id="I20-eps"),
        pytest.param(b"\xc5\xd0\xd3\xc6", "PostScript", id="I20-eps-binary"),
        pytest.param(b"\0\0\0\x1cftypheic", "HEIC", id="I21-heic"),
        pytest.param(b"\0\0\0\x1cftypavif", "AVIF", id="I21-avif"),
        pytest.param(b"\0\0\0\x1cftypisom", "video", id="I21-mp4"),
        pytest.param(b"RIFF\x10\0\0\0WEBPVP8 ", "WebP", id="I21-webp"),
        pytest.param(b"\xff\x0a\xfa", "JPEG XL", id="I21-jxl"),
        pytest.param(b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL", id="I21-jxl-boxed"),
        pytest.param(b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000", id="I21-jp2"),
        pytest.param(b"II*\0\x08\0\0\0", "TIFF", id="I21-tiff-little"),
        pytest.param(b"MM\0*\0\0\0\x08", "TIFF", id="I21-tiff-big"),
        pytest.param(b"BM\x36\0\0\0", "BMP", id="I21-bmp"),
        pytest.param(b"\0\0\x01\0\x01\0", "ICO", id="I21-ico"),
        pytest.param(b"8BPS\0\x01", "PSD", id="I21-psd"),
        pytest.param(b"SIMPLE  =                    T", "FITS", id="I21-fits"),
        pytest.param(b"GIF89a", "GIF", id="I21-gif"),
        pytest.param(b"\n <!DOCTYPE html><html>", "HTML", id="D09-html"),
        pytest.param(b"<?xml version='1.0'?><svg>", "SVG", id="D06-svg"),
        pytest.param(b'{"error": 1}', "JSON", id="json"),
        pytest.param(b"%PDF-1.7", "PDF", id="pdf"),
        pytest.param(b"", "empty", id="I22-empty"),
        pytest.param(b"\x07", "no image format", id="I22-one-byte"),
        pytest.param(b"\x93\x1f random", "no image format", id="I22-random"),
        pytest.param(b"\xff\xd8", "JPEG cut off", id="I22-jpeg-magic"),
        pytest.param(b"\x89PNG\r\n", "PNG cut off", id="I22-png-magic"),
    ],
)
def test_what_is_no_jpeg_or_png_is_named(data: bytes, name: str) -> None:
    """Other formats are refused with their name and with the formats that are taken."""
    with pytest.raises(InvalidArgument, match=f"not a JPEG or PNG: it is.*{name}|{name}") as caught:
        inspect(data)

    assert "Send a JPEG or PNG" in caught.value.sentence


@pytest.mark.parametrize("size", [1, 2, 3, 4, 8, 16, 20, 32, 33, 40, 100])
@pytest.mark.parametrize("format", ["PNG", "JPEG"])
def test_I13_a_header_cut_off_is_refused(size: int, format: str, photo: Image.Image, encode: Make) -> None:
    """A file that ends inside its header is refused, at whatever byte."""
    with pytest.raises(InvalidArgument):
        inspect(encode(photo, format)[:size])


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_I27_orientation_is_read_in_both_byte_orders(order: str, orientation: int) -> None:
    """EXIF orientation 1-8 is read, and turns the size that decides tiles and tokens."""
    header = inspect(jpeg(before=app1(tiff(order, [(0x010F, 2, 4, 0), (0x0112, 3, 1, orientation)]))))

    assert header.orientation == orientation
    assert header.upright_size_px == ((400, 300) if orientation < 5 else (300, 400))


@pytest.mark.parametrize(
    "exif",
    [
        b"",
        b"II*\0",
        b"XX*\0\x08\0\0\0",
        tiff("<", [(0x0112, 3, 1, 0)]),
        tiff("<", [(0x0112, 3, 1, 9)]),
        tiff("<", [(0x0112, 2, 1, 6)]),
        tiff("<", [(0x0112, 3, 1, 6)], directory=0xFFFFFFF0),
        tiff("<", [(0x8769, 4, 1, 8)] * 40, directory=8),
        tiff("<", [])[:8] + b"\xff\xff",
    ],
)
def test_I28_broken_exif_is_no_orientation(exif: bytes) -> None:
    """EXIF that is cut off, absurd or points at itself leaves the picture as it is stored."""
    assert inspect(jpeg(before=app1(exif))).orientation == 1


def test_I28_a_png_is_never_turned(png: Make, png_chunk: Make) -> None:
    """The eXIf chunk of a PNG is not honoured: its orientation is 1."""
    exif = png_chunk(b"eXIf", tiff(">", [(0x0112, 3, 1, 6)]))

    assert inspect(png(30, 10, extra=exif)).upright_size_px == (30, 10)


def test_a_large_segment_does_not_hide_the_size(photo: Image.Image, encode: Make) -> None:
    """The frame header is found behind many segments of 64 kB."""
    data = encode(photo, "JPEG")
    comment = b"\xff\xfe\xff\xff" + bytes(65_533)

    assert inspect(data[:2] + comment * 30 + data[2:]).width_px == 640


def test_fill_bytes_before_a_marker_are_passed_over(photo: Image.Image, encode: Make) -> None:
    """Megabytes of FF before a marker cost one search."""
    data = encode(photo, "JPEG")

    assert inspect(data[:2] + b"\xff" * 5_000_000 + data[2:]).width_px == 640


@given(st.binary(max_size=400))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    """No input raises anything but a refusal, and a header always has pixels."""
    for start in (b"", b"\xff\xd8\xff", b"\xff\xd8\xff\xc0\x00\x11\x08", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"):
        try:
            header = inspect(start + data)
        except InvalidArgument:
            continue
        assert header.width_px > 0 < header.height_px


@given(st.binary(max_size=200))
def test_any_exif_gives_an_orientation(data: bytes) -> None:
    """Orientation is 1-8 whatever the metadata holds."""
    for start in (b"", b"II*\0", b"MM\0*", b"II*\0\x08\0\0\0\x20\0\x12\x01\x03\0"):
        assert 1 <= parse_orientation(start + data) <= 8


@given(st.data())
def test_a_damaged_file_is_read_or_refused(data: st.DataObject) -> None:
    """A good header with bytes overwritten anywhere is read or refused, never anything else."""
    damaged = bytearray(jpeg(before=app1(tiff("<", [(0x0112, 3, 1, 6)])), marker=0xC2, pixels=b"\x12" * 50))
    for _ in range(data.draw(st.integers(1, 6))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    try:
        inspect(bytes(damaged))
    except InvalidArgument:
        return

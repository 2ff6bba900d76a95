"""Decoding against Pillow as the oracle: colours, depth, alpha, orientation, size, and damaged files (I10-I29)."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageOps

from vitrail.domain.errors import InvalidArgument
from vitrail.domain.pictures import Picture
from vitrail.ingest.containers import check_container
from vitrail.ingest.decode import decode_picture
from vitrail.ingest.decode_task import DecodeTask
from vitrail.ingest.sniff import sniff_image

Make = Callable[..., bytes]
Pixels = NDArray[Any]


def decode(data: bytes, size: tuple[int, int] | None = None, **options: Any) -> Picture:
    """Decode as the server does: by the sniffed header, to the upright size unless another is given."""
    header = sniff_image(data)
    check_container(data, header)
    width, height = size or header.upright_size_px
    return decode_picture(
        DecodeTask(data, header.format, header.orientation, header.width_px, header.height_px, width, height, **options)
    )


def pixels_of(picture: Picture) -> Pixels:
    """Return rows x columns x 3 of a picture."""
    return np.frombuffer(picture.rgb, np.uint8).reshape(picture.height_px, picture.width_px, 3)


def psnr(found: Pixels, wanted: Pixels) -> float:
    """Return the likeness of two pictures in dB."""
    assert found.shape == wanted.shape
    error = float(np.mean((found.astype(float) - wanted.astype(float)) ** 2))
    return 99.0 if error == 0 else 10 * float(np.log10(255**2 / error))


def oracle(data: bytes, size: tuple[int, int] | None = None) -> Pixels:
    """Return what Pillow makes of an image: upright, over white, RGB, resized exactly."""
    image = Image.open(io.BytesIO(data))
    if image.format == "JPEG":
        image = ImageOps.exif_transpose(image)
    if image.mode in ("LA", "RGBA", "PA") or "transparency" in image.info:
        white = Image.new("RGBA", image.size, (255, 255, 255, 255))
        white.alpha_composite(image.convert("RGBA"))
        image = white
    image = image.convert("RGB")
    return np.asarray(image.resize(size, Image.Resampling.BICUBIC) if size else image)


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("progressive", [False, True])
def test_I23_jpeg_colours_are_pillows(mode: str, progressive: bool, photo: Image.Image, encode: Make) -> None:
    """Colour, grey and (inverted) CMYK JPEGs come out as Pillow's, baseline and progressive."""
    data = encode(photo.convert(mode), "JPEG", quality=92, progressive=progressive)

    assert psnr(pixels_of(decode(data)), oracle(data)) > 45


@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:2", "4:2:0"])
def test_I23_every_subsampling_is_decoded(subsampling: str, photo: Image.Image, encode: Make) -> None:
    """Chroma subsampling makes no difference to Pillow's picture."""
    data = encode(photo, "JPEG", subsampling=subsampling)

    assert psnr(pixels_of(decode(data)), oracle(data)) > 60


def test_I23_ycck_is_decoded(photo: Image.Image, encode: Make) -> None:
    """A JPEG whose Adobe marker says YCCK gets the colours that Pillow gives it."""
    data = bytearray(encode(photo.convert("CMYK"), "JPEG", quality=95))
    adobe = data.index(b"Adobe")
    data[adobe + 11] = 2

    assert psnr(pixels_of(decode(bytes(data))), oracle(bytes(data))) > 40


@pytest.mark.parametrize("colour", [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0), (200, 120, 40)])
@pytest.mark.parametrize("mode", ["RGB", "CMYK"])
def test_I23_golden_colours_of_jpeg(colour: tuple[int, int, int], mode: str, encode: Make) -> None:
    """A plain colour comes back within three of each channel."""
    picture = decode(encode(Image.new("RGB", (32, 24), colour).convert(mode), "JPEG", quality=100))

    assert np.abs(pixels_of(picture).astype(int) - colour).max() <= 3


@pytest.mark.parametrize("mode", ["RGB", "L", "P", "1"])
def test_I23_opaque_pngs_are_exact(mode: str, photo: Image.Image, encode: Make) -> None:
    """Colour, grey, palette and 1-bit PNGs come out to the last bit as Pillow's."""
    data = encode(photo.convert(mode))

    assert np.array_equal(pixels_of(decode(data)), oracle(data))


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_I23_small_palettes_are_exact(bits: int, photo: Image.Image, encode: Make) -> None:
    """Palettes of 1, 2 and 4 bits are unpacked."""
    data = encode(photo.quantize(2**bits), bits=bits)

    assert np.array_equal(pixels_of(decode(data)), oracle(data))


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_I24_alpha_lies_over_white(mode: str, photo: Image.Image, encode: Make) -> None:
    """Half-transparent pixels are laid over white, to within one of exact arithmetic."""
    image = photo.convert(mode)
    image.putalpha(Image.linear_gradient("L").resize(photo.size))
    data = encode(image)

    assert np.abs(pixels_of(decode(data)).astype(int) - oracle(data)).max() <= 1


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_I24_hidden_colours_stay_hidden(mode: str, photo: Image.Image, encode: Make) -> None:
    """What lies under full transparency never shows, also not through the resize."""
    image = photo.convert(mode)
    image.putalpha(0)

    assert set(decode(encode(image), (100, 75)).rgb) == {255}


def test_I24_palette_transparency_lies_over_white(photo: Image.Image, encode: Make) -> None:
    """A palette with tRNS shows white where it is transparent."""
    image = photo.quantize(16)
    data = encode(image, transparency=bytes([0, 128] + [255] * 14))

    assert np.abs(pixels_of(decode(data)).astype(int) - oracle(data)).max() <= 1


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_I24_one_transparent_colour_becomes_white(mode: str, encode: Make) -> None:
    """RGB and grey with tRNS turn the named colour white and leave others alone."""
    image = Image.new(mode, (8, 8), 0)
    image.paste("gray", (4, 0, 8, 8))
    data = encode(image, transparency=(0, 0, 0) if mode == "RGB" else 0)
    pixels = pixels_of(decode(data))

    assert pixels[0, 0].tolist() == [255, 255, 255]
    assert pixels[0, 7].tolist() == [128, 128, 128]


def test_I25_sixteen_bit_grey_is_scaled(encode: Make) -> None:
    """16-bit grey is divided by 257 and rounded, not cut off at white."""
    ramp = np.arange(65_536, dtype=np.uint16).reshape(256, 256)
    pixels = pixels_of(decode(encode(Image.fromarray(ramp))))

    assert np.array_equal(pixels[..., 0], np.floor(ramp / 257 + 0.5).astype(np.uint8))


@pytest.mark.parametrize("colour", [2, 6])
def test_I26_sixteen_bit_colour_is_scaled(colour: int, png: Make) -> None:
    """16-bit RGB is divided by 257; with alpha it is laid over white first."""
    half = struct.pack(">H", 32_768)
    sample = struct.pack(">HHH", 65_535, 32_896, 0) + (half if colour == 6 else b"")
    pixels = pixels_of(decode(png(4, 2, colour=colour, depth=16, rows=(b"\0" + sample * 4) * 2)))
    wanted = [255, 128, 0] if colour == 2 else [255, 191, 127]

    assert np.abs(pixels.astype(int) - wanted).max() <= 1


@pytest.mark.parametrize("kind", [b"gAMA", b"iCCP", b"sRGB", b"cHRM"])
def test_I26_profiles_and_gamma_are_ignored(kind: bytes, png: Make, png_chunk: Make, photo: Image.Image) -> None:
    """Colour management leaves the numbers as they are: they are taken as sRGB."""
    body = {b"gAMA": struct.pack(">I", 100_000), b"sRGB": b"\0", b"cHRM": struct.pack(">8I", *[30_000] * 8)}
    profile = b"p3\0\0" + zlib.compress(b"not a profile" * 30)
    rows = b"".join(b"\0" + bytes([row, 100, 200] * 16) for row in range(16))
    plain = png(16, 16, colour=2, rows=rows)
    tagged = png(16, 16, colour=2, rows=rows, extra=png_chunk(kind, body.get(kind, profile)))

    assert decode(tagged).rgb == decode(plain).rgb


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("byte_order", ["little", "big"])
def test_I27_every_orientation_comes_upright(
    orientation: int, byte_order: str, photo: Image.Image, encode: Make
) -> None:
    """All eight orientations are turned as Pillow turns them, at full size and after a resize."""
    exif = Image.Exif()
    exif.endian = "<" if byte_order == "little" else ">"
    exif[0x0112] = orientation
    data = encode(photo, "JPEG", exif=exif.tobytes(), quality=95)
    size = (320, 240) if orientation < 5 else (240, 320)

    assert psnr(pixels_of(decode(data)), oracle(data)) > 60
    assert psnr(pixels_of(decode(data, size)), oracle(data, size)) > 45


@pytest.mark.parametrize(
    "size", [(448, 336), (320, 240), (600, 450), (639, 480), (100, 75), (13, 10), (640, 1), (1, 1)]
)
@pytest.mark.parametrize("format", ["PNG", "JPEG"])
def test_the_resize_is_antialiased_bicubic(
    size: tuple[int, int], format: str, photo: Image.Image, encode: Make
) -> None:
    """A picture scaled down is Pillow's bicubic to at least 60 dB."""
    data = encode(photo, format, **({"quality": 95} if format == "JPEG" else {}))

    assert psnr(pixels_of(decode(data, size)), oracle(data, size)) > 60


def test_a_large_photo_keeps_parity(encode: Make) -> None:
    """A large JPEG with grain is within 65 dB of Pillow's decoding and resize."""
    random = np.random.default_rng(1)
    coarse = Image.fromarray(random.integers(0, 255, (42, 56, 3), dtype=np.uint8)).resize((2688, 2016), 3)
    grain = random.integers(-12, 13, (2016, 2688, 1))
    data = encode(Image.fromarray(np.clip(np.asarray(coarse) + grain, 0, 255).astype(np.uint8)), "JPEG", quality=85)

    assert psnr(pixels_of(decode(data, (1195, 896))), oracle(data, (1195, 896))) > 65
    assert psnr(pixels_of(decode(data, (1195, 896), scaled_jpeg=True)), oracle(data, (1195, 896))) > 35


@pytest.mark.parametrize("size", [(60_000, 1), (1, 60_000)])
def test_I04_extreme_shapes_are_decoded(size: tuple[int, int], encode: Make) -> None:
    """A line of 60,000 pixels becomes a line of 2,688."""
    fitted = (2688, 1) if size[0] > 1 else (1, 2688)
    data = encode(Image.linear_gradient("L").resize(size))

    assert psnr(pixels_of(decode(data, fitted)), oracle(data, fitted)) > 45


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (9, 1), (2, 2), (3, 3)])
@pytest.mark.parametrize("format", ["PNG", "JPEG"])
def test_I03_the_smallest_pictures_are_decoded(size: tuple[int, int], format: str, encode: Make) -> None:
    """Pictures of one or a few pixels come out at their size."""
    picture = decode(encode(Image.new("RGB", size, "red"), format, quality=100))

    assert (picture.width_px, picture.height_px, len(picture.rgb)) == (*size, 3 * size[0] * size[1])


@pytest.mark.parametrize("tenth", range(1, 10))
@pytest.mark.parametrize("format", ["PNG", "JPEG", "progressive"])
def test_I13_a_file_cut_off_is_refused(tenth: int, format: str, photo: Image.Image, encode: Make) -> None:
    """A file that ends at any tenth is refused, never shown half grey."""
    data = encode(photo, "PNG") if format == "PNG" else encode(photo, "JPEG", progressive=format == "progressive")

    with pytest.raises(InvalidArgument, match="cut off"):
        decode(data[: len(data) * tenth // 10])


@pytest.mark.parametrize("tenth", range(3, 10))
@pytest.mark.parametrize("progressive", [False, True])
def test_I13_a_forged_end_does_not_help(tenth: int, progressive: bool, photo: Image.Image, encode: Make) -> None:
    """A JPEG cut off and closed by an end marker is refused all the same."""
    data = encode(photo, "JPEG", progressive=progressive)

    with pytest.raises(InvalidArgument, match="cut off"):
        decode(data[: len(data) * tenth // 10] + b"\xff\xd9")


def test_I12_a_bad_checksum_is_refused(photo: Image.Image, encode: Make) -> None:
    """A PNG whose pixels do not match their checksum is refused."""
    data = bytearray(encode(photo))
    data[data.index(b"IEND") - 6] ^= 1

    with pytest.raises(InvalidArgument, match="damaged"):
        decode(bytes(data))


def test_I14_a_jpeg_without_its_end_marker_is_taken(photo: Image.Image, encode: Make) -> None:
    """A JPEG whose rows are all there decodes, though its end marker is missing."""
    data = encode(photo, "JPEG")

    assert decode(data[:-2]).rgb == decode(data).rgb


def test_padding_before_the_end_marker_is_taken(photo: Image.Image, encode: Make) -> None:
    """The few bytes that cameras leave before the end marker do no harm."""
    data = encode(photo, "JPEG")

    assert decode(data[:-2] + bytes(8) + data[-2:]).rgb == decode(data).rgb


def test_I15_many_restart_markers_are_decoded(photo: Image.Image, encode: Make) -> None:
    """A JPEG with a restart marker after every block decodes."""
    data = encode(photo.resize((1200, 1000)), "JPEG", restart_marker_blocks=1, subsampling="4:4:4")

    assert data.count(b"\xff\xd0") > 1_000
    assert psnr(pixels_of(decode(data)), oracle(data)) > 60


def test_I18_an_animation_gives_its_first_picture(photo: Image.Image, encode: Make) -> None:
    """Of an APNG the first frame is taken."""
    data = encode(photo, save_all=True, append_images=[Image.new("RGB", photo.size, "blue")], duration=100)

    assert np.array_equal(pixels_of(decode(data)), np.asarray(photo))


def test_I18_a_default_image_outside_the_animation_is_taken(photo: Image.Image, encode: Make) -> None:
    """Of an APNG whose default image is not a frame, the default image is taken."""
    frames = [Image.new("RGB", photo.size, colour) for colour in ("blue", "red")]
    data = encode(photo, save_all=True, append_images=frames, default_image=True, duration=100)

    assert np.array_equal(pixels_of(decode(data)), np.asarray(photo))


def test_I18_a_multi_picture_file_gives_its_main_image(photo: Image.Image, encode: Make) -> None:
    """Of an MPO the first picture is taken."""
    data = encode(photo, "MPO", save_all=True, append_images=[Image.new("RGB", (64, 48), "blue")])

    assert psnr(pixels_of(decode(data)), pixels_of(decode(encode(photo, "JPEG")))) > 60


@pytest.mark.parametrize("format", ["PNG", "JPEG"])
def test_I19_trailing_bytes_are_ignored(format: str, photo: Image.Image, encode: Make) -> None:
    """Megabytes behind the end change nothing."""
    data = encode(photo, format)

    assert decode(data + b"PK\x03\x04" + b"\xff\xda\x00" * 500_000).rgb == decode(data).rgb


@pytest.mark.parametrize("interlaced", [0, 1])
def test_an_interlaced_png_is_decoded(interlaced: int) -> None:
    """Adam7 makes no difference: one pixel is the whole of its first pass."""
    header = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, interlaced)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(b"\0\x0a\x14\x1e")), (b"IEND", b""))
    data = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in parts
    )

    assert decode(data).rgb == b"\x0a\x14\x1e"


def test_I22_refusals_say_nothing_of_the_inside(photo: Image.Image, encode: Make) -> None:
    """The text of a refusal holds no library's words, no address and no byte of the image."""
    data = encode(photo, "JPEG")
    with pytest.raises(InvalidArgument) as caught:
        decode(data[: len(data) // 2])

    assert str(caught.value) == "The JPEG does not decode: it is damaged or cut off."


def test_I08_equal_bytes_of_another_shape_are_another_picture(png: Make) -> None:
    """Two images with the same samples but swapped sides are two pictures."""
    rows = bytes(range(12))
    wide = png(6, 2, rows=b"".join(b"\0" + rows[at : at + 6] for at in (0, 6)))
    tall = png(2, 6, rows=b"".join(b"\0" + rows[at : at + 2] for at in range(0, 12, 2)))

    assert decode(wide).rgb == decode(tall).rgb
    assert decode(wide) != decode(tall)


def test_I29_metadata_does_not_come_through(photo: Image.Image, encode: Make) -> None:
    """What leaves is pixels: as many bytes as they need, and no GPS position among them."""
    exif = Image.Exif()
    exif[0x010F] = "SERIAL-4711"
    picture = decode(encode(photo, "JPEG", exif=exif.tobytes()))

    assert len(picture.rgb) == 640 * 480 * 3
    assert b"SERIAL" not in picture.rgb

"""Measure how image bytes become pictures: decoder x resizer, against Pillow and Hugging Face, as ratios in one run.

    python bench/ingest.py [--rounds 7]

All cases of a table run in turn, round by round, and a printed ratio is the median of the rounds' ratios. Every case's
picture is compared with Pillow's exact one before its time counts. Pin it to one core (`taskset -c 0`) and trust no
figure when the load line says that the machine was busy. Differences below 15 % are noise.
"""

from __future__ import annotations

import argparse
import base64
import importlib
import importlib.util
import io
import os
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

os.environ.update({"VIPS_CONCURRENCY": "1", "RAYON_NUM_THREADS": "2", "OMP_NUM_THREADS": "1"})

import cv2
import kornia_rs
import numpy as np
import pybase64
import pyvips
import simplejpeg
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from vitrail.domain.pictures import TILE_PX, Detail
from vitrail.ingest.decode import decode_picture
from vitrail.ingest.decode_task import DecodeTask
from vitrail.ingest.sniff import sniff_image
from vitrail.ingest.tile import plan_tiles

Pixels = NDArray[np.uint8]
Size = tuple[int, int]
Decoder = Callable[[bytes], Any]
Resizer = Callable[[Any, Size], Pixels]
PEER = "Pillow + Pillow"


@dataclass(frozen=True)
class Case:
    """One way of doing a table's work; `picture` turns its result into what is compared, None when nothing is."""

    name: str
    run: Callable[[], Any]
    picture: Callable[[Any], Pixels] | None = None


def main() -> None:
    """Print every table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    cv2.setNumThreads(1)
    print(f"load {os.getloadavg()[0]:.2f} on {os.cpu_count()} cores; spin scatter {measure_scatter():.0%}\n")
    for name, data in make_images().items():
        header = sniff_image(data)
        plan = plan_tiles(header.width_px, header.height_px, Detail.HIGH)
        size = (plan.fitted_width_px, plan.fitted_height_px)
        title = f"{name}: {header.width_px} x {header.height_px}, {len(data) / 1e6:.2f} MB -> {size[0]} x {size[1]}"
        print_table(title, decoding_cases(data, size), rounds)
        print_table(f"{name}: bytes -> tiles for a model (float32)", tiling_cases(data, size), rounds)
        print_table(f"{name}: size and tokens without pixels", header_cases(data), rounds, repeat=200)
    print_table("base64 of 5 MB", base64_cases(), rounds)


def print_table(title: str, cases: list[Case], rounds: int, *, repeat: int = 1) -> None:
    """Run all cases in turn for some rounds; print the median time, the ratio to the first, and the likeness to it."""
    wanted = cases[0].picture(cases[0].run()) if cases[0].picture else None
    seconds: list[list[float]] = [[] for _ in cases]
    for _ in range(rounds):
        for case, taken in zip(cases, seconds, strict=True):
            begin = time.perf_counter()
            for _ in range(repeat):
                case.run()
            taken.append((time.perf_counter() - begin) / repeat)
    print(f"{title}\n{'case':44}{'ms':>9}{'x peer':>9}{'PSNR dB':>9}")
    for case, taken in zip(cases, seconds, strict=True):
        ratio = statistics.median(peer / own for peer, own in zip(seconds[0], taken, strict=True))
        likeness = f"{psnr(case.picture(case.run()), wanted):.0f}" if case.picture and wanted is not None else "-"
        print(f"{case.name:44}{statistics.median(taken) * 1e3:9.3f}{ratio:9.2f}{likeness:>9}")
    print()


def decoding_cases(data: bytes, size: Size) -> list[Case]:
    """Return decoder x resizer for one image; the first is Pillow's exact path, the last what the server runs."""
    decoders = dict(PNG_DECODERS if data.startswith(b"\x89PNG") else JPEG_DECODERS)
    if Image.open(io.BytesIO(data)).mode == "RGBA":
        decoders.pop("kornia-rs")  # it gives four channels and leaves the laying over white to others
    cases = [Case(PEER, lambda: pillow_exact(data, size), lambda picture: picture)]
    for decoder_name, decode in decoders.items():
        for resizer_name, resize in RESIZERS.items():
            cases.append(Case(f"{decoder_name} + {resizer_name}", chain(decode, resize, data, size), np.asarray))
        cases.append(Case(f"(limit: {decoder_name}, no resize)", lambda decode=decode: decode(data)))  # type: ignore[misc]
    cases.append(Case("vitrail", lambda: run_vitrail(data, size), lambda picture: picture))
    if data.startswith(b"\xff\xd8"):
        cases.append(Case("vitrail, scaled_jpeg", lambda: run_vitrail(data, size, True), lambda picture: picture))
    return cases


def tiling_cases(data: bytes, size: Size) -> list[Case]:
    """Return Pillow, Hugging Face's processors where installed, and the server's picture, each down to float tiles."""
    cases = [Case("Pillow exact, packed by numpy", lambda: pack_tiles(pillow_exact(data, size)))]
    cases += [Case(name, lambda run=run: run(data)) for name, run in hugging_face_processors().items()]  # type: ignore[misc]
    return [*cases, Case("vitrail, packed by numpy", lambda: pack_tiles(run_vitrail(data, size)))]


def header_cases(data: bytes) -> list[Case]:
    """Return ways to learn the size of an image; ours counts its tokens too."""

    def ours() -> int:
        header = sniff_image(data)
        return plan_tiles(*header.upright_size_px, Detail.HIGH).image_tokens

    cases = [Case("Pillow, lazy open", lambda: Image.open(io.BytesIO(data)).size)]
    if importlib.util.find_spec("imagesize"):
        imagesize = importlib.import_module("imagesize")
        cases.append(Case("imagesize", lambda: imagesize.get(io.BytesIO(data))))
    return [*cases, Case("vitrail sniff + plan", ours)]


def base64_cases() -> list[Case]:
    """Return ways to decode a data URI's payload."""
    encoded = base64.b64encode(np.random.default_rng(1).bytes(5_000_000))
    view = memoryview(encoded)
    return [
        Case("base64.b64decode", lambda: base64.b64decode(encoded)),
        Case("pybase64.b64decode", lambda: pybase64.b64decode(view)),
        Case("pybase64.b64decode(validate=True)", lambda: pybase64.b64decode(view, validate=True)),
        Case("(limit: memcpy)", lambda: bytes(view)),
    ]


def pillow_exact(data: bytes, size: Size) -> Pixels:
    """Return Pillow's picture over white: the oracle."""
    image: Image.Image = Image.open(io.BytesIO(data))
    if image.mode == "RGBA":
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return np.asarray(image.convert("RGB").resize(size, Image.Resampling.BICUBIC), np.uint8)


def run_vitrail(data: bytes, size: Size, scaled_jpeg: bool = False) -> Pixels:
    """Return what a decode worker makes of an image."""
    header = sniff_image(data)
    task = DecodeTask(data, header.format, 1, header.width_px, header.height_px, *size, scaled_jpeg)
    return np.frombuffer(decode_picture(task).rgb, np.uint8).reshape(size[1], size[0], 3)


def chain(decode: Decoder, resize: Resizer, data: bytes, size: Size) -> Callable[[], Pixels]:
    """Return both steps as one."""
    return lambda: resize(decode(data), size)


def vips_png(data: bytes) -> Pixels:
    """Return a PNG's pixels by libvips, over white."""
    image = pyvips.Image.pngload_buffer(data, access="sequential")
    image = image.flatten(background=[255]) if image.hasalpha() else image
    return np.ndarray(buffer=image.write_to_memory(), dtype=np.uint8, shape=(image.height, image.width, 3))


def opencv_any(data: bytes) -> Pixels:
    """Return pixels by OpenCV; alpha is dropped, not laid over white."""
    return np.asarray(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB), np.uint8)


def kornia_png(data: bytes) -> Pixels:
    """Return an opaque PNG's pixels by kornia-rs."""
    header = sniff_image(data)
    return np.asarray(kornia_rs.io.decode_image_png_u8(data, (header.height_px, header.width_px), "rgb"), np.uint8)


def resize_by_vips(pixels: Any, size: Size) -> Pixels:
    """Return a resize by libvips' cubic kernel."""
    rows, columns, _ = pixels.shape
    image = pyvips.Image.new_from_memory(pixels, columns, rows, 3, "uchar")
    image = image.resize(size[0] / columns, vscale=size[1] / rows, kernel="cubic", gap=0)
    return np.ndarray(buffer=image.write_to_memory(), dtype=np.uint8, shape=(image.height, image.width, 3))


JPEG_DECODERS: dict[str, Decoder] = {
    "simplejpeg": lambda data: simplejpeg.decode_jpeg(data, "RGB"),
    "opencv": opencv_any,
    "Pillow": lambda data: np.asarray(Image.open(io.BytesIO(data)).convert("RGB")),
}
PNG_DECODERS: dict[str, Decoder] = {"pyvips": vips_png, "opencv": opencv_any, "kornia-rs": kornia_png}
RESIZERS: dict[str, Resizer] = {
    "kornia-rs": lambda pixels, size: np.asarray(
        kornia_rs.imgproc.resize(pixels, (size[1], size[0]), "bicubic", antialias=True), np.uint8
    ),
    "pyvips": resize_by_vips,
    "Pillow": lambda pixels, size: np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC), np.uint8),
    "opencv area": lambda pixels, size: np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8),
}


def pack_tiles(picture: Pixels) -> NDArray[np.float32]:
    """Return (tiles + 1, 3, 448, 448) float32: the grid, padded at its edges, and the overview."""
    rows, columns = -(-picture.shape[0] // TILE_PX), -(-picture.shape[1] // TILE_PX)
    padded = np.zeros((rows * TILE_PX, columns * TILE_PX, 3), np.uint8)
    padded[: picture.shape[0], : picture.shape[1]] = picture
    grid = padded.reshape(rows, TILE_PX, columns, TILE_PX, 3).transpose(0, 2, 4, 1, 3)
    overview = np.asarray(Image.fromarray(picture).resize((TILE_PX, TILE_PX), Image.Resampling.BICUBIC))
    tiles = np.concatenate([grid.reshape(-1, 3, TILE_PX, TILE_PX), overview.transpose(2, 0, 1)[None]])
    mean, deviation = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    scale, shift = (1 / 255 / deviation).astype(np.float32), (-mean / deviation).astype(np.float32)
    packed: NDArray[np.float32] = tiles * scale[:, None, None] + shift[:, None, None]
    return packed


def hugging_face_processors() -> dict[str, Callable[[bytes], Any]]:
    """Return the processors of an InternVL-style model that are installed here, from image bytes to tiles."""
    options = {
        "size": {"height": TILE_PX, "width": TILE_PX},
        "crop_to_patches": True,
        "min_patches": 1,
        "max_patches": 6,
        "image_mean": [0.485, 0.456, 0.406],
        "image_std": [0.229, 0.224, 0.225],
    }
    found: dict[str, Callable[[bytes], Any]] = {}
    for name, module, kind, tensors in (
        ("HF pil", "image_processing_pil_got_ocr2", "GotOcr2ImageProcessorPil", "np"),
        ("HF fast", "image_processing_got_ocr2", "GotOcr2ImageProcessor", "pt"),
    ):
        try:
            package = importlib.import_module(f"transformers.models.got_ocr2.{module}")
            processor = getattr(package, kind)(**options)
        except Exception as error:  # noqa: BLE001 - a peer that does not load is left out, and said so
            print(f"({name} left out: {type(error).__name__})")
            continue
        found[name] = lambda data, processor=processor, tensors=tensors: processor(  # type: ignore[misc]
            Image.open(io.BytesIO(data)).convert("RGB"), return_tensors=tensors
        )
    return found


def make_images() -> dict[str, bytes]:
    """Return photos with grain and a drawn screenshot, made from fixed seeds."""
    return {
        "12 MP JPEG": encode(make_photo(4032, 3024), "JPEG", quality=88),
        "2 MP JPEG": encode(make_photo(1632, 1224), "JPEG", quality=85),
        "4K screenshot PNG": encode(make_screenshot(), "PNG"),
        "4K screenshot RGBA PNG": encode(make_screenshot().convert("RGBA"), "PNG"),
        "256 px PNG": encode(make_photo(256, 256), "PNG"),
    }


def make_photo(width: int, height: int) -> Image.Image:
    """Return soft shapes under grain: real entropy, no real optics."""
    random = np.random.default_rng(7)
    coarse = Image.fromarray(random.integers(0, 255, (24, 32, 3), dtype=np.uint8))
    soft = np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC)).astype(np.int16)
    return Image.fromarray(np.clip(soft + random.integers(-9, 10, (height, width, 1)), 0, 255).astype(np.uint8))


def make_screenshot() -> Image.Image:
    """Return 3840 x 2160 pixels of windows, lines of text and a photo: the harder case for a resizer."""
    random = np.random.default_rng(7)
    image = Image.new("RGB", (3840, 2160), (245, 246, 248))
    draw = ImageDraw.Draw(image)
    for row in range(0, 2160, 28):
        words = " ".join("".join(chr(97 + letter) for letter in random.integers(0, 26, 7)) for _ in range(70))
        draw.text((20, row), words, fill=(20, 20, 40), font_size=20)
    image.paste(make_photo(1400, 900), (2300, 300))
    draw.rectangle((2290, 290, 3710, 1210), outline=(30, 90, 200), width=3)
    return image


def encode(image: Image.Image, format: str, **options: Any) -> bytes:
    """Return a picture as a file's bytes."""
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def psnr(found: Pixels, wanted: Pixels) -> float:
    """Return the likeness of two pictures in dB; 99 for equal ones, 0 for different sizes."""
    if found.shape != wanted.shape:
        return 0.0
    error = float(np.mean((found.astype(np.float64) - wanted.astype(np.float64)) ** 2))
    return 99.0 if error == 0 else 10 * float(np.log10(255**2 / error))


def measure_scatter() -> float:
    """Return how far the slowest of some equal spins is behind the fastest: above a tenth, the machine is shared."""
    taken = []
    for _ in range(9):
        begin = time.perf_counter()
        sum(range(1_000_000))
        taken.append(time.perf_counter() - begin)
    return max(taken) / min(taken) - 1


if __name__ == "__main__":
    main()

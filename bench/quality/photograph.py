"""Make a clean page look scanned or photographed, at random strength. Called by drawing. Knows nothing of questions."""

from __future__ import annotations

import io
from enum import StrEnum
from random import Random

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

_MAX_SIDE_PX = 1600
_MIN_TYPE_PX = 16


class Medium(StrEnum):
    """How the page came to be a file."""

    CLEAN = "clean"
    RESAVED = "resaved"
    SCAN = "scan"
    PHOTO = "photo"


def photograph(page: Image.Image, type_px: int, rng: Random, *, in_colour: bool) -> tuple[bytes, Medium]:
    """The page as a PNG or JPEG file; type stays at least 16 px high, so that a person can read it."""
    medium = rng.choices(tuple(Medium), weights=(35, 22, 18, 25))[0]
    image = _scaled(page.convert("RGB"), type_px, rng)
    match medium:
        case Medium.CLEAN:
            return _encoded(image, None), medium
        case Medium.RESAVED:
            return _encoded(image, rng.randint(30, 80)), medium
        case Medium.SCAN:
            return _encoded(_scanned(image, rng, in_colour=in_colour), rng.randint(50, 90)), medium
        case Medium.PHOTO:
            return _encoded(_photographed(image, rng), rng.randint(40, 90)), medium


def _scaled(image: Image.Image, type_px: int, rng: Random) -> Image.Image:
    smallest = min(1.0, _MIN_TYPE_PX / type_px)
    factor = rng.choice((1.0, 1.0, rng.uniform(smallest, 1.25)))
    factor = max(smallest, min(factor, _MAX_SIDE_PX / max(image.size)))
    return image.resize((round(image.width * factor), round(image.height * factor)), Image.Resampling.LANCZOS)


def _scanned(image: Image.Image, rng: Random, *, in_colour: bool) -> Image.Image:
    paper = image.getpixel((2, 2))
    turned = image.rotate(rng.uniform(-1.5, 1.5), Image.Resampling.BICUBIC, expand=True, fillcolor=_colour(paper))
    grey = ImageOps.grayscale(turned).convert("RGB") if rng.random() < 0.6 and not in_colour else turned
    faded = ImageEnhance.Contrast(grey).enhance(rng.uniform(0.45, 1.1))
    soft = faded.filter(ImageFilter.GaussianBlur(rng.uniform(0.2, 0.9)))
    return _with_noise(soft, rng.uniform(1, 14), rng)


def _photographed(image: Image.Image, rng: Random) -> Image.Image:
    desk = rng.choice(((96, 74, 52), (60, 64, 70), (150, 142, 130), (40, 58, 48), (120, 110, 140)))
    placed = ImageOps.expand(image, rng.randint(30, 90), desk)
    turned = placed.rotate(rng.uniform(-4, 4), Image.Resampling.BICUBIC, expand=True, fillcolor=desk)
    leaned = _leaned(turned, rng.uniform(0.0, 0.035), desk, rng)
    soft = leaned.filter(ImageFilter.GaussianBlur(rng.uniform(0.3, 1.3)))
    shaded = _shaded(soft, rng.uniform(0.4, 0.95), rng)
    return _with_noise(ImageEnhance.Contrast(shaded).enhance(rng.uniform(0.55, 1.1)), rng.uniform(1, 12), rng)


def _leaned(image: Image.Image, strength: float, desk: tuple[int, int, int], rng: Random) -> Image.Image:
    width, height = image.size
    corners = [(0.0, 0.0), (width, 0.0), (width, height), (0.0, height)]
    moved = [
        (x + rng.uniform(-1, 1) * strength * width, y + rng.uniform(-1, 1) * strength * height) for x, y in corners
    ]
    equations, values = [], []
    for (x, y), (u, v) in zip(corners, moved, strict=True):
        equations.append([x, y, 1, 0, 0, 0, -u * x, -u * y])
        equations.append([0, 0, 0, x, y, 1, -v * x, -v * y])
        values += [u, v]
    plane = tuple(float(value) for value in np.linalg.solve(np.array(equations), np.array(values)))
    return image.transform(image.size, Image.Transform.PERSPECTIVE, plane, Image.Resampling.BICUBIC, fillcolor=desk)


def _shaded(image: Image.Image, darkest: float, rng: Random) -> Image.Image:
    height, width = image.height, image.width
    angle = rng.uniform(0, 2 * np.pi)
    across = np.linspace(-1, 1, width)[None, :] * np.cos(angle) + np.linspace(-1, 1, height)[:, None] * np.sin(angle)
    light = darkest + (1.05 - darkest) * (across - across.min()) / (across.max() - across.min())
    pixels = np.asarray(image, dtype=np.float32) * light[:, :, None].astype(np.float32)
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def _with_noise(image: Image.Image, strength: float, rng: Random) -> Image.Image:
    source = np.random.default_rng(rng.getrandbits(32))
    grain = strength * source.standard_normal((image.height, image.width, 3), dtype=np.float32)
    return Image.fromarray(np.clip(np.asarray(image, dtype=np.float32) + grain, 0, 255).astype(np.uint8))


def _encoded(image: Image.Image, quality: int | None) -> bytes:
    buffer = io.BytesIO()
    if quality is None:
        image.save(buffer, "PNG")
    else:
        image.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def _colour(pixel: object) -> tuple[int, int, int]:
    red, green, blue = pixel if isinstance(pixel, tuple) else (255, 255, 255)
    return int(red), int(green), int(blue)

"""What `gateway` and `follow_up` share: random vision models of several sizes, photographs, Vitrail in front of both.

The models' words are noise; what they cost is what a trained model of that size costs.
"""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from PIL import Image

from tests.fixtures.tiny_vlm import TINY_LANGUAGE, TINY_VISION, Size, write_tiny_vlm
from vitrail.testing.server import VitrailServer, start_server

CONTEXT_TOKENS = 8192
_SMOL = Size(layers=30, width=576, inner=1536, heads=9, kv_heads=3, amplitude=0.02, half=True)
_INTERN_VIT = Size(layers=24, width=1024, inner=4096, heads=16, kv_heads=16, amplitude=0.02, half=True)

SIZES: Mapping[str, tuple[Size, Size]] = MappingProxyType(
    {
        "tiny": (TINY_LANGUAGE, TINY_VISION),
        "135m": (_SMOL, TINY_VISION),  # as large as SmolLM2-135M, with a projector that costs nothing
        "internvit": (_SMOL, _INTERN_VIT),  # the encoder as large as InternViT-300M
    }
)


@dataclass(frozen=True, slots=True)
class Weights:
    """The two files of a model."""

    gguf: Path
    mmproj: Path


def write_weights(size: str, folder: Path) -> Weights:
    """Write a random model of a size in `SIZES`, whose answers are as long as they are allowed to be."""
    language, vision = SIZES[size]
    return Weights(*write_tiny_vlm(folder, language=language, vision=vision, ends=False))


@contextmanager
def serve(
    folder: Path,
    models: Sequence[Mapping[str, Any]],
    *,
    parallel: int,
    cache_bytes: int,
    picture_format: str = "png",
    scaled_jpeg: bool = False,
) -> Iterator[VitrailServer]:
    """Run Vitrail with these models; `cache_bytes` is for pictures that it has prepared before."""
    config = folder / "vitrail.toml"
    tables = "\n".join(
        "[[models]]\n" + "\n".join(f"{name} = {json.dumps(value)}" for name, value in model.items()) for model in models
    )
    llama = f"[llama]\ncontext_tokens = {CONTEXT_TOKENS}\nparallel = {parallel}\n"
    upstream = f'[upstream]\npicture_format = "{picture_format}"\n'
    decode = f"[decode]\nscaled_jpeg = {json.dumps(scaled_jpeg)}\n"
    config.write_text(f"{tables}\n{llama}{upstream}{decode}[images]\ncache_bytes = {cache_bytes}\n")
    with start_server(folder, config=config) as server:
        yield server


def draw_photo(width_px: int, height_px: int, *, seed: int, format: str = "JPEG") -> str:
    """Return something with the detail of a photograph, as a data URI."""
    random = np.random.default_rng(seed)
    coarse = Image.fromarray(random.integers(0, 255, (24, 32, 3), dtype=np.uint8))
    smooth = np.asarray(coarse.resize((width_px, height_px), Image.Resampling.BICUBIC), np.int16)
    grain = random.integers(-6, 7, (height_px, width_px, 1), dtype=np.int16)
    out = io.BytesIO()
    Image.fromarray(np.clip(smooth + grain, 0, 255).astype(np.uint8)).save(out, format, quality=90)
    return f"data:image/{format.lower()};base64," + base64.b64encode(out.getvalue()).decode()

"""`vitrail tokens`: what images cost and how they are cut, without asking any model."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from PIL import Image, ImageDraw
from rich.table import Table

from vitrail.app import open_ingest
from vitrail.cli.options import AsJson, ConfigFile, load
from vitrail.cli.pictures import image_reference
from vitrail.cli.tables import open_stdout
from vitrail.domain.pictures import TILE_PX, Detail, MeasuredImage, PreparedImage
from vitrail.settings import Settings

_LINE = (230, 57, 70)


def tokens(
    images: Annotated[list[str], typer.Argument(metavar="IMAGE...", help="Files or URLs.")],
    detail: Annotated[Detail, typer.Option("--detail", help="How closely a model would look.")] = Detail.AUTO,
    draw: Annotated[Path | None, typer.Option("--draw", help="Write the picture with its tiles drawn on it.")] = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Show the tile grid and the image tokens of pictures; `--draw out.png` shows the tiles."""
    settings = load(data_dir=None, config=config)
    measured, prepared = asyncio.run(_measure(settings, images, detail, decode=draw is not None))
    if draw is not None:
        for number, image in enumerate(prepared, start=1):
            path = draw if len(prepared) == 1 else draw.with_stem(f"{draw.stem}-{number}")
            draw_tiles(image).save(path)
    rows = [_row(image) for image in measured]
    if as_json:
        print(json.dumps({"data": rows, "image_tokens": sum(image.plan.image_tokens for image in measured)}))
    else:
        _print_table(measured)


async def _measure(
    settings: Settings, images: Sequence[str], detail: Detail, *, decode: bool
) -> tuple[tuple[MeasuredImage, ...], tuple[PreparedImage, ...]]:
    ingest = open_ingest(settings)
    try:
        measured = await ingest.measure([image_reference(name, detail) for name in images])
        prepared = await ingest.prepare(measured, team_id="", long_edge_px=None) if decode else ()
    finally:
        await ingest.close()
    return measured, prepared


def draw_tiles(image: PreparedImage) -> Image.Image:
    """Return the fitted picture with the edges of its 448 px tiles drawn on it."""
    picture, plan = image.picture, image.plan
    drawn = Image.frombytes("RGB", (picture.width_px, picture.height_px), picture.rgb)
    pen = ImageDraw.Draw(drawn)
    columns, rows = max(plan.columns, 1), max(plan.rows, 1)
    for column in range(columns):
        for row in range(rows):
            left, top = column * TILE_PX, row * TILE_PX
            right = min(left + TILE_PX, picture.width_px) - 1
            bottom = min(top + TILE_PX, picture.height_px) - 1
            if right > left and bottom > top:
                pen.rectangle((left, top, right, bottom), outline=_LINE, width=2)
    return drawn


def _row(image: MeasuredImage) -> dict[str, object]:
    plan = image.plan
    return {
        "image": image.where,
        "sha256": hashlib.sha256(image.data).hexdigest(),
        "format": image.format.value,
        "width": image.width_px,
        "height": image.height_px,
        "columns": plan.columns,
        "rows": plan.rows,
        "tiles": plan.tiles,
        "fitted_width": plan.fitted_width_px,
        "fitted_height": plan.fitted_height_px,
        "image_tokens": plan.image_tokens,
    }


def _print_table(images: Sequence[MeasuredImage]) -> None:
    table = Table("image", "pixels", "fitted", "grid", "tokens")
    for image in images:
        plan = image.plan
        grid = f"{plan.columns} x {plan.rows} + overview" if plan.tiles else "overview"
        fitted = f"{plan.fitted_width_px} x {plan.fitted_height_px}"
        table.add_row(image.where, f"{image.width_px} x {image.height_px}", fitted, grid, f"{plan.image_tokens:,}")
    if len(images) > 1:
        table.add_row("total", "", "", "", f"{sum(i.plan.image_tokens for i in images):,}", style="bold")
    open_stdout().print(table)

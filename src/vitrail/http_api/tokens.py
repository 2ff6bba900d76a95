"""`POST /v1/tokenize-text` and `POST /v1/image-tokens`: count before you pay."""

from __future__ import annotations

import asyncio
from typing import Literal

from msgspec import Struct
from starlette.responses import Response

from vitrail.http_api.disconnect import while_connected
from vitrail.http_api.exchange import AdmittedExchange
from vitrail.http_api.json_answer import render_json
from vitrail.http_api.json_body import decode_body
from vitrail.http_api.opening import open_body
from vitrail.http_api.parse_chat import parse_chat
from vitrail.service.tokens import TokenView


class Tokenize(Struct):
    """A text, and the model whose tokenizer is to cut it."""

    text: str
    model: str
    user: str | None = None


class TokenRow(Struct):
    """One token; it may be part of a character, so its bytes are given too."""

    token_id: int
    string_token: str
    token_bytes: list[int]


class Tokenized(Struct):
    """The tokens of a text, in order."""

    token_ids: list[TokenRow]


class ImageTokensRow(Struct):
    """One image of the request: its upright size, its EXIF orientation, the tile grid that it gets, and its tokens."""

    where: str
    width: int
    height: int
    orientation: int
    format: str
    columns: int
    rows: int
    tiles: int
    fitted_width: int
    fitted_height: int
    image_tokens: int


class ImageTokensList(Struct):
    """What the images of a request would count as."""

    object: Literal["list"]
    data: list[ImageTokensRow]
    image_tokens: int


async def tokenize_text(admitted: AdmittedExchange) -> Response:
    """Cut a text into tokens."""
    exchange = admitted.exchange
    limit_bytes = min(exchange.options.tokenize_body_bytes, exchange.options.body_bytes)
    async with exchange.bodies.read(exchange.headers, exchange.receive, limit_bytes=limit_bytes) as body:
        asked = decode_body(body, Tokenize)
    work = exchange.services.tokens.tokenize(model=asked.model, text=asked.text, grant=admitted.grant)
    tokens = await while_connected(exchange.receive, work)
    return render_json(Tokenized(token_ids=await asyncio.to_thread(_render_rows, tokens)))  # there may be a million


def _render_rows(tokens: tuple[TokenView, ...]) -> list[TokenRow]:
    return [TokenRow(token_id=t.token_id, string_token=t.string_token, token_bytes=list(t.token_bytes)) for t in tokens]


async def count_images(admitted: AdmittedExchange) -> Response:
    """Count the image tokens of a chat request without answering it; no pixel is decoded and nothing is billed."""
    tokens = admitted.exchange.services.tokens
    images = await open_body(
        admitted.exchange, parse_chat, lambda parsed: tokens.image_tokens(parsed[0], admitted.grant)
    )
    rows = [
        ImageTokensRow(
            where=image.where,
            width=image.width_px,
            height=image.height_px,
            orientation=image.orientation,
            format=image.format.value,
            columns=image.plan.columns,
            rows=image.plan.rows,
            tiles=image.plan.tiles,
            fitted_width=image.plan.fitted_width_px,
            fitted_height=image.plan.fitted_height_px,
            image_tokens=image.plan.image_tokens,
        )
        for image in images
    ]
    return render_json(ImageTokensList(object="list", data=rows, image_tokens=sum(row.image_tokens for row in rows)))

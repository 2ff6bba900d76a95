"""Count without generating: a text's tokens, and what each image of a request would be billed."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from vitrail.domain.chat import ChatRequest
from vitrail.domain.completion import Usage
from vitrail.domain.keys import Grant
from vitrail.domain.pictures import ImageFormat, TilePlan
from vitrail.engines.base import Engine, Token
from vitrail.ingest.prepare import Ingest
from vitrail.service.answer_shape import plan_shape
from vitrail.service.catalog import Catalog
from vitrail.service.completion import build_prompt
from vitrail.service.refusals import check_capabilities


@dataclass(frozen=True, slots=True)
class TokenView:
    """One token as `/v1/tokenize-text` shows it."""

    token_id: int
    string_token: str
    token_bytes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ImageTokens:
    """What one image of a request is: its upright size, its EXIF orientation, its tile plan and so its tokens."""

    where: str
    format: ImageFormat
    width_px: int
    height_px: int
    orientation: int
    plan: TilePlan


class Tokens:
    """Count tokens of text with a model's own tokenizer, and of images by the tile rule."""

    def __init__(self, *, catalog: Catalog, ingest: Ingest, engines: Mapping[str, Engine]) -> None:
        self._catalog = catalog
        self._ingest = ingest
        self._engines = engines

    async def tokenize(self, *, model: str, text: str, grant: Grant) -> tuple[TokenView, ...]:
        """Return the tokens of `text` by the tokenizer of `model`."""
        engine = self._engines[self._catalog.resolve_language(model, grant).id]
        return await asyncio.to_thread(_view, await engine.tokenize(text))  # there may be a million

    async def prompt_usage(self, request: ChatRequest, grant: Grant) -> Usage:
        """Return text and image tokens of a whole request, also of one that is too long to be answered."""
        model = self._catalog.resolve_language(request.model, grant)
        engine = self._engines[model.id]
        check_capabilities(request, model, engine.capabilities)
        request, _ = await plan_shape(request)
        images = await self._ingest.measure(request.image_references)
        text_tokens = await engine.count_text_tokens(build_prompt(request, ()))
        return Usage(text_tokens=text_tokens, image_tokens=sum(image.plan.image_tokens for image in images))

    async def image_tokens(self, request: ChatRequest, grant: Grant) -> tuple[ImageTokens, ...]:
        """Return size, tile plan and tokens of every image, in order; no pixel is decoded."""
        self._catalog.resolve_language(request.model, grant)
        return tuple(
            ImageTokens(
                where=image.where,
                format=image.format,
                width_px=image.width_px,
                height_px=image.height_px,
                orientation=image.orientation,
                plan=image.plan,
            )
            for image in await self._ingest.measure(request.image_references)
        )


def _view(tokens: tuple[Token, ...]) -> tuple[TokenView, ...]:
    return tuple(
        TokenView(token_id=token.id, string_token=token.text, token_bytes=tuple(token.raw)) for token in tokens
    )

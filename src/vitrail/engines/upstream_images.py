"""The upstream engine of image models: any server with OpenAI's `/images/generations` behind a base URL.

Made by `app.py`. Images are asked for as base64, so no address of the other side reaches a client, and nothing is
fetched. Nothing that it says in an error is told. A request is sent once: a second one may be drawn, and paid, twice.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import time

import msgspec
import pybase64

from vitrail.domain.errors import ContextTooLong, Failure, InvalidArgument, Unavailable
from vitrail.engines.base import Health
from vitrail.engines.image_base import DrawnImage
from vitrail.engines.openai_client import OpenAIClient, Patience, show_url
from vitrail.engines.openai_errors import KeyRefused, NotServed
from vitrail.engines.upstream_options import UpstreamOptions
from vitrail.engines.upstream_standing import Standing

_DATA_URI_HEAD = re.compile(r"data:image/[a-z]{1,10};base64,")  # some servers write it before the base64


class _Row(msgspec.Struct):
    b64_json: str
    revised_prompt: str | None = None


class _Answer(msgspec.Struct):
    data: list[_Row]


class UpstreamImages:
    """Asks for images of `model` at `base_url`, which ends before `/images/generations`, usually with `/v1`."""

    def __init__(
        self, options: UpstreamOptions, *, base_url: str, model: str, name: str | None = None, key: str | None = None
    ) -> None:
        self._options = options
        self._base_url = base_url.rstrip("/")
        self._model = model
        self._key = key
        self._about = {"model": name or model, "base_url": show_url(self._base_url)}
        self._standing = Standing(model=model, lists_all=False, about=self._about, monotonic=time.monotonic)
        self._client: OpenAIClient | None = None

    @property
    def fingerprint(self) -> str:
        """Return text over address and model; changes over there cannot be seen from here."""
        seen = json.dumps([self._base_url, self._model])
        return f"upstream-images-{hashlib.sha256(seen.encode()).hexdigest()[:16]}"

    async def start(self) -> None:
        """Make the client; the other server need not be up yet, health tells."""
        options = self._options
        patience = Patience(
            connect_seconds=options.connect_seconds,
            first_piece_seconds=options.image_seconds,
            idle_seconds=options.idle_seconds,
            call_seconds=options.call_seconds,
        )
        self._client = OpenAIClient(self._base_url, key=self._key, patience=patience, about=self._about)

    async def close(self) -> None:
        """Drop every connection; generations in flight fail with Unavailable."""
        if self._client is not None:
            client, self._client = self._client, None
            await client.close()

    async def health(self) -> Health:
        """Return whether the other server lists its models."""
        try:
            trouble = self._standing.check_names(await self._open_client().call("GET", "/models"))
        except Failure as failure:
            if isinstance(failure, KeyRefused):
                self._standing.note_refused_key()
            return Health(ready=False, detail=f"{self._about['base_url']}: {type(failure).__name__}")
        return Health(ready=not trouble, detail=f"{self._about['base_url']} {trouble}".strip())

    async def draw(self, prompt: str, *, n: int) -> tuple[DrawnImage, ...]:
        """Return one to `n` images; raises Unavailable, RateLimited or InvalidArgument."""
        body = {"model": self._model, "prompt": prompt, "n": n, "response_format": "b64_json"}
        options = self._options
        try:
            answer = await self._open_client().post_bounded(
                "/images/generations", body, seconds=options.image_seconds, limit_bytes=options.image_answer_bytes
            )
        except (KeyRefused, NotServed) as failure:
            await self._standing.note_refusal(failure, self._open_client())
            raise
        except ContextTooLong:
            raise
        except InvalidArgument as failure:
            raise InvalidArgument("The image model refused the request.") from failure
        self._standing.note_answer()
        return await asyncio.to_thread(_parse_images, answer, n)

    def _open_client(self) -> OpenAIClient:
        if self._client is None:
            raise Unavailable
        return self._client


def _parse_images(answer: bytes, n: int) -> tuple[DrawnImage, ...]:
    """Return the images of an answer, at most `n`; raises Unavailable for another shape, or without one."""
    try:
        rows = msgspec.json.decode(answer, type=_Answer).data[:n]
        images = tuple(DrawnImage(_decode(row.b64_json), row.revised_prompt) for row in rows)
    except (ValueError, RecursionError) as failure:  # msgspec's errors and that of the base64 are ValueErrors
        raise Unavailable from failure
    if not images:
        raise Unavailable
    return images


def _decode(text: str) -> bytes:
    head = _DATA_URI_HEAD.match(text)
    return pybase64.b64decode(text[head.end() :] if head else text, validate=True)

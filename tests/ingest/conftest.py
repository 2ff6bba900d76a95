"""Images made in code, references to them, and a scripted image host on loopback."""

from __future__ import annotations

import asyncio
import base64
import io
import struct
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web
from hypothesis import settings
from PIL import Image

from vitrail.domain.pictures import Detail, ImageReference

# The same examples every time.
settings.register_profile("ingest", settings.get_profile("vitrail"), derandomize=True)
settings.load_profile("ingest")

WHERE = "messages[0].content[1].image_url.url"
Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


def _encode(image: Image.Image, format: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def _refer(url: str | bytes, detail: Detail = Detail.AUTO, where: str = WHERE) -> ImageReference:
    return ImageReference(memoryview(url.encode() if isinstance(url, str) else url), detail, where)


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _png(
    width: int, height: int, *, colour: int = 0, depth: int = 8, rows: bytes | None = None, extra: bytes = b""
) -> bytes:
    """Return a PNG put together by hand; without rows, one whose pixels are all zero and deflate to nothing."""
    if rows is None:
        samples = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour]
        rows = bytes(height * (1 + -(-width * samples * depth // 8)))
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    pixels = _chunk(b"IDAT", zlib.compress(rows, 9))
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + extra + pixels + _chunk(b"IEND", b"")


@pytest.fixture(scope="session")
def encode() -> Callable[..., bytes]:
    """Return `encode(image, format, **options) -> bytes`, by Pillow."""
    return _encode


@pytest.fixture(scope="session")
def png() -> Callable[..., bytes]:
    """Return `png(width, height, colour=, depth=, rows=, extra=) -> bytes`."""
    return _png


@pytest.fixture(scope="session")
def png_chunk() -> Callable[[bytes, bytes], bytes]:
    """Return `png_chunk(kind, body) -> bytes` with length and checksum."""
    return _chunk


@pytest.fixture(scope="session")
def refer() -> Callable[..., ImageReference]:
    """Return `refer(url, detail, where) -> ImageReference`."""
    return _refer


@pytest.fixture(scope="session")
def data_uri() -> Callable[..., bytes]:
    """Return `data_uri(data, type) -> bytes`."""
    return lambda data, type="image/png": f"data:{type};base64,".encode() + base64.b64encode(data)


@pytest.fixture(scope="session")
def photo() -> Image.Image:
    """Return an RGB picture of 640 x 480 with gradients, an edge and a corner that differs from the others."""
    image = Image.merge(
        "RGB",
        (
            Image.linear_gradient("L").resize((640, 480)),
            Image.linear_gradient("L").rotate(90).resize((640, 480)),
            Image.radial_gradient("L").resize((640, 480)),
        ),
    )
    image.paste((220, 30, 40), (0, 0, 160, 120))
    image.paste((20, 200, 60), (480, 0, 640, 120))
    return image


@dataclass
class ImageHost:
    """A local web server whose answers a test scripts; it remembers what it was asked."""

    port: int = 0
    answers: dict[str, Answer] = field(default_factory=dict)
    requests: list[web.Request] = field(default_factory=list)
    dialled: list[str] = field(default_factory=list)
    asked: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def name(self) -> str:
        """Return `host:port`."""
        return f"127.0.0.1:{self.port}"

    def url(self, path: str) -> str:
        """Return the URL of a path on this host."""
        return f"http://{self.name}{path}"

    def serve(self, path: str, body: bytes, **options: Any) -> str:
        """Answer a path with fixed bytes; return its URL."""

        async def answer(_: web.Request) -> web.StreamResponse:
            return web.Response(body=body, **options)

        self.answers[path] = answer
        return self.url(path)

    def redirect(self, path: str, location: str | None, status: int = 302) -> str:
        """Answer a path with a redirect; return its URL."""
        return self.serve(path, b"", status=status, headers={"Location": location} if location is not None else {})

    async def _dispatch(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request)
        assert request.transport is not None
        self.dialled.append(request.transport.get_extra_info("sockname")[0])
        self.asked.set()
        answer = self.answers.get(request.path)
        return await answer(request) if answer else web.Response(status=404)


@pytest.fixture
async def image_host() -> AsyncIterator[ImageHost]:
    """Yield a running image host."""
    host = ImageHost()
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", host._dispatch)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host.port = runner.addresses[0][1]
    yield host
    await runner.cleanup()

"""`/console`: the console's static files, each with its ETag and a policy that lets nothing in from elsewhere.

The files are in `vitrail/console`. They hold nothing secret, so no key is needed to read them.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable

from starlette.responses import RedirectResponse, Response

from vitrail.domain.errors import UnknownRoute
from vitrail.http_api.exchange import Exchange

_MEDIA = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
}
_INDEX = "index.html"
# Pictures may come from anywhere, since people give their URLs and want to see them; nothing else may.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' blob: data: http: https:; form-action 'none'; base-uri 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
_HEADERS = {
    "cache-control": "no-cache",  # kept, but asked for again each time: an ETag costs 304 and no body
    "content-security-policy": _POLICY,
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "referrer-policy": "no-referrer",
}


@dataclass(frozen=True, slots=True)
class ConsoleFile:
    """A file of the console as it is sent."""

    content: bytes
    media_type: str
    etag: str


async def open_console(exchange: Exchange) -> Response:
    """Lead to the console's first page, under which its files are found by relative addresses."""
    return RedirectResponse("console/")


async def show_console_file(exchange: Exchange) -> Response:
    """Show a file of the console, or 304 where the browser has it already."""
    file = read_console().get(exchange.path_value("file") or _INDEX)
    if file is None:
        raise UnknownRoute("The console has no such file.")
    headers = {**_HEADERS, "etag": file.etag}
    if file.etag in exchange.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(file.content, headers={**headers, "content-type": file.media_type})


@functools.cache
def read_console() -> dict[str, ConsoleFile]:
    """Return every file of the console by its path; what is not in here is not served."""
    return {
        path: ConsoleFile(content, _MEDIA[suffix], f'"{hashlib.sha256(content).hexdigest()[:20]}"')
        for path, suffix, content in _walk(resources.files("vitrail.console"), "")
    }


def _walk(folder: Traversable, prefix: str) -> Iterator[tuple[str, str, bytes]]:
    for entry in folder.iterdir():
        suffix = entry.name[entry.name.rfind(".") :]
        if entry.is_dir():
            yield from _walk(entry, f"{prefix}{entry.name}/")
        elif suffix in _MEDIA:
            yield f"{prefix}{entry.name}", suffix, entry.read_bytes()

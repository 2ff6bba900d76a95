"""Reading request bodies: caps, deadlines, the budget of all in flight, and media types."""

from __future__ import annotations

import asyncio
import tracemalloc
from contextlib import AsyncExitStack

import httpx2
import pytest
from starlette.datastructures import Headers

from vitrail.domain.completion import FinishReason
from vitrail.domain.errors import BodyTooLarge, RequestTimedOut, Unavailable, UnsupportedMedia
from vitrail.engines.base import FinishPiece, TextPiece
from vitrail.http_api.body import BodyReader
from vitrail.http_api.disconnect import ClientGone
from vitrail.http_api.options import HttpOptions

JSON = {"content-type": "application/json"}


def receive_of(*messages):
    """Return an ASGI receive that gives these messages, then waits for ever."""
    left = list(messages)

    async def receive():
        if not left:
            await asyncio.Event().wait()
        return left.pop(0)

    return receive


def part(body: bytes, *, more: bool = True):
    return {"type": "http.request", "body": body, "more_body": more}


async def read(reader: BodyReader, receive, *, limit_bytes: int = 1000, **headers: str) -> bytes:
    """Read one body and let it go."""
    given = Headers({name.replace("_", "-"): value for name, value in (JSON | headers).items()})
    async with reader.read(given, receive, limit_bytes=limit_bytes) as body:
        return bytes(body)


async def test_a_body_in_parts_is_joined():
    """Parts are joined in order."""
    receive = receive_of(part(b'{"a"'), part(b":1}", more=False))
    assert await read(BodyReader(HttpOptions()), receive) == b'{"a":1}'


async def test_j01_a_declared_length_over_the_cap_is_refused_unread():
    """J01: nothing is read of a body that says it is too large."""
    with pytest.raises(BodyTooLarge):
        await read(BodyReader(HttpOptions()), receive_of(), content_length="1000000000")


async def test_j01_an_endless_body_is_refused_at_the_cap():
    """J01: a body without a length is refused as soon as it is over the cap."""
    receive = receive_of(*[part(b"x" * 400)] * 3)
    with pytest.raises(BodyTooLarge):
        await read(BodyReader(HttpOptions()), receive)


@pytest.mark.parametrize(
    "headers",
    [
        {"content_type": "text/plain"},
        {"content_type": ""},
        {"content_type": "application/json; charset=latin-1"},
        {"content_encoding": "gzip"},
    ],
)
async def test_j02_j06_another_media_type_is_refused(headers):
    """J02, J06: only plain UTF-8 JSON is taken."""
    with pytest.raises(UnsupportedMedia):
        await read(BodyReader(HttpOptions()), receive_of(part(b"{}", more=False)), **headers)


async def test_j06_an_empty_body_is_refused():
    """J06: an empty body is a matter of media, as recorded."""
    with pytest.raises(UnsupportedMedia):
        await read(BodyReader(HttpOptions()), receive_of(part(b"", more=False)))


async def test_a_charset_of_utf8_is_taken():
    """The charset parameter may be there."""
    receive = receive_of(part(b"{}", more=False))
    assert await read(BodyReader(HttpOptions()), receive, content_type='Application/JSON; charset="UTF-8"') == b"{}"


async def test_m01_a_client_that_leaves_during_upload_frees_the_budget():
    """M01: reading stops, and the bytes are off the budget."""
    reader = BodyReader(HttpOptions(small_body_bytes=0))
    with pytest.raises(ClientGone):
        await read(reader, receive_of(part(b"{"), {"type": "http.disconnect"}), content_length="500")
    assert reader.held_bytes == 0


async def test_m18_a_body_that_drips_is_timed_out():
    """M18: a body below the minimum rate ends at the deadline, however little it sends."""
    with pytest.raises(RequestTimedOut):
        await read(BodyReader(HttpOptions(body_grace_seconds=0.01)), receive_of(part(b"{")))


async def test_m22_over_the_budget_large_bodies_wait_and_small_ones_pass():
    """M22: a large body over the budget is refused with Retry-After, a small one is read."""
    reader = BodyReader(HttpOptions(body_budget_bytes=1500, small_body_bytes=100))
    headers = Headers(JSON | {"content-length": "900"})
    async with AsyncExitStack() as stack:
        held = reader.read(headers, receive_of(part(b"x" * 900, more=False)), limit_bytes=1000)
        await stack.enter_async_context(held)
        with pytest.raises(Unavailable) as refused:
            await read(reader, receive_of(part(b"x" * 900, more=False)), content_length="900")
        assert refused.value.retry_after_seconds == 1
        assert await read(reader, receive_of(part(b"{}", more=False)), content_length="2") == b"{}"
    assert reader.held_bytes == 0


async def test_m22_bodies_without_a_length_are_counted_as_they_come():
    """M22: the budget cannot be avoided by leaving out Content-Length."""
    reader = BodyReader(HttpOptions(body_budget_bytes=500, small_body_bytes=100))
    with pytest.raises(Unavailable):
        await read(reader, receive_of(*[part(b"x" * 300)] * 2))
    assert reader.held_bytes == 0


async def test_j01_the_refusal_reaches_a_client_that_still_sends(surface):
    """J01: 413 arrives before the body is sent, and the connection is closed after it."""
    async with surface.serve() as address:
        host, port = address.split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(
            b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
            b"authorization: Bearer %s\r\ncontent-length: 1000000000\r\n\r\n{" % surface.secret.encode()
        )
        head = await reader.readuntil(b"\r\n\r\n")
        writer.close()
    assert head.startswith(b"HTTP/1.1 413") and b"connection: close" in head


async def test_the_next_good_request_succeeds_after_a_refused_one(surface):
    """After a refusal the server answers as before."""
    assert (await surface.post_raw(b"", content_type="text/plain")).status_code == 415
    assert (await surface.chat()).status_code == 200


async def test_a_large_body_is_freed_before_the_answer_is_waited_for(surface):
    """While the engine thinks, the megabytes of the body are gone and off the budget."""
    surface.engine.script = [TextPiece("First"), gate := asyncio.Event(), FinishPiece(FinishReason.STOP)]
    body = b'{"model":"fake-vision-1","messages":[{"role":"user","content":"x"}],"unread":"%s"}' % (b"x" * 8_000_000)
    async with surface.serve() as address, httpx2.AsyncClient() as client:
        headers = {**surface.key, "content-type": "application/json"}
        tracemalloc.start()
        try:
            url = f"http://{address}/v1/chat/completions"
            answer = asyncio.create_task(client.post(url, content=body, headers=headers))
            await surface.engine.waits.wait()
            assert tracemalloc.get_traced_memory()[0] < 4_000_000
        finally:
            tracemalloc.stop()
        gate.set()
        assert (await answer).status_code == 200

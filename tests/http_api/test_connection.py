"""Connections whose request never becomes known: slow, endless or missing headers."""

from __future__ import annotations

import asyncio

import pytest

START = b"GET /livez HTTP/1.1\r\nhost: x\r\n"


async def connect(address: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    host, port = address.split(":")
    return await asyncio.open_connection(host, int(port))


@pytest.mark.parametrize("sent", [b"", START, b"G"], ids=["nothing", "half", "one byte"])
async def test_m18_headers_that_do_not_come_are_timed_out(open_surface, sent):
    """M18: a connection without a whole request head is answered 408 and closed."""
    async with open_surface(header_seconds=0.05).serve() as address:
        reader, writer = await connect(address)
        writer.write(sent)
        async with asyncio.timeout(5):
            assert (await reader.read()).startswith(b"HTTP/1.1 408")
        writer.close()


async def test_m18_headers_after_a_first_request_have_a_deadline_too(open_surface):
    """M18: keeping a connection alive gives no endless second request."""
    async with open_surface(header_seconds=0.5).serve() as address:
        reader, writer = await connect(address)
        writer.write(START + b"\r\n")
        await reader.readuntil(b"}")
        writer.write(START)
        async with asyncio.timeout(5):
            assert (await reader.read()).startswith(b"HTTP/1.1 408")
        writer.close()


async def test_headers_without_end_are_refused(open_surface):
    """A head over the limit is 431, however fast it comes."""
    async with open_surface(header_bytes=1000).serve() as address:
        reader, writer = await connect(address)
        writer.write(START + b"x: " + b"a" * 2000)
        async with asyncio.timeout(5):
            assert (await reader.read()).startswith(b"HTTP/1.1 431")
        writer.close()


async def test_a_body_may_take_longer_than_the_headers(open_surface):
    """The header deadline ends with the headers: the body has its own."""
    surface = open_surface(header_seconds=0.5)
    body = b'{"model":"fake-vision-1","messages":[{"role":"user","content":"x"}]}'
    async with surface.serve() as address:
        reader, writer = await connect(address)
        writer.write(
            b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
            b"authorization: Bearer %s\r\ncontent-length: %d\r\n\r\n" % (surface.secret.encode(), len(body))
        )
        await asyncio.sleep(0.8)
        writer.write(body)
        async with asyncio.timeout(5):
            assert (await reader.readline()).startswith(b"HTTP/1.1 200")
        writer.close()


async def test_several_requests_on_one_connection_are_answered(open_surface):
    """Keep-alive works as before."""
    async with open_surface(header_seconds=10).serve() as address:
        reader, writer = await connect(address)
        for _ in range(3):
            writer.write(START + b"\r\n")
            assert (await reader.readuntil(b"}")).startswith(b"HTTP/1.1 200")
        writer.close()

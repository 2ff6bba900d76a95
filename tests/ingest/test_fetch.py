"""The guarded download against a scripted host on loopback and a fake name service (U01-U28)."""

from __future__ import annotations

import asyncio
import gzip
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from vitrail.domain.errors import Failure, ImageFetchFailed, InvalidArgument, Unavailable
from vitrail.domain.pictures import ImageReference
from vitrail.ingest.addresses import parse_address
from vitrail.ingest.fetch import Fetcher, FetchOptions
from vitrail.ingest.resolver import HostUnknown, SystemLookup, is_own_address

CAP = 100_000
WHERE = "messages[0].content[1].image_url.url"
CERTIFICATES = Path(__file__).parent / "tls"
Refer = Callable[..., ImageReference]
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class FakeLookup:
    """A name service whose answers a test scripts; it counts how often it is asked."""

    def __init__(self, names: dict[str, list[list[str]]]) -> None:
        self.names = names
        self.asked: list[str] = []

    async def resolve(self, host: str, port: int) -> Sequence[str]:
        """Return the next scripted answer for a host; the last one stays."""
        self.asked.append(host)
        answers = self.names.get(host)
        if not answers:
            raise HostUnknown(host)
        return answers.pop(0) if len(answers) > 1 else answers[0]

    def close(self) -> None:
        """Hold nothing."""


@asynccontextmanager
async def fetching(lookup: Any = None, tls: ssl.SSLContext | None = None, **options: Any) -> AsyncIterator[Fetcher]:
    """Yield a fetcher with these options and close it."""
    fetcher = Fetcher(FetchOptions(**options), lookup=lookup, tls=tls)
    try:
        yield fetcher
    finally:
        await fetcher.close()


async def refused(fetch: Awaitable[bytes], kind: type[Failure]) -> Failure:
    """Return the failure that a fetch ends in, which has to be exactly of a kind and name its place."""
    with pytest.raises(Failure) as caught:
        await fetch
    assert type(caught.value) is kind, caught.value
    assert caught.value.where == WHERE
    return caught.value


async def test_an_allowed_host_is_fetched_from(image_host: Any, refer: Refer) -> None:
    """The body of an allowed URL comes back byte for byte, and the host sees our name and no wish for encodings."""
    url = image_host.serve("/a.png", b"\x89PNG bytes")
    async with fetching(allow_hosts=(image_host.name,)) as fetcher:
        assert await fetcher.fetch(refer(url), max_bytes=CAP) == b"\x89PNG bytes"

    headers = image_host.requests[0].headers
    assert headers["User-Agent"] == "VitrailImageFetch/1.0"
    assert headers["Accept-Encoding"] == "identity"
    assert "Cookie" not in headers


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0", "127.1", "0x7f000001", "[::ffff:127.0.0.1]"])
async def test_U01_U03_loopback_is_never_contacted(host: str, image_host: Any, refer: Refer) -> None:
    """No spelling of loopback reaches a listener there, though its port is allowed."""
    async with fetching(ports=(image_host.port,)) as fetcher:
        await refused(fetcher.fetch(refer(f"http://{host}:{image_host.port}/x"), max_bytes=CAP), InvalidArgument)

    assert image_host.requests == []


@pytest.mark.parametrize(
    "addresses",
    [
        pytest.param(["127.0.0.1"], id="U05-private"),
        pytest.param(["93.184.216.34", "fc00::1"], id="U06-public-and-private-v6"),
        pytest.param(["93.184.216.34", "10.0.0.1"], id="U06-two-answers"),
        pytest.param(["169.254.169.254"], id="U02-metadata"),
        pytest.param(["64:ff9b::7f00:1"], id="U04-nat64"),
        pytest.param(["not an address"], id="unreadable"),
    ],
)
async def test_U06_every_answer_is_judged(addresses: list[str], image_host: Any, refer: Refer) -> None:
    """One address that is not public refuses the name, without contact and without telling the address."""
    lookup = FakeLookup({"img.example": [addresses]})
    async with fetching(lookup, ports=(image_host.port,)) as fetcher:
        failure = await refused(
            fetcher.fetch(refer(f"http://img.example:{image_host.port}/x"), max_bytes=CAP), InvalidArgument
        )

    assert image_host.requests == []
    assert not any(address in str(failure) for address in addresses)


async def test_U07_a_rebinding_name_is_resolved_once(image_host: Any, refer: Refer) -> None:
    """What was judged is what is dialled: a second answer is never asked for."""
    lookup = FakeLookup({"img.example": [["127.0.0.1"], ["127.0.0.2"]]})
    url = image_host.serve("/x", b"image").replace("127.0.0.1", "img.example")
    async with fetching(lookup, allow_hosts=("img.example",)) as fetcher:
        assert await fetcher.fetch(refer(url), max_bytes=CAP) == b"image"

    assert lookup.asked == ["img.example"]
    assert image_host.dialled == ["127.0.0.1"]
    assert image_host.requests[0].host == f"img.example:{image_host.port}"


async def test_U08_the_servers_own_public_name_is_refused(
    image_host: Any, refer: Refer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that resolves to an address of this very machine is refused, also when that address is public."""
    monkeypatch.setattr("vitrail.ingest.resolver.is_own_address", lambda address: str(address) == "93.184.216.34")
    lookup = FakeLookup({"api.own.example": [["93.184.216.34"]]})
    async with fetching(lookup) as fetcher:
        await refused(fetcher.fetch(refer("http://api.own.example/"), max_bytes=CAP), InvalidArgument)


def test_U08_own_addresses_are_known() -> None:
    """Loopback is an address of this machine; an address set aside for documentation is not."""
    loopback, nobodys = parse_address("127.0.0.1"), parse_address("192.0.2.7")
    assert loopback is not None
    assert nobodys is not None

    assert is_own_address(loopback)
    assert not is_own_address(nobodys)


@pytest.mark.parametrize(
    "location",
    [
        pytest.param("http://127.0.0.1:{port}/secret", id="U10-private"),
        pytest.param("//127.0.0.1:{port}/secret", id="U13-without-scheme"),
        pytest.param("http://127.0.0.1:{port}\\@good.example/", id="U16-backslash"),
        pytest.param("file:///etc/passwd", id="U14-file"),
        pytest.param("gopher://127.0.0.1/", id="U14-gopher"),
        pytest.param("data:image/png;base64,QUJD", id="U14-data"),
        pytest.param("http://u:p@good.example/", id="U19-credentials"),
        pytest.param("http://good.example:22/", id="U09-port"),
        pytest.param("http:/secret", id="U16-one-slash"),
    ],
)
async def test_U10_a_redirect_is_judged_like_a_url(location: str, image_host: Any, refer: Refer) -> None:
    """A redirect to what policy forbids is refused without contact."""
    lookup = FakeLookup({"img.example": [["127.0.0.1"]]})
    url = image_host.redirect("/start", location.format(port=image_host.port)).replace("127.0.0.1", "img.example")
    image_host.serve("/secret", b"secret")
    async with fetching(lookup, allow_hosts=("img.example",)) as fetcher:
        await refused(fetcher.fetch(refer(url), max_bytes=CAP), InvalidArgument)

    assert [request.path for request in image_host.requests] == ["/start"]


async def test_U11_a_chain_that_ends_in_private_is_refused(image_host: Any, refer: Refer) -> None:
    """Public, public, private: the third hop is judged as the first was."""
    lookup = FakeLookup({"a.example": [["127.0.0.1"]], "b.example": [["127.0.0.1"]]})
    port = image_host.port
    image_host.redirect("/1", f"http://b.example:{port}/2")
    image_host.redirect("/2", f"http://127.0.0.1:{port}/3")
    image_host.serve("/3", b"secret")
    async with fetching(lookup, allow_hosts=("a.example", "b.example")) as fetcher:
        await refused(fetcher.fetch(refer(f"http://a.example:{port}/1"), max_bytes=CAP), InvalidArgument)

    assert [request.path for request in image_host.requests] == ["/1", "/2"]


async def test_U12_a_loop_of_redirects_ends(image_host: Any, refer: Refer) -> None:
    """A loop is followed three times at most."""
    url = image_host.redirect("/loop", "/loop")
    async with fetching(allow_hosts=(image_host.name,)) as fetcher:
        await refused(fetcher.fetch(refer(url), max_bytes=CAP), ImageFetchFailed)

    assert len(image_host.requests) == 4


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirects_are_followed(status: int, image_host: Any, refer: Refer) -> None:
    """Every kind of redirect leads on, relative or not."""
    url = image_host.redirect("/dir/start", "../end?q=1", status)
    image_host.serve("/end", b"image")
    async with fetching(allow_hosts=(image_host.name,)) as fetcher:
        assert await fetcher.fetch(refer(url), max_bytes=CAP) == b"image"


async def test_U15_a_redirect_to_nowhere_fails(image_host: Any, refer: Refer) -> None:
    """A redirect without Location is the host's failure."""
    url = image_host.redirect("/x", None)
    async with fetching(allow_hosts=(image_host.name,)) as fetcher:
        await refused(fetcher.fetch(refer(url), max_bytes=CAP), ImageFetchFailed)


@pytest.mark.parametrize("status", [201, 203, 204, 206, 304, 401, 403, 404, 429, 500, 503])
async def test_U22_only_status_200_counts(status: int, image_host: Any, refer: Refer) -> None:
    """Any other status is a failure, also with a good image in the body, which is not repeated."""
    body = b"" if status in (204, 304) else b"\x89PNG good image"
    url = image_host.serve("/x", body, status=status)
    async with fetching(allow_hosts=(image_host.name,)) as fetcher:
        failure = await refused(fetcher.fetch(refer(url), max_bytes=CAP), ImageFetchFailed)

    assert str(status) in failure.message
    assert "good image" not in str(failure)


async def test_U23_a_declared_length_over_the_cap_is_refused_unread(image_host: Any, refer: Refer) -> None:
    """Content-Length over the cap ends the download before the body."""
    sent: list[int] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "99999999999"})
        await response.prepare(request)
        sent.append(1)
        await asyncio.Event().wait()
        return response

    image_host.answers["/x"] = answer
    async with fetching(allow_hosts=(image_host.name,)) as fetcher:
        failure = await refused(fetcher.fetch(refer(image_host.url("/x")), max_bytes=CAP), ImageFetchFailed)

    assert "100,000" in failure.message
    assert sent == [1]


async def test_U23_an_endless_body_is_cut_at_the_cap(image_host: Any, refer: Refer) -> None:
    """Without a length, reading stops right after the cap."""

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(bytes(50_000))

    image_host.answers["/x"] = answer
    async with fetching(allow_hosts=(image_host.name,)) as fetcher:
        failure = await refused(fetcher.fetch(refer(image_host.url("/x")), max_bytes=CAP), ImageFetchFailed)

    assert "100,000" in failure.message


@pytest.mark.parametrize(("size", "passes"), [(CAP, True), (CAP + 1, False)])
async def test_U23_the_cap_is_exact(size: int, passes: bool, image_host: Any, refer: Refer) -> None:
    """A body of exactly the cap passes, one byte more does not."""
    url = image_host.serve("/x", bytes(size))
    async with fetching(allow_hosts=(image_host.name,)) as fetcher:
        if passes:
            assert len(await fetcher.fetch(refer(url), max_bytes=CAP)) == CAP
        else:
            await refused(fetcher.fetch(refer(url), max_bytes=CAP), ImageFetchFailed)


RAW_ANSWERS = {
    "U23-negative-length": b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nabc",
    "U23-body-shorter-than-its-length": b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nabc",
    "not-http": b"SSH-2.0-OpenSSH_9.6\r\n",
    "cut-off": b"HTTP/1.1 200 OK\r\nContent-",
    "nothing": b"",
    "bad-chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc",
    "long-header": b"HTTP/1.1 200 OK\r\nX: " + b"a" * 100_000 + b"\r\n\r\n",
    "location-of-bytes": b"HTTP/1.1 302 Found\r\nLocation: http://\xff\xfe\x80/\r\nContent-Length: 0\r\n\r\n",
}


@asynccontextmanager
async def raw_host(serve: Serve, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """Run a TCP server whose every connection is served by a function; yield its port."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await serve(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


@pytest.mark.parametrize("name", RAW_ANSWERS)
async def test_U23_a_broken_answer_fails(name: str, refer: Refer) -> None:
    """A host that does not speak HTTP properly is a failure to fetch, or for a mad Location a refusal."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(RAW_ANSWERS[name])
        await writer.drain()

    kind = InvalidArgument if name == "location-of-bytes" else ImageFetchFailed
    async with raw_host(serve) as port, fetching(allow_hosts=("127.0.0.1",)) as fetcher:
        await refused(fetcher.fetch(refer(f"http://127.0.0.1:{port}/"), max_bytes=CAP), kind)


@pytest.mark.parametrize("part", ["headers", "body", "nothing"])
async def test_U24_U25_a_host_that_drips_ends_at_the_total_deadline(part: str, refer: Refer) -> None:
    """A byte now and then keeps no download alive: the deadline is over all of it."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        if part == "headers":
            writer.write(b"HTTP/1.1 200 OK\r\nX-Drip: ")
        elif part == "body":
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        while True:
            if part != "nothing":
                writer.write(b"H")
                await writer.drain()
            await asyncio.sleep(0.02)

    loop = asyncio.get_running_loop()
    async with raw_host(serve) as port, fetching(allow_hosts=("127.0.0.1",), timeout_seconds=0.3) as fetcher:
        begin = loop.time()
        failure = await refused(fetcher.fetch(refer(f"http://127.0.0.1:{port}/"), max_bytes=CAP), ImageFetchFailed)

    assert "0.3 seconds" in failure.message
    assert 0.25 < loop.time() - begin < 2


async def test_U24_redirects_share_one_deadline(image_host: Any, refer: Refer) -> None:
    """Each hop within its time does not make the whole within its time."""

    async def slow(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(0.2)
        return web.Response(status=302, headers={"Location": "/again"})

    image_host.answers["/again"] = slow
    async with fetching(allow_hosts=(image_host.name,), timeout_seconds=0.3) as fetcher:
        await refused(fetcher.fetch(refer(image_host.url("/again")), max_bytes=CAP), ImageFetchFailed)

    assert len(image_host.requests) <= 2


async def test_U25_a_name_that_hangs_ends_at_the_deadline(refer: Refer) -> None:
    """A name service that does not answer is within the deadline too."""

    class Hanging(FakeLookup):
        async def resolve(self, host: str, port: int) -> Sequence[str]:
            await asyncio.Event().wait()
            return []

    async with fetching(Hanging({}), timeout_seconds=0.2) as fetcher:
        await refused(fetcher.fetch(refer("http://img.example/x"), max_bytes=CAP), ImageFetchFailed)


async def test_U25_an_unknown_name_fails(refer: Refer) -> None:
    """A name without an address is a failure to fetch that names the host."""
    async with fetching(FakeLookup({})) as fetcher:
        failure = await refused(fetcher.fetch(refer("http://gone.example/x"), max_bytes=CAP), ImageFetchFailed)

    assert "gone.example" in failure.message


async def test_U25_a_closed_port_fails_without_its_address(refer: Refer) -> None:
    """A refused connection names the host, never the address behind it."""
    async with fetching(FakeLookup({"img.example": [["127.0.0.1"]]}), allow_hosts=("img.example",)) as fetcher:
        failure = await refused(fetcher.fetch(refer("http://img.example:1/x"), max_bytes=CAP), ImageFetchFailed)

    assert "127.0.0.1" not in str(failure)


@pytest.mark.parametrize("encoding", ["gzip", "br", "deflate", "x-unknown"])
async def test_U26_any_content_encoding_is_refused(encoding: str, image_host: Any, refer: Refer) -> None:
    """An encoding that was not asked for is refused, and nothing is inflated."""
    url = image_host.serve("/x", gzip.compress(bytes(10_000_000)), headers={"Content-Encoding": encoding})
    async with fetching(allow_hosts=(image_host.name,)) as fetcher:
        await refused(fetcher.fetch(refer(url), max_bytes=CAP), ImageFetchFailed)


async def test_U27_no_cookie_is_kept(image_host: Any, refer: Refer) -> None:
    """A cookie that a host sets is not sent on the next fetch."""
    url = image_host.serve("/x", b"image", headers={"Set-Cookie": "who=me; Path=/"})
    async with fetching(allow_hosts=(image_host.name,)) as fetcher:
        for _ in range(2):
            await fetcher.fetch(refer(url), max_bytes=CAP)

    assert all("Cookie" not in request.headers for request in image_host.requests)


async def test_U28_the_same_url_is_fetched_every_time(image_host: Any, refer: Refer) -> None:
    """Nothing is reused by URL: each fetch gives what the host sends then."""
    bodies = [b"first", b"second"]

    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(body=bodies.pop(0), headers={"Cache-Control": "max-age=9999", "ETag": '"1"'})

    image_host.answers["/x"] = answer
    async with fetching(allow_hosts=(image_host.name,)) as fetcher:
        fetched = [await fetcher.fetch(refer(image_host.url("/x")), max_bytes=CAP) for _ in range(2)]

    assert fetched == [b"first", b"second"]


async def test_U29_downloads_from_one_host_are_few_at_once(image_host: Any, refer: Refer) -> None:
    """However many images name one host, it sees only so many at once."""
    running, most = 0, 0

    async def answer(_: web.Request) -> web.StreamResponse:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.01)
        running -= 1
        return web.Response(body=b"image")

    image_host.answers["/x"] = answer
    async with fetching(allow_hosts=(image_host.name,), concurrency_per_host=3) as fetcher:
        reference = refer(image_host.url("/x"))
        await asyncio.gather(*(fetcher.fetch(reference, max_bytes=CAP) for _ in range(20)))

    assert most == 3


async def test_a_download_does_not_wait_for_its_turn_for_ever(image_host: Any, refer: Refer) -> None:
    """When every place is taken for too long, the server says that it is busy."""
    hanging = asyncio.Event()

    async def answer(_: web.Request) -> web.StreamResponse:
        await hanging.wait()
        return web.Response(body=b"image")

    image_host.answers["/x"] = answer
    options = {"allow_hosts": (image_host.name,), "concurrency": 1, "queue_seconds": 0.05}
    async with fetching(**options) as fetcher:
        first = asyncio.create_task(fetcher.fetch(refer(image_host.url("/x")), max_bytes=CAP))
        await image_host.asked.wait()
        with pytest.raises(Unavailable) as caught:
            await fetcher.fetch(refer(image_host.url("/x")), max_bytes=CAP)
        hanging.set()
        await first

    assert caught.value.retry_after_seconds


async def test_a_cancelled_download_frees_its_place(image_host: Any, refer: Refer) -> None:
    """A client that leaves gives its place among the downloads to the next one (M02, M20)."""
    image_host.answers["/hang"] = lambda _: asyncio.Event().wait()  # type: ignore[assignment, return-value]
    good = image_host.serve("/x", b"image")
    async with fetching(allow_hosts=(image_host.name,), concurrency=1) as fetcher:
        first = asyncio.create_task(fetcher.fetch(refer(image_host.url("/hang")), max_bytes=CAP))
        await image_host.asked.wait()
        first.cancel()

        assert await fetcher.fetch(refer(good), max_bytes=CAP) == b"image"


async def test_urls_can_be_switched_off(image_host: Any, refer: Refer) -> None:
    """With fetching off, any URL is refused and the hint says what to do instead."""
    async with fetching(enabled=False, allow_hosts=(image_host.name,)) as fetcher:
        failure = await refused(fetcher.fetch(refer(image_host.url("/x")), max_bytes=CAP), InvalidArgument)

    assert "data URI" in failure.sentence
    assert image_host.requests == []


async def test_U20_a_url_that_is_no_text_is_refused(refer: Refer) -> None:
    """Bytes that are not UTF-8 are refused."""
    async with fetching() as fetcher:
        await refused(fetcher.fetch(refer(b"http://example.com/\xff"), max_bytes=CAP), InvalidArgument)


async def test_proxies_of_the_environment_are_not_used(
    image_host: Any, refer: Refer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy in the environment would resolve and dial for us; it is not asked."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    url = image_host.serve("/x", b"image")
    async with fetching(allow_hosts=(image_host.name,)) as fetcher:
        assert await fetcher.fetch(refer(url), max_bytes=CAP) == b"image"


async def test_the_systems_lookup_knows_unknown_names() -> None:
    """The real name service gives loopback for its name and HostUnknown for a name that cannot be one."""
    lookup = SystemLookup()
    try:
        assert "127.0.0.1" in await lookup.resolve("localhost", 80)
        with pytest.raises(HostUnknown):
            await lookup.resolve("a" * 64 + ".example", 80)
    finally:
        lookup.close()


async def serve_image(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer one request with an image."""
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nimage")
    await writer.drain()


def https_host(certificate: str, names: list[str | None]) -> ssl.SSLContext:
    """Return the server's side of TLS with a certificate of the tests; it notes the names that clients ask for."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATES / certificate)
    context.sni_callback = lambda _socket, name, _context: names.append(name)
    return context


async def test_U07_https_keeps_the_name_of_the_host(refer: Refer) -> None:
    """The judged address is dialled, but the name in SNI and in the certificate is the URL's."""
    names: list[str | None] = []
    trusting = ssl.create_default_context(cafile=str(CERTIFICATES / "img.example.pem"))
    lookup = FakeLookup({"img.example": [["127.0.0.1"]]})
    async with (
        raw_host(serve_image, https_host("img.example.pem", names)) as port,
        fetching(lookup, trusting, allow_hosts=("img.example",)) as fetcher,
    ):
        assert await fetcher.fetch(refer(f"https://img.example:{port}/x"), max_bytes=CAP) == b"image"

    assert names == ["img.example"]


@pytest.mark.parametrize(
    ("certificate", "host", "trusted"),
    [
        pytest.param("img.example.pem", "img.example", False, id="unknown-issuer"),
        pytest.param("img.example.pem", "other.example", True, id="another-name"),
        pytest.param("expired.pem", "img.example", True, id="expired"),
    ],
)
async def test_U25_a_bad_certificate_fails(certificate: str, host: str, trusted: bool, refer: Refer) -> None:
    """A certificate of another name, of an unknown issuer or out of date ends the download."""
    trusting = ssl.create_default_context(cafile=str(CERTIFICATES / certificate)) if trusted else None
    lookup = FakeLookup({host: [["127.0.0.1"]]})
    async with (
        raw_host(serve_image, https_host(certificate, [])) as port,
        fetching(lookup, trusting, allow_hosts=(host,)) as fetcher,
    ):
        failure = await refused(fetcher.fetch(refer(f"https://{host}:{port}/x"), max_bytes=CAP), ImageFetchFailed)

    assert f"certificate of {host}" in failure.message


async def test_U25_a_tls_handshake_that_hangs_ends_at_the_deadline(refer: Refer) -> None:
    """A host that accepts and never shakes hands costs the deadline and no more."""

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    async with raw_host(silent) as port, fetching(allow_hosts=("127.0.0.1",), timeout_seconds=0.2) as fetcher:
        failure = await refused(fetcher.fetch(refer(f"https://127.0.0.1:{port}/"), max_bytes=CAP), ImageFetchFailed)

    assert "0.2 seconds" in failure.message

"""Turn an http(s) image URL into bytes: the one place that opens what a client names. Called by prepare.

Every hop is judged again, every address that a name resolves to is judged, and the judged address is the one dialled.
Knows nothing of image formats, data URIs or prices. Nothing is cached and no cookie is kept.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass

import aiohttp
from pydantic import BaseModel, ConfigDict, Field
from yarl import URL

from vitrail.domain.errors import Failure, ImageFetchFailed, InvalidArgument, Unavailable
from vitrail.domain.pictures import ImageReference
from vitrail.ingest.addresses import LONGEST_URL_BYTES, HostPolicy, JudgedUrl, RefusedUrl, judge_url
from vitrail.ingest.resolver import HostUnknown, JudgingResolver, Lookup, SystemLookup

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_READ_BYTES = 256 * 1024
_POLICY_HINT = "Send the image itself as a data URI."


class FetchOptions(BaseModel):
    """How images are downloaded from URLs that clients send."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    enabled: bool = Field(True, description="Download images from URLs; off means that only data URIs are taken.")
    timeout_seconds: float = Field(5.0, gt=0, description="Time for one image, over all redirects.")
    max_redirects: int = Field(3, ge=0, description="Redirects that are followed for one image.")
    concurrency: int = Field(64, ge=1, description="Downloads that run at once in this process.")
    concurrency_per_host: int = Field(8, ge=1, description="Downloads that run at once from one host.")
    queue_seconds: float = Field(30.0, gt=0, description="Time that a download may wait for its turn.")
    ports: tuple[int, ...] = Field((80, 443), description="Ports that images may be fetched from.")
    allow_hosts: tuple[str, ...] = Field(
        (), description="Hosts (`host` or `host:port`) that are fetched from even at private addresses and other ports."
    )
    only_hosts: tuple[str, ...] = Field((), description="When set, images come from these hosts and those below only.")
    deny_hosts: tuple[str, ...] = Field((), description="Hosts never fetched from, such as this server's own names.")
    user_agent: str = Field("VitrailImageFetch/1.0", description="The User-Agent that image hosts see.")


@dataclass(slots=True)
class _HostTurns:
    """The places for downloads from one host, and how many downloads hold or want one."""

    places: asyncio.Semaphore
    wanted: int = 0


class Fetcher:
    """Downloads images; the first fetch opens the client session in the running event loop."""

    def __init__(
        self, options: FetchOptions, *, lookup: Lookup | None = None, tls: ssl.SSLContext | None = None
    ) -> None:
        self._options = options
        self._policy = HostPolicy(
            allow_hosts=frozenset(host.lower() for host in options.allow_hosts),
            only_hosts=frozenset(host.lower() for host in options.only_hosts),
            deny_hosts=frozenset(host.lower() for host in options.deny_hosts),
            ports=frozenset(options.ports),
        )
        self._lookup = lookup or SystemLookup()
        self._tls = tls
        self._session: aiohttp.ClientSession | None = None
        self._room = asyncio.Semaphore(options.concurrency)
        self._hosts: dict[str, _HostTurns] = {}

    def judge(self, reference: ImageReference) -> JudgedUrl:
        """Return the URL of a reference if its text may be fetched, without any contact; raises InvalidArgument."""
        if not self._options.enabled:
            raise InvalidArgument("Images by URL are switched off.", where=reference.where, hint=_POLICY_HINT)
        try:
            text = bytes(reference.url[: 4 * LONGEST_URL_BYTES]).decode("utf-8")
            return judge_url(text, self._policy)
        except UnicodeDecodeError as error:
            raise InvalidArgument("The URL is not valid UTF-8.", where=reference.where) from error
        except RefusedUrl as error:
            raise InvalidArgument(str(error), where=reference.where, hint=_POLICY_HINT) from error

    async def fetch(self, reference: ImageReference, *, max_bytes: int) -> bytes:
        """Return the body of the image URL.

        Raises InvalidArgument for what policy refuses, ImageFetchFailed for what the host or the network did wrong.
        """
        target = self.judge(reference)
        async with self._turn(target.host):
            try:
                async with asyncio.timeout(self._options.timeout_seconds):
                    return await self._follow(target, max_bytes)
            except TimeoutError as error:
                message = f"Downloading the image took longer than {self._options.timeout_seconds:g} seconds."
                raise ImageFetchFailed(message, where=reference.where) from error
            except RefusedUrl as error:
                raise InvalidArgument(str(error), where=reference.where, hint=_POLICY_HINT) from error
            except Failure as error:
                raise type(error)(error.message, where=reference.where, hint=error.hint) from error

    async def close(self) -> None:
        """Close the session and the lookup; safe to call twice."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()
        self._lookup.close()

    async def _follow(self, target: JudgedUrl, max_bytes: int) -> bytes:
        """Return the body at the end of the redirects, each hop judged like the first."""
        for _ in range(self._options.max_redirects + 1):
            answer = await self._open(target, max_bytes)
            if isinstance(answer, bytes):
                return answer
            target = judge_url(_join(target.url, answer), self._policy)
        raise ImageFetchFailed(f"The image URL redirects more than {self._options.max_redirects} times.")

    async def _open(self, target: JudgedUrl, max_bytes: int) -> bytes | str:
        """Return the body of one URL, or the Location that it redirects to."""
        try:
            async with self._running_session().get(target.url, allow_redirects=False) as response:
                if response.status in _REDIRECTS:
                    location = response.headers.get("Location")
                    if not location:
                        raise ImageFetchFailed("The image URL redirects to nowhere.")
                    return location
                return await _read_body(response, max_bytes)
        except HostUnknown as error:
            raise ImageFetchFailed(f"The host {target.host} of the image URL was not found.") from error
        except aiohttp.ClientConnectorCertificateError as error:
            raise ImageFetchFailed(f"The certificate of {target.host} is not valid.") from error
        except aiohttp.ClientConnectorError as error:
            raise ImageFetchFailed(f"The host {target.host} of the image URL could not be reached.") from error
        except (aiohttp.ClientError, ValueError, OSError) as error:
            if isinstance(error, RefusedUrl | TimeoutError):
                raise
            raise ImageFetchFailed(f"The host {target.host} did not answer the download properly.") from error

    def _running_session(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    resolver=JudgingResolver(self._lookup, self._policy),
                    use_dns_cache=False,
                    force_close=True,  # nothing is shared between two fetches
                    limit=0,  # bounded by turns
                    ssl=self._tls or True,
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
                auto_decompress=False,
                timeout=aiohttp.ClientTimeout(total=None),  # one deadline over all hops, in `fetch`
                headers={
                    "User-Agent": self._options.user_agent,
                    "Accept": "image/jpeg,image/png",
                    "Accept-Encoding": "identity",
                },
            )
        return self._session

    @contextlib.asynccontextmanager
    async def _turn(self, host: str) -> AsyncIterator[None]:
        """Wait for a place among the downloads of this host and of the process; raises Unavailable."""
        turns = self._hosts.setdefault(host, _HostTurns(asyncio.Semaphore(self._options.concurrency_per_host)))
        turns.wanted += 1
        try:
            async with contextlib.AsyncExitStack() as held:
                try:
                    async with asyncio.timeout(self._options.queue_seconds):
                        for semaphore in (turns.places, self._room):
                            await held.enter_async_context(semaphore)
                except TimeoutError as error:
                    raise Unavailable("Too many images are being downloaded.", retry_after_seconds=5) from error
                yield
        finally:
            turns.wanted -= 1
            if not turns.wanted:
                del self._hosts[host]


async def _read_body(response: aiohttp.ClientResponse, max_bytes: int) -> bytes:
    if response.status != 200:
        raise ImageFetchFailed(f"The host of the image URL answered with status {response.status}.")
    if response.headers.get("Content-Encoding", "identity").strip().lower() not in ("", "identity"):
        raise ImageFetchFailed("The host of the image URL sent a content encoding that was not asked for.")
    too_large = f"The downloaded image has more than {max_bytes:,} bytes, which is the limit."
    if (response.content_length or 0) > max_bytes:
        raise ImageFetchFailed(too_large)
    body = bytearray()
    async for chunk in response.content.iter_chunked(_READ_BYTES):
        body += chunk
        if len(body) > max_bytes:
            raise ImageFetchFailed(too_large)
    return bytes(body)


def _join(base: URL, location: str) -> str:
    """Return the absolute text of a Location; it goes through the same judgement as what a client writes."""
    if location.startswith("//"):
        return f"{base.scheme}:{location}"
    if "://" in location.partition("?")[0] or ":" in location.partition("/")[0]:
        return location
    try:
        return str(base.join(URL(location, encoded=True)))
    except ValueError as error:
        raise RefusedUrl("The image URL redirects to something malformed.") from error

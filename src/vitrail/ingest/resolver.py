"""Turn a host name into addresses that may be dialled, judging every one. Called by fetch through the HTTP client."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from aiohttp.abc import AbstractResolver, ResolveResult

from vitrail.ingest.addresses import HostPolicy, IPAddress, RefusedUrl, judge_address, parse_address

_LOOKUP_THREADS = 16  # a name server that hangs holds a thread; the default executor is needed elsewhere
_NOBODYS_ADDRESSES = {4: "192.0.2.1", 6: "2001:db8::1"}  # set aside for documentation, so on no machine's interface


class HostUnknown(Exception):
    """A host name has no address."""


class Lookup(Protocol):
    """What looks a name up; the system's resolver, or a test's."""

    async def resolve(self, host: str, port: int) -> Sequence[str]:
        """Return every address of a host in canonical text; raises HostUnknown."""
        ...

    def close(self) -> None:
        """Free what it holds; safe to call twice."""
        ...


class SystemLookup:
    """Looks names up as the operating system does, in threads of its own."""

    def __init__(self) -> None:
        self._threads: ThreadPoolExecutor | None = None

    async def resolve(self, host: str, port: int) -> Sequence[str]:
        """Return every address of a host, in the system's order; raises HostUnknown."""
        if self._threads is None:
            self._threads = ThreadPoolExecutor(_LOOKUP_THREADS, thread_name_prefix="vitrail-lookup")
        try:
            found = await asyncio.get_running_loop().run_in_executor(self._threads, _look_up, host, port)
        except (OSError, UnicodeError) as error:
            raise HostUnknown(host) from error
        return list(dict.fromkeys(found))

    def close(self) -> None:
        """Let the threads end; one that hangs in a lookup is not waited for."""
        threads, self._threads = self._threads, None
        if threads is not None:
            threads.shutdown(wait=False, cancel_futures=True)


class JudgingResolver(AbstractResolver):
    """Gives the HTTP client judged addresses only; one bad address refuses the whole name."""

    def __init__(self, lookup: Lookup, policy: HostPolicy) -> None:
        self._lookup = lookup
        self._policy = policy

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return the addresses to dial; raises RefusedUrl or HostUnknown."""
        found = [parse_address(text) for text in await self._lookup.resolve(host, port)]
        if not found:
            raise HostUnknown(host)
        if not self._policy.allows(host, port):
            for address in found:
                # What the name resolved to stays unsaid: it would tell a client about the inside of the network.
                if address is None or judge_address(address) is not None or is_own_address(address):
                    raise RefusedUrl(f"Images may not be fetched from {host}: it has an address that is not public.")
        return [_dialled(host, address, port) for address in found if address is not None]

    async def close(self) -> None:
        """Hold nothing."""


def is_own_address(address: IPAddress) -> bool:
    """Tell whether an address belongs to this machine, so that its own public name cannot be fetched from."""
    # Where a machine may bind what it does not own (failover pairs are set so), binding tells nothing.
    return _can_bind(str(address), address.version) and not _can_bind(
        _NOBODYS_ADDRESSES[address.version], address.version
    )


def _can_bind(address: str, version: int) -> bool:
    family = socket.AF_INET if version == 4 else socket.AF_INET6
    with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.bind((address, 0))
        return True
    return False


def _look_up(host: str, port: int) -> list[str]:
    return [str(answer[4][0]) for answer in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


def _dialled(host: str, address: IPAddress, port: int) -> ResolveResult:
    return ResolveResult(
        hostname=host,
        host=str(address),
        port=port,
        family=socket.AF_INET if isinstance(address, ipaddress.IPv4Address) else socket.AF_INET6,
        proto=socket.IPPROTO_TCP,
        flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
    )

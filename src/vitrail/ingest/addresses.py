"""Decide whether a URL, a host, or the address that a host resolved to may be contacted. Pure; called by fetch.

One parser serves the judgement and the dialling: what comes out of `judge_url` is what is fetched.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

from yarl import URL

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

LONGEST_URL_BYTES = 8_192
_FORBIDDEN_TEXT = re.compile(r"[\x00-\x20\x7f-\x9f\\\u2028\u2029]|\s")
_URL_PARTS = re.compile(r"https?://(?P<authority>[^/?#]+)(?P<path>[^?#]*)(?P<query>(\?[^#]*)?)", re.IGNORECASE)
_HOST_NAME = re.compile(
    r"(?=.{1,253}\Z)([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*"
)
_NUMERIC_LABEL = re.compile(r"\d+|0x[0-9a-f]*")
_LOCAL_NAMES = ("localhost", "localdomain", "local", "internal", "intranet", "home.arpa", "in-addr.arpa", "ip6.arpa")

# Beyond what the standard library's `is_global` refuses, which calls several of these global.
_REFUSED_NETWORKS: tuple[tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, str], ...] = tuple(
    (ipaddress.ip_network(network), reason)
    for network, reason in (
        ("168.63.129.16/32", "a cloud metadata address"),
        ("169.254.0.0/16", "a link-local or cloud metadata address"),
        ("100.64.0.0/10", "a carrier-grade NAT address"),
        ("192.0.0.0/24", "a reserved address"),
        ("192.88.99.0/24", "a 6to4 relay address"),
        ("fd00:ec2::/32", "a cloud metadata address"),
        ("fec0::/10", "a site-local address"),
        ("::/96", "an IPv4-compatible address"),
        ("::ffff:0:0:0/96", "a translated IPv4 address"),
        ("64:ff9b::/96", "a NAT64 address"),
        ("64:ff9b:1::/48", "a NAT64 address"),
        ("2002::/16", "a 6to4 address"),
        ("2001::/32", "a Teredo address"),
        ("5f00::/16", "a reserved address"),
    )
)


@dataclass(frozen=True, slots=True)
class HostPolicy:
    """Which hosts may be fetched from; entries are lower-case names or addresses, `host` or `host:port`.

    `deny_hosts` and those below them are refused always; `allow_hosts` pass whatever their address and port;
    `only_hosts`, when not empty, refuses every other host that is neither one of them nor below one.
    """

    allow_hosts: frozenset[str] = frozenset()
    only_hosts: frozenset[str] = frozenset()
    deny_hosts: frozenset[str] = frozenset()
    ports: frozenset[int] = frozenset({80, 443})

    def allows(self, host: str, port: int) -> bool:
        """Tell whether a host was let through by name, so that its address and port are not judged."""
        return host in self.allow_hosts or f"{host}:{port}" in self.allow_hosts


@dataclass(frozen=True, slots=True)
class JudgedUrl:
    """A URL that may be dialled as far as its text tells; `host` is lower-case, in punycode, without a trailing dot."""

    url: URL
    host: str
    port: int
    allowed_by_name: bool


class RefusedUrl(ValueError):
    """A URL or address that policy refuses; its text is fit for the client and names no resolved address."""


def judge_url(text: str, policy: HostPolicy) -> JudgedUrl:
    """Return the one reading of a URL that is judged and dialled, or raise RefusedUrl."""
    if len(text) > LONGEST_URL_BYTES:
        raise RefusedUrl(f"The URL is longer than {LONGEST_URL_BYTES:,} characters.")
    if _FORBIDDEN_TEXT.search(text):
        raise RefusedUrl("The URL has a space, a control character or a backslash in it.")
    parts = _URL_PARTS.match(text)
    if parts is None:
        raise RefusedUrl("The image is neither a data URI nor an http or https URL.")
    if "@" in parts["authority"]:
        raise RefusedUrl("The URL carries credentials.")
    try:
        url = URL(text)
        host, port = (url.raw_host or "").lower().removesuffix("."), url.port
    except ValueError as error:
        raise RefusedUrl("The URL is malformed.") from error
    if port is None or not 0 < port < 65_536:
        raise RefusedUrl("The URL has no usable port.")
    if "[" in parts["authority"] and ":" not in host:
        raise RefusedUrl("The URL is malformed.")
    _judge_host(host, port, policy)
    # Built anew from the judged host, so nothing else can be dialled; path and query stay as they were signed.
    as_written = (parts["path"] + parts["query"]).isascii()
    dialled = URL.build(
        scheme=url.scheme,
        host=f"[{host}]" if ":" in host else host,
        port=port,
        path=(parts["path"] if as_written else url.raw_path) or "/",
        query_string=parts["query"].removeprefix("?") if as_written else url.raw_query_string,
        encoded=True,
    )
    return JudgedUrl(dialled, host, port, policy.allows(host, port))


def judge_address(address: IPAddress) -> str | None:
    """Return why an address may not be contacted, in a few words, or None when it may be."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.scope_id is not None:
            return "an address with a zone"
        if address.ipv4_mapped is not None:
            return judge_address(address.ipv4_mapped) or "an IPv4-mapped address"
    if address.is_unspecified:
        return "the unspecified address"
    if address.is_loopback:
        return "a loopback address"
    for network, reason in _REFUSED_NETWORKS:
        if address.version == network.version and address in network:
            return reason
    if address.is_link_local:
        return "a link-local address"
    if address.is_multicast:
        return "a multicast address"
    if address.is_private:
        return "a private address"
    if address.is_reserved or not address.is_global:
        return "a reserved address"
    return None


def parse_address(host: str) -> IPAddress | None:
    """Return the address that a host is in its canonical spelling, or None for a name."""
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _judge_host(host: str, port: int, policy: HostPolicy) -> None:
    if _is_listed(host, port, policy.deny_hosts):
        raise RefusedUrl(f"Images may not be fetched from {host}.")
    if policy.allows(host, port):
        return
    if policy.only_hosts and not _is_listed(host, port, policy.only_hosts):
        raise RefusedUrl(f"Images may be fetched from a list of hosts only, and {host[:253]} is not on it.")
    if port not in policy.ports:
        raise RefusedUrl(f"Images may not be fetched from port {port}.")
    address = parse_address(host)
    if address is not None:
        reason = judge_address(address)
        if reason is not None:
            raise RefusedUrl(f"Images may not be fetched from {host}: it is {reason}.")
        return
    if not _HOST_NAME.fullmatch(host):
        raise RefusedUrl("The URL's host is not a host name.")
    labels = host.split(".")
    if _NUMERIC_LABEL.fullmatch(labels[-1]):
        raise RefusedUrl("The URL's host is an address in an odd spelling.")
    if any(host == name or host.endswith("." + name) for name in _LOCAL_NAMES):
        raise RefusedUrl(f"Images may not be fetched from {host}: it is a local name.")


def _is_listed(host: str, port: int, hosts: frozenset[str]) -> bool:
    """Tell whether a host is on a list itself, or lies below a name on it."""
    names = host.split(".")
    endings = {".".join(names[at:]) for at in range(len(names))} if parse_address(host) is None else {host}
    return any(ending in hosts or f"{ending}:{port}" in hosts for ending in endings)

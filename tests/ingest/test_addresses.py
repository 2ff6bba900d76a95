"""Which URLs, hosts and addresses may be contacted (U01-U21), decided without any contact."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from vitrail.ingest.addresses import HostPolicy, RefusedUrl, judge_address, judge_url

POLICY = HostPolicy()


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("http://127.0.0.1:8000/x.png", id="U01-loopback-port"),
        pytest.param("http://127.0.0.1/x.png", id="U01-loopback"),
        pytest.param("http://127.8.9.10/", id="U01-loopback-range"),
        pytest.param("http://localhost/", id="U01-localhost"),
        pytest.param("http://a.localhost/", id="U01-below-localhost"),
        pytest.param("http://LOCALHOST./", id="U01-localhost-dot"),
        pytest.param("http://[::1]/", id="U01-v6-loopback"),
        pytest.param("http://0/", id="U01-zero"),
        pytest.param("http://0.0.0.0/", id="U01-unspecified"),
        pytest.param("http://[::]/", id="U01-v6-unspecified"),
        pytest.param("http://169.254.169.254/latest/meta-data/", id="U02-metadata"),
        pytest.param("http://[fd00:ec2::254]/", id="U02-metadata-v6"),
        pytest.param("http://168.63.129.16/", id="U02-azure"),
        pytest.param("http://100.100.100.200/", id="U02-alibaba"),
        pytest.param("http://192.0.0.192/", id="U02-oracle"),
        pytest.param("http://metadata.google.internal/", id="U02-google-name"),
        pytest.param("http://2130706433/", id="U03-decimal"),
        pytest.param("http://0x7f000001/", id="U03-hex"),
        pytest.param("http://0177.0.0.1/", id="U03-octal"),
        pytest.param("http://127.1/", id="U03-short"),
        pytest.param("http://0x7f.0.0.0x1/", id="U03-mixed"),
        pytest.param("http://①②⑦.⓪.⓪.①/", id="U03-circled"),
        pytest.param("http://１２７.０.０.１/", id="U03-full-width"),
        pytest.param("http://127。0。0。1/", id="U03-ideographic-dots"),
        pytest.param("http://[::ffff:169.254.169.254]/", id="U04-mapped"),
        pytest.param("http://[::ffff:8.8.8.8]/", id="U04-mapped-public"),
        pytest.param("http://[64:ff9b::a9fe:a9fe]/", id="U04-nat64"),
        pytest.param("http://[64:ff9b:1::a00:1]/", id="U04-local-nat64"),
        pytest.param("http://[2002:a9fe:a9fe::]/", id="U04-6to4"),
        pytest.param("http://[2001:0:1::1]/", id="U04-teredo"),
        pytest.param("http://[::127.0.0.1]/", id="U04-compatible"),
        pytest.param("http://[fec0::1]/", id="U04-site-local"),
        pytest.param("http://224.0.0.1/", id="U04-multicast"),
        pytest.param("http://[ff02::1]/", id="U04-multicast-v6"),
        pytest.param("http://100.64.0.1/", id="U04-carrier-nat"),
        pytest.param("http://10.0.0.1/", id="U05-10"),
        pytest.param("http://172.16.0.1/", id="U05-172-16"),
        pytest.param("http://192.168.1.1/", id="U05-192-168"),
        pytest.param("http://[fc00::1]/", id="U05-unique-local"),
        pytest.param("http://[fe80::1]/", id="U05-link-local"),
        pytest.param("http://[fe80::1%25eth0]/", id="U05-zone"),
        pytest.param("http://198.18.0.1/", id="U05-benchmarking"),
        pytest.param("http://203.0.113.5/", id="U05-documentation"),
        pytest.param("http://255.255.255.255/", id="U05-broadcast"),
        pytest.param("http://240.0.0.1/", id="U05-reserved"),
        pytest.param("http://printer.local/", id="U05-local-name"),
        pytest.param("http://example.com:22/", id="U09-ssh"),
        pytest.param("http://example.com:25/", id="U09-smtp"),
        pytest.param("http://example.com:6379/", id="U09-redis"),
        pytest.param("http://example.com:8080/", id="U09-other"),
        pytest.param("http://example.com:0/", id="U09-zero"),
        pytest.param("http://example.com:99999/", id="U09-beyond"),
        pytest.param("http://example.com:-1/", id="U09-negative"),
        pytest.param("http://good.com\\@127.0.0.1/", id="U16-backslash"),
        pytest.param("http://127.0.0.1%2523@good.com", id="U16-encoded-hash"),
        pytest.param("http://good.com@127.0.0.1/", id="U16-user-that-looks-like-a-host"),
        pytest.param("http://@127.0.0.1/", id="U16-empty-user"),
        pytest.param("http:/\\/host", id="U16-slashes"),
        pytest.param("http:host/x", id="U16-no-slashes"),
        pytest.param("http:///host", id="U16-three-slashes"),
        pytest.param("http://exa%6dple.com/", id="U16-encoded-host"),
        pytest.param("http://[v1.a]/", id="U16-ip-future"),
        pytest.param("http://[::1", id="U16-open-bracket"),
        pytest.param("http://example.com\t.evil.org/", id="U17-tab"),
        pytest.param("http://exam\nple.com/", id="U17-line-break"),
        pytest.param(" http://example.com/", id="U17-space-before"),
        pytest.param("http://a..b/", id="U17-empty-label"),
        pytest.param("http://127.0.0.1./", id="U17-dot-behind-an-address"),
        pytest.param("file:///etc/passwd", id="U18-file"),
        pytest.param("/etc/passwd", id="U18-path"),
        pytest.param("../../x.png", id="U18-relative"),
        pytest.param("ftp://example.com/x.png", id="U18-ftp"),
        pytest.param("sftp://example.com/x.png", id="U18-sftp"),
        pytest.param("s3://bucket/x.png", id="U18-s3"),
        pytest.param("blob:http://example.com/1", id="U18-blob"),
        pytest.param("javascript:alert(1)", id="U18-javascript"),
        pytest.param("gopher://example.com/", id="U14-gopher"),
        pytest.param("", id="U18-empty"),
        pytest.param("iVBORw0KGgoAAAANSUhEUgAA", id="D13-bare-base64"),
        pytest.param("http://user:pw@example.com/", id="U19-credentials"),
        pytest.param("http://example.com/" + "a" * 100_000, id="U20-100-kB"),
        pytest.param("http://example.com/\r\nHost: evil", id="U20-header-injection"),
        pytest.param("http://example.com/a b", id="U20-space"),
        pytest.param("http://" + "a" * 300 + ".com/", id="U20-long-host"),
    ],
)
def test_a_url_is_refused_by_its_text(url: str) -> None:
    """Whatever policy forbids is refused before any name is looked up."""
    with pytest.raises(RefusedUrl):
        judge_url(url, POLICY)


@pytest.mark.parametrize(
    ("url", "host", "dialled"),
    [
        ("https://example.com/a.png", "example.com", "https://example.com/a.png"),
        ("HTTP://EXAMPLE.com/A", "example.com", "http://example.com/A"),
        ("http://example.com.:80/x", "example.com", "http://example.com/x"),
        ("http://good.com#@127.0.0.1/", "good.com", "http://good.com/"),
        ("http://good.com?@127.0.0.1/", "good.com", "http://good.com/?@127.0.0.1/"),
        ("http://аpple.com/", "xn--pple-43d.com", "http://xn--pple-43d.com/"),
        ("http://bücher.example/ü?ä", "xn--bcher-kva.example", "http://xn--bcher-kva.example/%C3%BC?%C3%A4"),
        ("http://8.8.8.8/x", "8.8.8.8", "http://8.8.8.8/x"),
        ("https://[2606:4700::1111]/", "2606:4700::1111", "https://[2606:4700::1111]/"),
        ("https://h.io/a%2Fb/../c?s=%2B%20+&t=a%3Db", "h.io", "https://h.io/a%2Fb/../c?s=%2B%20+&t=a%3Db"),
    ],
)
def test_U17_a_url_is_dialled_as_it_was_judged(url: str, host: str, dialled: str) -> None:
    """Case, dot and punycode are settled once; path and query stay byte for byte, as signatures need it."""
    judged = judge_url(url, POLICY)

    assert (judged.host, str(judged.url)) == (host, dialled)


@pytest.mark.parametrize("host", ["allowed.com", "img.allowed.com", "a.b.allowed.com", "ALLOWED.COM."])
def test_U21_a_listed_domain_and_those_below_pass(host: str) -> None:
    """With a list of domains, one of them and every host below it may be fetched from."""
    assert judge_url(f"https://{host}/x", HostPolicy(only_hosts=frozenset({"allowed.com"})))


@pytest.mark.parametrize("host", ["other.com", "allowed.com.evil.org", "evil-allowed.com", "com", "1.2.3.4"])
def test_U21_look_alikes_of_a_listed_domain_are_refused(host: str) -> None:
    """Only the exact host or a suffix bounded by a dot counts as listed."""
    with pytest.raises(RefusedUrl, match="list of hosts"):
        judge_url(f"https://{host}/x", HostPolicy(only_hosts=frozenset({"allowed.com"})))


def test_a_listed_domain_does_not_open_private_addresses() -> None:
    """The list of domains narrows; it never lets a private address through."""
    with pytest.raises(RefusedUrl, match="private"):
        judge_url("http://10.0.0.1/", HostPolicy(only_hosts=frozenset({"10.0.0.1"})))


@pytest.mark.parametrize(
    ("entry", "passes"), [("127.0.0.1", True), ("127.0.0.1:9000", True), ("127.0.0.1:9001", False)]
)
def test_an_allowed_host_passes_with_its_port(entry: str, passes: bool) -> None:
    """`host` lets every port of a private host through, `host:port` that one alone."""
    policy = HostPolicy(allow_hosts=frozenset({entry}))
    if passes:
        assert judge_url("http://127.0.0.1:9000/x", policy).allowed_by_name
    else:
        with pytest.raises(RefusedUrl):
            judge_url("http://127.0.0.1:9000/x", policy)


def test_an_allowed_host_needs_no_place_on_the_list() -> None:
    """A host that is let through by name passes beside a list of domains."""
    policy = HostPolicy(allow_hosts=frozenset({"127.0.0.1"}), only_hosts=frozenset({"allowed.com"}))

    assert judge_url("http://127.0.0.1/", policy).allowed_by_name


def test_an_allowed_host_opens_no_other() -> None:
    """Letting one host through leaves the rest of the private world refused."""
    with pytest.raises(RefusedUrl):
        judge_url("http://127.0.0.2/", HostPolicy(allow_hosts=frozenset({"127.0.0.1"})))


def test_U08_a_denied_host_is_refused() -> None:
    """The server's own public name, once denied, is refused with everything below it."""
    with pytest.raises(RefusedUrl):
        judge_url("https://api.own.example/v1/api-key", HostPolicy(deny_hosts=frozenset({"own.example"})))


def test_U19_credentials_are_not_repeated() -> None:
    """The refusal of a URL with credentials does not hold them."""
    with pytest.raises(RefusedUrl) as caught:
        judge_url("http://alice:hunter2@example.com/", POLICY)

    assert "hunter2" not in str(caught.value)


@given(st.ip_addresses(v=4))
def test_what_embeds_a_refused_address_is_refused(address: ipaddress.IPv4Address) -> None:
    """No IPv6 form that carries an IPv4 address passes where the address itself would not."""
    number = int(address)
    forms = (
        ipaddress.IPv6Address((0xFFFF << 32) | number),
        ipaddress.IPv6Address(number),
        ipaddress.IPv6Address((0x64FF9B << 96) | number),
        ipaddress.IPv6Address((0x2002 << 112) | (number << 80)),
        ipaddress.IPv6Address((0x20010000 << 96) | number ^ 0xFFFFFFFF),
    )

    assert all(judge_address(form) is not None for form in forms)


@given(st.ip_addresses())
def test_what_passes_is_global(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    """An address that passes is global unicast by the standard library's reckoning too."""
    if judge_address(address) is None:
        assert address.is_global
        assert not (address.is_multicast or address.is_private or address.is_loopback or address.is_link_local)


@pytest.mark.parametrize(
    "network",
    [
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "100.64.0.0/10",
        "224.0.0.0/4",
        "240.0.0.0/4",
        "0.0.0.0/8",
    ],
)
@given(data=st.data())
def test_U05_whole_networks_are_refused(network: str, data: st.DataObject) -> None:
    """Every address of a network that is not public is refused."""
    address = data.draw(st.ip_addresses(network=network))

    assert judge_address(address) is not None


PIECES = st.sampled_from(
    ["http://", "https://", "HTTP:", "//", "/", "\\", "@", ":", "#", "?", "%", "%40", "%2f", "[", "]", ".", "..", "。",
     "127.0.0.1", "::1", "good.com", "evil.org", "0x7f", "①", "localhost", "80", "443", "8080",
     "a", "-", "\t", "\u00ad"]
)  # fmt: skip


@given(st.lists(PIECES, max_size=12).map("".join) | st.text(max_size=40).map("http://".__add__))
def test_U16_the_judged_host_is_the_dialled_host(text: str) -> None:
    """Whatever is put together, it is refused, or the host that was judged is the one in the URL that is dialled."""
    try:
        judged = judge_url(text, POLICY)
    except RefusedUrl:
        return
    again = URL(str(judged.url))

    assert again.raw_host == judged.url.raw_host == judged.host
    assert again.port == judged.port in (80, 443)
    assert again.raw_user is None
    assert judged.host not in ("127.0.0.1", "::1", "localhost")
    assert judge_url(str(judged.url), POLICY) == judged

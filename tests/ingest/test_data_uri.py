"""Data URIs, strict and bounded (D01-D13)."""

from __future__ import annotations

import base64
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vitrail.domain.errors import InvalidArgument
from vitrail.domain.pictures import Detail, ImageReference
from vitrail.ingest.data_uri import decode_data_uri, is_data_uri

MIB = 1024 * 1024
Refer = Callable[..., ImageReference]


@pytest.mark.parametrize(
    ("uri", "says"),
    [
        pytest.param("data:image/png;base64,", "empty", id="D01-nothing-after-the-comma"),
        pytest.param("data:image/png;base64", "no comma", id="D01-no-comma"),
        pytest.param("data:image/png;base64,QU JD", "not valid base64", id="D02-space"),
        pytest.param("data:image/png;base64,QUJD\n", "not valid base64", id="D02-line-break"),
        pytest.param("data:image/png;base64,\tQUJD", "not valid base64", id="D02-tab"),
        pytest.param("data:image/png;base64,QUJ-", "not valid base64", id="D03-url-safe-dash"),
        pytest.param("data:image/png;base64,QUJ_", "not valid base64", id="D03-url-safe-underscore"),
        pytest.param("data:image/png;base64,QUI", "not valid base64", id="D03-padding-missing"),
        pytest.param("data:image/png;base64,QUJDQ", "not valid base64", id="D03-odd-length"),
        pytest.param("data:image/png;base64,QÜJD", "not valid base64", id="D03-not-ascii"),
        pytest.param("data:image/png;base64,QQ==QUJD", "not valid base64", id="D03-padding-inside"),
        pytest.param("data:image/png,%89PNG", "not base64", id="D04-percent-encoded"),
        pytest.param("data:;base64,QUJD", "declares", id="D04-no-type"),
        pytest.param("data:image/svg+xml;base64,QUJD", "image/svg+xml", id="D06-svg"),
        pytest.param("data:image/gif;base64,QUJD", "image/gif", id="D06-gif"),
        pytest.param("data:image/webp;base64,QUJD", "image/webp", id="D06-webp"),
        pytest.param("data:image/heic;base64,QUJD", "image/heic", id="D06-heic"),
        pytest.param("data:image/tiff;base64,QUJD", "image/tiff", id="D06-tiff"),
        pytest.param("data:text/html;base64,QUJD", "text/html", id="D06-html"),
        pytest.param("data:video/jpeg;base64,QUJD,QUJD,QUJD", "video/jpeg", id="D07-video-frames"),
        pytest.param("data:image/png;base64," + "QUJD," * 10_000, "not valid base64", id="D07-many-commas"),
        pytest.param("data:" + "," * 10_000, "not base64", id="D07-commas-only"),
        pytest.param("data:image/png;base64,QUJD" + " " * 200, "not valid base64", id="D12-padded-with-spaces"),
    ],
)
def test_a_bad_data_uri_is_refused(uri: str, says: str, refer: Refer) -> None:
    """A data URI that is not exactly base64 of an accepted type is refused, with its place and the reason."""
    with pytest.raises(InvalidArgument) as caught:
        decode_data_uri(refer(uri), max_bytes=MIB)

    assert says in caught.value.message
    assert caught.value.where == "messages[0].content[1].image_url.url"


@pytest.mark.parametrize("type", ["image/svg+xml", "image/gif", "text/html"])
def test_D06_the_refusal_names_the_accepted_formats(type: str, refer: Refer) -> None:
    """Whoever sends another format is told which ones are taken."""
    with pytest.raises(InvalidArgument, match="JPEG or PNG"):
        decode_data_uri(refer(f"data:{type};base64,QUJD"), max_bytes=MIB)


@pytest.mark.parametrize(
    "uri",
    [
        "DATA:IMAGE/PNG;BASE64,QUJD",
        "data:image/jpeg;charset=utf-8;base64,QUJD",
        "Data:image/jpg;name=a.jpg;Base64,QUJD",
        "data:image/jpeg;base64,QUJD",
    ],
)
def test_D05_case_and_parameters_do_not_matter(uri: str, refer: Refer) -> None:
    """Scheme, type and `base64` are case-insensitive, and other parameters are passed over."""
    assert is_data_uri(refer(uri))
    assert decode_data_uri(refer(uri), max_bytes=MIB) == b"ABC"


def test_D10_exactly_the_limit_is_taken(refer: Refer, data_uri: Callable[..., bytes]) -> None:
    """An image of exactly 10 MiB passes."""
    assert len(decode_data_uri(refer(data_uri(bytes(10 * MIB))), max_bytes=10 * MIB)) == 10 * MIB


@pytest.mark.parametrize("over", [1, 2, 3])
def test_D11_one_byte_over_is_judged_by_the_encoded_length(over: int, refer: Refer) -> None:
    """An image over the limit is refused before decoding: even when what follows is not base64 at all."""
    encoded = bytearray(base64.b64encode(bytes(10 * MIB + over)))
    encoded[100:104] = b"!!!!"

    with pytest.raises(InvalidArgument, match="10,485,760") as caught:
        decode_data_uri(refer(b"data:image/png;base64," + bytes(encoded)), max_bytes=10 * MIB)

    assert f"{10 * MIB + over:,}" in caught.value.message


def test_D13_bare_base64_is_no_data_uri(refer: Refer) -> None:
    """Base64 without a `data:` in front is not taken for a data URI."""
    assert not is_data_uri(refer("iVBORw0KGgo="))


@given(st.binary(min_size=1, max_size=300))
def test_every_byte_string_comes_back(data: bytes) -> None:
    """Decoding undoes encoding, and the limit is exact for every padding."""
    uri = memoryview(b"data:image/png;base64," + base64.b64encode(data))
    reference = ImageReference(uri, Detail.AUTO, "x")

    assert decode_data_uri(reference, max_bytes=len(data)) == data
    with pytest.raises(InvalidArgument):
        decode_data_uri(reference, max_bytes=len(data) - 1)


@given(st.binary(max_size=300))
def test_any_bytes_after_data_are_decoded_or_refused(tail: bytes) -> None:
    """No spelling of a data URI raises anything but a refusal."""
    try:
        decode_data_uri(ImageReference(memoryview(b"data:" + tail), Detail.AUTO, "x"), max_bytes=100)
    except InvalidArgument as refusal:
        assert refusal.where == "x"

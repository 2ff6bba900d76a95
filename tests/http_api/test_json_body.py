"""JSON bodies: what is not JSON, what is JSON of another shape, and strings taken without a copy."""

from __future__ import annotations

import re

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vitrail.domain.errors import MalformedBody, ShapeMismatch
from vitrail.http_api.json_body import decode_body, decode_text
from vitrail.http_api.options import HttpOptions
from vitrail.http_api.parse_chat import parse_chat

HEAD = b'{"model":"m","messages":[{"role":"user","content":"x"}],'


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(HEAD + b'"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}", id="J03 nested lists"),
        pytest.param(HEAD + b'"x":' + b'{"a":' * 100_000 + b"1" + b"}" * 100_001, id="J03 nested objects"),
        pytest.param(HEAD + b'"temperature":NaN}', id="J05 NaN"),
        pytest.param(HEAD + b'"temperature":Infinity}', id="J05 Infinity"),
        pytest.param(HEAD + b'"user":"\xff"}', id="J05 invalid UTF-8"),
        pytest.param(HEAD + b'"unknown":"\xff"}', id="J05 invalid UTF-8 in a field nobody reads"),
        pytest.param(HEAD + b'"user":"\\ud800"}', id="J05 lone surrogate"),
        pytest.param(b"{", id="cut off"),
        pytest.param(HEAD + b'"n":1} x', id="more after the end"),
        pytest.param(b"\xef\xbb\xbf{}", id="byte order mark"),
    ],
)
def test_j03_j05_a_body_that_is_not_json_is_malformed(body):
    """J03, J05: depth, numbers and bytes that JSON does not have are refused as such, without a crash."""
    with pytest.raises(MalformedBody, match="not valid JSON"):
        parse_chat(body, HttpOptions())


def test_j05_a_lone_surrogate_in_an_image_url_is_malformed():
    """J05: strings that are taken as they are get the same checks."""
    url = b'{"role":"user","content":[{"type":"image_url","image_url":{"url":"\\ud800"}}]}'
    with pytest.raises(MalformedBody):
        parse_chat(b'{"model":"m","messages":[' + url + b"]}", HttpOptions())


@pytest.mark.parametrize("half", ["\\ud800", "\\uDC00", "a\\udbff"])
@pytest.mark.parametrize("content", ['"%s"', '"%s and more text after it"', '[{"type":"text","text":"%s"}]'])
def test_j05_half_of_a_surrogate_pair_is_named(half, content):
    """The refusal says which escape it is, wherever it stands; the end of the text is not at fault."""
    message = '{"role":"user","content":%s}' % (content % half)
    with pytest.raises(MalformedBody, match=re.escape(f"the escape {half.lstrip('a')} is half of a surrogate pair")):
        parse_chat(b'{"model":"m","messages":[' + message.encode() + b"]}", HttpOptions())


def test_j05_a_text_that_was_cut_is_called_so():
    """A whole pair before the end is not what is wrong."""
    with pytest.raises(MalformedBody, match="truncated"):
        parse_chat(b'{"model":"m","messages":[{"role":"user","content":"\\ud83d\\ude00', HttpOptions())


def test_j04_the_last_of_duplicate_keys_wins():
    """J04: documented in docs/errors.md."""
    assert parse_chat(HEAD + b'"model":"second"}', HttpOptions())[0].model == "second"


@given(st.text(max_size=200).filter(lambda text: text.isprintable()))
def test_a_json_string_is_taken_as_its_text(text):
    """With or without escapes, ASCII or not, the bytes are those of the string."""
    for encoded in (msgspec.json.encode(text), msgspec.json.encode(text).replace(b"/", b"\\/")):
        assert bytes(decode_text(msgspec.Raw(encoded), where="url")) == text.encode()


def test_a_string_without_escapes_is_not_copied():
    """A data URI of megabytes is a read-only view into the body."""
    body = b'["data:image/png;base64,' + b"A" * 1_000_000 + b'"]'
    raw = decode_body(body, list[msgspec.Raw])[0]
    view = decode_text(raw, where="url")
    assert view.readonly and view.obj is raw and len(view) == 1_000_022


@pytest.mark.parametrize(
    ("value", "seen"),
    [("null", "null"), ("5", "number"), ("[]", "array"), ("{}", "object"), ("true", "boolean"), ("-1", "number")],
)
def test_another_type_in_place_of_a_string_is_named(value, seen):
    """The refusal names the type that was there."""
    with pytest.raises(ShapeMismatch, match=f"a.b: expected string, got {seen}"):
        decode_text(msgspec.Raw(value.encode()), where="a.b")


def test_the_refusal_of_a_huge_value_is_short():
    """A value of a megabyte is not echoed."""
    with pytest.raises(ShapeMismatch) as refused:
        parse_chat(HEAD + b'"tool_choice":"' + b"x" * 1_000_000 + b'"}', HttpOptions())
    assert len(refused.value.sentence) < 500


@pytest.mark.parametrize("at", [0, 1, 2, 3])
def test_a_character_across_two_slices_is_whole(at):
    """Bodies are checked in slices of 256 KiB; a character may lie on the edge, but must not be cut off."""
    text = "x" * (256 * 1024 - at - 1) + "\u20ac"
    assert decode_body(msgspec.json.encode(text), str) == text
    with pytest.raises(MalformedBody):
        decode_body(msgspec.json.encode(text)[:-2] + b'"', str)

"""Server-sent events out of bytes: however they are cut, whole events and none beyond the limit."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vitrail.engines.sse import EVENT_LIMIT_BYTES, EventSplitter


def split(*parts):
    """The data of the events in `parts` and at their end."""
    splitter = EventSplitter()
    events = [event for part in parts for event in splitter.push(part)]
    return [*events, *splitter.flush()]


@given(st.lists(st.sampled_from([b"data: a\n\n", b"data:b\r\n\r\n", b": ping\n\n", b"event: x\ndata: c\ndata: d\n\n"])))
def test_events_are_the_same_however_their_bytes_are_cut(lines):
    """Bytes that come one by one make the events that they make at once."""
    whole = b"".join(lines)
    assert split(*(bytes([byte]) for byte in whole)) == split(whole)


def test_a_byte_order_mark_at_the_beginning_is_no_part_of_the_first_line():
    """Some servers put one before their text; the standard says to skip it."""
    assert split(b"\xef\xbb", b"\xbfdata: a\n\ndata: b\n\n") == [b"a", b"b"]


def test_m25_a_line_that_never_ends_is_refused():
    """M25 what waits for its end of line has a limit."""
    splitter = EventSplitter()
    with pytest.raises(ValueError, match="too long"):
        for _ in range(EVENT_LIMIT_BYTES // (1 << 16) + 1):
            list(splitter.push(b"x" * (1 << 16)))


def test_m25_an_event_that_never_ends_is_refused():
    """M25 lines of data without an empty one between them cannot fill the memory either."""
    splitter = EventSplitter()
    with pytest.raises(ValueError, match="too long"):
        for _ in range(EVENT_LIMIT_BYTES // (1 << 16) + 1):
            list(splitter.push(b"data:" + b"x" * (1 << 16) + b"\n"))


def test_a_long_stream_of_short_events_has_no_limit():
    """The limit is for one event."""
    splitter = EventSplitter()
    event = b"data: " + b"x" * (1 << 20) + b"\n\n"
    assert sum(len(data) for _ in range(40) for data in splitter.push(event)) == 40 << 20

"""The stop cutter against its own definition: the text before the first stop sequence, however it was cut up."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from vitrail.domain.stop import StopCutter

texts = st.text(alphabet="abcé ", max_size=40)
stops = st.lists(st.text(alphabet="abcé ", min_size=1, max_size=4), max_size=4).map(tuple)


def _earliest(text: str, stop: tuple[str, ...]) -> str:
    cuts = [text.index(s) for s in stop if s in text]
    return text[: min(cuts)] if cuts else text


@given(pieces=st.lists(texts, max_size=8), stop=stops)
def test_stream_is_cut_where_the_whole_text_would_be(pieces: list[str], stop: tuple[str, ...]) -> None:
    """What comes out of the pieces never holds a stop sequence and is a beginning of the text.

    Pieces may end before a longer sequence that starts earlier is whole, so the cut is at the first one completed.
    """
    cutter = StopCutter(stop)
    out = "".join(cutter.push(piece) for piece in pieces) + cutter.flush()
    whole = "".join(pieces)
    assert whole.startswith(out)
    assert not any(s in out for s in stop)
    assert cutter.stopped == any(s in whole for s in stop)
    if not cutter.stopped:
        assert out == whole


@given(text=texts, stop=stops)
def test_one_piece_is_cut_at_the_earliest_stop(text: str, stop: tuple[str, ...]) -> None:
    """A text that comes whole is cut exactly at the earliest stop sequence."""
    cutter = StopCutter(stop)
    assert cutter.push(text) + cutter.flush() == _earliest(text, stop)


def test_text_that_cannot_become_a_stop_is_sent_at_once() -> None:
    """Only the possible beginning of a stop sequence is held back."""
    cutter = StopCutter(("END",))
    assert [cutter.push("hello E"), cutter.push("N"), cutter.push("x")] == ["hello ", "", "ENx"]


def test_the_cutter_tells_which_sequence_it_met() -> None:
    """The first one in the text; none before one was met."""
    cutter = StopCutter(("END", "STOP"))
    assert cutter.push("Go on, EN") == "Go on, "
    assert cutter.met is None
    cutter.push("D or STOP")
    assert cutter.met == "END"

"""What is stored of a deferred request and its outcome can be read back, by this release and by later ones."""

from __future__ import annotations

import msgspec
import pybase64
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vitrail.domain.chat import (
    ChatRequest,
    ImagePart,
    JsonFormat,
    Message,
    Role,
    Sampling,
    TextPart,
    Tool,
    ToolCall,
    ToolChoice,
    ToolMode,
)
from vitrail.domain.completion import Choice, Completion, CompletionHead, FinishReason, TokenLogprob, Usage
from vitrail.domain.errors import Failure, ImageFetchFailed, InternalFailure, RateLimited, Unavailable
from vitrail.domain.pictures import Detail, ImageFormat, ImageReference, MeasuredImage, TilePlan
from vitrail.service.job_format import pack_outcome, pack_request, unpack_outcome, unpack_request

PLAN = TilePlan(columns=1, rows=1, fitted_width_px=1, fitted_height_px=1, image_tokens=512)

words = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
floats = st.floats(-2, 2)
images = st.builds(
    lambda data, format_, detail, where: (
        ImageReference(memoryview(b"http://host.test/x"), detail, where),
        MeasuredImage(data, format_, 1, 1, 1, PLAN, where),
    ),
    st.binary(max_size=40),
    st.sampled_from(ImageFormat),
    st.sampled_from(Detail),
    words,
)
calls = st.builds(ToolCall, id=words, name=words, arguments=words)
samplings = st.builds(
    Sampling,
    max_tokens=st.none() | st.integers(1, 2**31),
    temperature=st.none() | floats,
    seed=st.none() | st.integers(-(2**31), 2**31),
    stop=st.lists(words, max_size=3).map(tuple),
    logprobs=st.booleans(),
)
usages = st.builds(Usage, *[st.integers(0, 2**40)] * 5)
choices = st.builds(
    Choice,
    index=st.integers(0, 9),
    text=words,
    reasoning=words,
    tool_calls=st.lists(calls, max_size=2).map(tuple),
    logprobs=st.lists(
        st.builds(TokenLogprob, words, floats, st.lists(st.tuples(words, floats), max_size=2).map(tuple)), max_size=2
    ).map(tuple),
    finish_reason=st.sampled_from(FinishReason),
)


@st.composite
def requests(draw: st.DrawFn) -> tuple[ChatRequest, tuple[MeasuredImage, ...]]:
    """A request with pictures in any place, and what was measured of them."""
    measured = []
    messages = []
    for _ in range(draw(st.integers(1, 3))):
        parts: list[TextPart | ImagePart] = []
        for part in draw(st.lists(words | images, max_size=4)):
            if isinstance(part, str):
                parts.append(TextPart(part))
            else:
                parts.append(ImagePart(part[0]))
                measured.append(part[1])
        messages.append(
            Message(
                role=draw(st.sampled_from(Role)),
                parts=tuple(parts),
                name=draw(st.none() | words),
                tool_calls=tuple(draw(st.lists(calls, max_size=2))),
                tool_call_id=draw(st.none() | words),
            )
        )
    request = ChatRequest(
        model=draw(words),
        messages=tuple(messages),
        sampling=draw(samplings),
        n=draw(st.integers(1, 8)),
        response_format=draw(st.none() | st.builds(JsonFormat, st.none() | words, st.none() | words, st.booleans())),
        tools=tuple(draw(st.lists(st.builds(Tool, words, words, words), max_size=2))),
        tool_choice=draw(st.none() | st.builds(ToolChoice, st.sampled_from(ToolMode), st.none() | words)),
        parallel_tool_calls=draw(st.booleans()),
        reasoning_effort=draw(st.none() | words),
        user=draw(st.none() | words),
    )
    return request, tuple(measured)


@given(requests())
def test_a_request_is_read_back_with_its_images_as_data(case: tuple[ChatRequest, tuple[MeasuredImage, ...]]) -> None:
    """Everything of a request survives; each image, from wherever it came, is the bytes that were measured."""
    request, measured = case
    again = unpack_request(pack_request(request, measured))
    data = [pybase64.b64decode(bytes(r.url).partition(b",")[2], validate=True) for r in again.image_references]
    assert data == [image.data for image in measured]
    assert [(r.detail, r.where) for r in again.image_references] == [
        (r.detail, r.where) for r in request.image_references
    ]
    assert without_urls(again) == without_urls(request)


def without_urls(request: ChatRequest) -> object:
    """Return everything of a request but where its images come from."""
    messages = [
        (
            message.role,
            [part.text if isinstance(part, TextPart) else "image" for part in message.parts],
            message.name,
            message.tool_calls,
            message.tool_call_id,
        )
        for message in request.messages
    ]
    fields = ChatRequest.__dataclass_fields__
    return messages, [getattr(request, name) for name in fields if name != "messages"]


def test_equal_images_are_stored_once() -> None:
    """A picture that is sent twice takes its bytes once."""
    reference = ImageReference(memoryview(b""), Detail.LOW, "w")
    image = MeasuredImage(b"pixels", ImageFormat.PNG, 1, 1, 1, PLAN, "w")
    message = Message(role=Role.USER, parts=(ImagePart(reference), ImagePart(reference)))
    parts = pack_request(ChatRequest(model="m", messages=(message,)), (image, image))
    assert parts[1:] == (b"pixels",)
    assert [bytes(r.url)[:22] for r in unpack_request(parts).image_references] == [b"data:image/png;base64,"] * 2


@given(st.lists(choices, max_size=3), usages, words)
def test_a_completion_is_read_back(choices: list[Choice], usage: Usage, word: str) -> None:
    """Every field of a completion survives."""
    completion = Completion(CompletionHead(word, 1, word, word), tuple(choices), usage)
    assert unpack_outcome(pack_outcome(completion)) == completion


@pytest.mark.parametrize(
    "failure",
    [Unavailable("Busy.", retry_after_seconds=2.5), ImageFetchFailed(where="messages[0]"), RateLimited(hint="Wait.")],
)
def test_f07_a_failure_is_read_back(failure: Failure) -> None:
    """F07: kind, sentence and waiting time of a failure survive."""
    again = unpack_outcome(pack_outcome(failure))
    assert isinstance(again, Failure) and type(again) is type(failure)
    assert (again.sentence, again.retry_after_seconds) == (failure.sentence, failure.retry_after_seconds)


def test_a_failure_of_a_kind_made_elsewhere_is_stored_as_what_it_is() -> None:
    """A subclass that the tree of failures does not name becomes its nearest kind that it does."""

    class Overheated(Unavailable):
        """Too hot."""

    again = unpack_outcome(pack_outcome(Overheated()))
    assert type(again) is Unavailable and again.sentence == "Too hot."


@pytest.mark.parametrize("data", [msgspec.msgpack.encode({"version": 99}), b"", b"\xc1", msgspec.msgpack.encode([1])])
def test_an_unknown_form_fails_with_a_clear_text(data: bytes) -> None:
    """What another version stored, or nobody, is refused in words; nothing raises that is not a failure."""
    with pytest.raises(InternalFailure, match=r"stored by another version of the server.*Send it again"):
        unpack_request((data,))
    outcome = unpack_outcome(data)
    assert isinstance(outcome, InternalFailure) and "another version" in outcome.sentence


def test_a_request_without_parts_fails_with_a_clear_text() -> None:
    """A job whose parts are gone says so."""
    with pytest.raises(InternalFailure, match="not in the database any more"):
        unpack_request(())


# Rows as release 0.1.0 wrote them. They stay readable: if the test fails, raise VERSION and keep reading the old form.
REQUEST_OF_0_1 = bytes.fromhex(
    "8ba776657273696f6e01a56d6f64656ca16da86d657373616765739185a4726f6c65a475736572a570617274739285a474797065a5696d"
    "616765a47061727401a6666f726d6174a46a706567a664657461696ca468696768a57768657265ab6d657373616765735b305d82a47479"
    "7065a474657874a474657874ab576861742069732069743fa46e616d65c0aa746f6f6c5f63616c6c7390ac746f6f6c5f63616c6c5f6964"
    "c0a873616d706c696e6789aa6d61785f746f6b656e73c0ab74656d7065726174757265cb3fe0000000000000a5746f705f70c0a4736565"
    "6407a473746f7091a178b16672657175656e63795f70656e616c7479c0b070726573656e63655f70656e616c7479c0a86c6f6770726f62"
    "73c2ac746f705f6c6f6770726f627300a16e01af726573706f6e73655f666f726d617483a6736368656d61a27b7da46e616d65c0a67374"
    "72696374c3a5746f6f6c739183a46e616d65a166ab6465736372697074696f6ea164aa706172616d6574657273a27b7dab746f6f6c5f63"
    "686f69636582a46d6f6465a46175746fa46e616d65c0b3706172616c6c656c5f746f6f6c5f63616c6c73c3b0726561736f6e696e675f65"
    "66666f7274c0a475736572c0"
)
OUTCOME_OF_0_1 = bytes.fromhex(
    "83a776657273696f6e01aa636f6d706c6574696f6e83a46865616484a26964a26964a76372656174656401a56d6f64656ca16db2737973"
    "74656d5f66696e6765727072696e74a466705f31a763686f696365739186a5696e64657800a474657874a641206361742ea9726561736f"
    "6e696e67a0aa746f6f6c5f63616c6c739183a26964a163a46e616d65a166a9617267756d656e7473a27b7da86c6f6770726f62739183a5"
    "746f6b656ea141a76c6f6770726f62cbbfb999999999999aa3746f709192a142cbbff0000000000000ad66696e6973685f726561736f6e"
    "a473746f70a5757361676585ab746578745f746f6b656e7303ac696d6167655f746f6b656e73cd0200ad6361636865645f746f6b656e73"
    "00b1636f6d706c6574696f6e5f746f6b656e7302b0726561736f6e696e675f746f6b656e7300a76661696c757265c0"
)
FAILURE_OF_0_1 = bytes.fromhex(
    "83a776657273696f6e01aa636f6d706c6574696f6ec0a76661696c75726585a46b696e64ab556e617661696c61626c65a76d6573736167"
    "65a5427573792ea57768657265c0a468696e74c0b372657472795f61667465725f7365636f6e647302"
)


def test_rows_of_the_first_release_are_read() -> None:
    """A request and both kinds of outcome of release 0.1.0 are still what they were."""
    request = unpack_request((REQUEST_OF_0_1, b"pixels"))
    assert (request.model, request.sampling.seed, request.sampling.stop) == ("m", 7, ("x",))
    assert bytes(request.image_references[0].url) == b"data:image/jpeg;base64," + pybase64.b64encode(b"pixels")
    assert request.messages[0].parts[1] == TextPart("What is it?")
    outcome = unpack_outcome(OUTCOME_OF_0_1)
    assert isinstance(outcome, Completion) and outcome.choices[0].text == "A cat." and outcome.usage.image_tokens == 512
    failure = unpack_outcome(FAILURE_OF_0_1)
    assert type(failure) is Unavailable and failure.retry_after_seconds == 2

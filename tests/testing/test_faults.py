"""Every failure that a script can play, as OpenAI's own client sees it."""

from __future__ import annotations

import json

import httpx2
import openai
import pytest

from vitrail.domain.request_log import Outcome

RATE_TEXT = "Too many requests for team t1."


def read(stream):
    """The chunks of a stream: their texts, and the finish reason."""
    texts, reasons = [], []
    for chunk in stream:
        texts.append(chunk.choices[0].delta.content or "")
        reasons.append(chunk.choices[0].finish_reason)
    return "".join(texts), reasons[-1]


def test_a_429_has_the_recorded_text_and_headers(server, ask):
    """Text, Retry-After and rate headers are those of the script, whole and streamed."""
    headers = {"x-ratelimit-limit-requests": "10", "x-ratelimit-remaining-requests": "0"}
    error = {"kind": "RateLimited", "text": RATE_TEXT, "headers": headers, "retry_after_seconds": 3}
    server.script(rules=[{"error": error}])
    for stream in (False, True):
        with pytest.raises(openai.RateLimitError) as caught:
            ask(stream=stream)
        assert caught.value.response.json()["error"] == RATE_TEXT
        seen = caught.value.response.headers
        assert {name: seen[name] for name in headers} == headers
        assert seen["retry-after"] == "3"


def test_a_503_has_its_retry_after(server, ask):
    """The client may come back when the script says."""
    server.script(rules=[{"error": {"kind": "Unavailable", "retry_after_seconds": 7}}])
    with pytest.raises(openai.InternalServerError) as caught:
        ask()
    assert (caught.value.status_code, caught.value.response.headers["retry-after"]) == (503, "7")


def test_a_client_that_retries_gets_through(server, client, ask):
    """The official client's own retry meets the second answer of the sequence."""
    failing = {"error": {"kind": "Unavailable", "retry_after_seconds": 0.01, "headers": {"retry-after-ms": "1"}}}
    server.script(rules=[{"answers": [failing, {"fault": "drop"}, {"text": "There you are."}]}])
    patient = client.with_options(max_retries=2)
    messages = [{"role": "user", "content": "x"}]
    answer = patient.chat.completions.create(model="gpt-4o", messages=messages)
    assert answer.choices[0].message.content == "There you are."
    assert [r.error for r in server.requests] == ["Unavailable", "drop", None]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_silence_ends_in_the_clients_own_timeout(server, ask, stream):
    """Nothing comes until the client gives up, and the log says that it left."""
    server.script(rules=[{"fault": "silence"}])
    with pytest.raises(openai.APITimeoutError):
        ask(stream=stream, timeout=1)
    while (request := server.requests[0]).outcome is Outcome.RUNNING:
        pass
    assert request.outcome is Outcome.CANCELLED


def test_silence_may_come_in_the_middle_of_a_stream(server, ask):
    """What came before has arrived; then the client's read times out."""
    server.script(rules=[{"chunks": ["Once ", "upon"], "fault": {"kind": "silence", "after_chunks": 1}}])
    stream = ask(stream=True, timeout=1)
    texts = []
    with pytest.raises(openai.APITimeoutError):
        for chunk in stream:
            texts.append(chunk.choices[0].delta.content or "")
    assert "".join(texts) == "Once "


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_a_dropped_connection_before_any_answer(server, ask, stream):
    """The socket closes without a status: a connection error."""
    server.script(rules=[{"fault": "drop"}])
    with pytest.raises(openai.APIConnectionError) as caught:
        ask(stream=stream)
    assert "without sending a response" in str(caught.value.__cause__)


def test_a_dropped_connection_in_the_middle_of_a_stream(server, ask):
    """The chunks before it arrive, then the connection is gone with the body unfinished."""
    server.script(rules=[{"chunks": ["a", "b", "c"], "fault": {"kind": "drop", "after_chunks": 2}}])
    texts = []
    with pytest.raises(openai.APIConnectionError) as caught:
        for chunk in ask(stream=True):
            texts.append(chunk.choices[0].delta.content or "")
    assert "incomplete chunked read" in str(caught.value.__cause__)
    assert "".join(texts) == "ab"


def test_a_truncated_stream_just_ends(server, ask):
    """No finish reason and no [DONE]; clients that do not look take it for an answer."""
    server.script(rules=[{"chunks": ["a", "b", "c"], "fault": {"kind": "truncate", "after_chunks": 2}}])
    assert read(ask(stream=True)) == ("ab", None)
    server.script(rules=[{"fault": "truncate"}])
    assert read(ask(stream=True)) == ("", None)


def test_a_truncated_whole_answer_is_shorter_than_declared(server, ask):
    """The body ends before its Content-Length."""
    server.script(rules=[{"fault": "truncate"}])
    with pytest.raises(openai.APIConnectionError) as caught:
        ask()
    assert "without sending complete message body" in str(caught.value.__cause__)


def test_invalid_json_in_a_chunk(server, ask):
    """A chunk's JSON is torn; what came before has arrived."""
    server.script(rules=[{"chunks": ["a", "b"], "fault": {"kind": "invalid_json", "after_chunks": 1}}])
    texts = []
    with pytest.raises(json.JSONDecodeError):
        for chunk in ask(stream=True):
            texts.append(chunk.choices[0].delta.content or "")
    assert "".join(texts) == "a"


def test_invalid_json_in_a_whole_answer(server, ask):
    """Status 200, a JSON type, and half an object."""
    server.script(rules=[{"fault": "invalid_json"}])
    with pytest.raises((json.JSONDecodeError, openai.APIResponseValidationError)):
        ask()


def test_the_server_is_as_good_as_new_after_every_fault(server, ask):
    """Broken connections cost nothing: the next request is answered, and settles."""
    for fault in ("drop", "truncate", "invalid_json"):
        server.script(rules=[{"answers": [{"fault": fault}, {"text": "fine"}]}])
        with pytest.raises((openai.APIConnectionError, json.JSONDecodeError)):
            ask()
        assert ask().choices[0].message.content == "fine"


def test_pauses_are_real(server, ask):
    """A first pause delays the first chunk, a pause per chunk the others."""
    server.script(rules=[{"first_delay_seconds": 0.2, "delay_seconds": 0.1, "chunks": ["a", "b"]}])
    stream = ask(stream=True)
    assert read(stream)[0] == "ab"
    assert int(stream.response.headers["x-metrics-ttft-ms"]) >= 200


@pytest.mark.parametrize(
    ("fault", "message"), [("drop", "incomplete chunked read"), ("truncate", None), ("invalid_json", None)]
)
def test_anthropics_stream_breaks_too(server, fault, message):
    """The faults are of the transport, so every surface plays them."""
    server.script(rules=[{"chunks": ["a", "b"], "fault": {"kind": fault, "after_chunks": 1}}])
    body = {
        "model": "gpt-4o",
        "max_tokens": 9,
        "stream": True,
        "messages": [{"role": "user", "content": "x"}],
    }
    key = {"x-api-key": server.api_key, "anthropic-version": "2023-06-01"}
    text = ""
    try:
        with httpx2.stream("POST", f"{server.base_url}/messages", json=body, headers=key, timeout=10) as answer:
            for part in answer.iter_text():
                text += part
    except httpx2.RemoteProtocolError as error:
        assert message and message in str(error)
    else:
        assert message is None
    assert '"a"' in text and "message_stop" not in text

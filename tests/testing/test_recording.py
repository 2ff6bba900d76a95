"""Record from a second Vitrail, then replay without it."""

from __future__ import annotations

from contextlib import ExitStack

import openai
import pytest
import yaml

from vitrail.testing.server import start_server

TOOL = {"type": "function", "function": {"name": "find", "parameters": {"type": "object"}}}


@pytest.fixture
def record(tmp_path, server):
    """Starts servers that play tmp_path/rec/answers.yaml; those with `live` record what is unknown from `server`."""
    folder = tmp_path / "rec"
    folder.mkdir()
    with ExitStack() as stack:

        def start(*, live=True, base_url=server.base_url):
            name = "live.toml" if live else "replay.toml"
            source = f'record_from = {{ base_url = "{base_url}", api_key = "{server.api_key}", model = "gpt-4o" }}'
            (folder / name).write_text(
                f'[[models]]\nid = "m"\nengine = "scripted"\nscript = "answers.yaml"\n{source if live else ""}\n'
            )
            recorder = stack.enter_context(start_server(tmp_path / name, config=folder / name))
            client = openai.OpenAI(base_url=recorder.base_url, api_key=recorder.api_key, max_retries=0, timeout=10)
            return recorder, stack.enter_context(client)

        yield start, folder / "answers.yaml"


def say(client, text, *images, **options):
    parts = [{"type": "image_url", "image_url": {"url": url}} for url in images]
    content = [*parts, {"type": "text", "text": text}]
    return client.chat.completions.create(model="m", messages=[{"role": "user", "content": content}], **options)


def test_an_answer_is_recorded_once_and_replayed(server, record, png, data_uri):
    """Text, reasoning, calls, counts and reason come back the same, without asking again, and after a restart."""
    start, path = record
    rules = [
        {"when": {"text": "call"}, "tool_calls": [{"name": "find", "arguments": {"a": 1}}]},
        {
            "reasoning": "Hm.",
            "text": "Seen {call}: {image_count} image,\n  as is: é ☂ 'q' \"d\" # no: {{",
            "cached_tokens": 3,
        },
    ]
    server.script(rules=rules)
    recorder, client = start()
    first = say(client, "What is it?", data_uri(png))
    again = say(client, "What is it?", data_uri(png))
    called = say(client, "call it", tools=[TOOL])
    assert [r.recorded for r in recorder.requests] == [True, False, True]
    assert len(server.requests) == 2
    _, offline = start(live=False)
    replayed = say(offline, "What is it?", data_uri(png))
    for other in (again, replayed):
        assert other.choices[0].message == first.choices[0].message
        assert other.usage == first.usage
    call = say(offline, "call it", tools=[TOOL]).choices[0]
    assert (call.message.tool_calls, call.finish_reason) == (called.choices[0].message.tool_calls, "tool_calls")
    text = path.read_text()
    assert server.api_key not in text and "base64" not in text
    assert [rule["note"] for rule in yaml.safe_load(text)["rules"]][1] == "call it"
    assert yaml.safe_load(text)["rules"][0]["note"].startswith("What is it? [640x480 ")

"""Put drawn questions to a running server and judge what it says. Called by the command line."""

from __future__ import annotations

import base64
import concurrent.futures
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import openai

from .question import JsonAnswer, Question
from .scoring import Verdict, count_leaves, score

_MAX_TOKENS = 900


@dataclass(frozen=True, slots=True)
class Server:
    """Where to ask, as whom, and how patiently."""

    base_url: str
    api_key: str
    model: str
    timeout_seconds: float = 180.0
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """One question's answer and verdict; `said` is None where the server gave none and `error` says why."""

    question: Question
    said: str | None
    verdict: Verdict
    seconds: float
    error: str | None = None
    leaves_right: int = 0
    leaves: int = 0


def ask_all(questions: Sequence[Question], server: Server, *, concurrency: int = 1) -> Iterable[Outcome]:
    """The outcomes in the order of the questions, each as soon as it and those before it are there."""
    client = openai.OpenAI(
        base_url=server.base_url, api_key=server.api_key, max_retries=0, timeout=server.timeout_seconds
    )
    with concurrent.futures.ThreadPoolExecutor(concurrency) as pool:
        yield from pool.map(lambda question: ask(client, question, server), questions)


def ask(client: openai.OpenAI, question: Question, server: Server) -> Outcome:
    """One question; a refusal or a failure of the server is an outcome, not an exception."""
    started = time.monotonic()
    try:
        completion = client.chat.completions.create(
            model=server.model,
            messages=_messages(question, server.detail),
            temperature=0,
            max_tokens=_MAX_TOKENS,
            **_response_format(question),
        )
        said = completion.choices[0].message.content or ""
    except openai.APIStatusError as failure:
        return _failed(question, started, f"HTTP {failure.status_code}: {failure.message}"[:300])
    except openai.APIError as failure:
        return _failed(question, started, f"{type(failure).__name__}: {failure}"[:300])
    except (IndexError, TypeError, AttributeError) as failure:
        return _failed(question, started, f"not a chat completion: {failure}"[:300])
    seconds = time.monotonic() - started
    right, total = count_leaves(question.answer, said) if isinstance(question.answer, JsonAnswer) else (0, 0)
    verdict = score(question, said)
    return Outcome(question, said, verdict, seconds, None if said else "empty answer", right, total)


def _failed(question: Question, started: float, error: str) -> Outcome:
    return Outcome(question, None, Verdict.ERROR, time.monotonic() - started, error)


def _messages(question: Question, detail: str | None) -> Any:
    parts: list[dict[str, Any]] = [
        {"type": "image_url", "image_url": {"url": _data_uri(file), **({"detail": detail} if detail else {})}}
        for file in question.images
    ]
    return [{"role": "user", "content": [*parts, {"type": "text", "text": question.text}]}]


def _response_format(question: Question) -> dict[str, Any]:
    if not isinstance(question.answer, JsonAnswer):
        return {}
    schema = {"name": "answer", "strict": True, "schema": question.answer.schema}
    return {"response_format": {"type": "json_schema", "json_schema": schema}}


def _data_uri(file: bytes) -> str:
    kind = "png" if file.startswith(b"\x89PNG") else "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(file).decode()}"

"""Error answers of OpenAI-style servers to our failures, in our words: theirs may hold paths, prompts or addresses."""

from __future__ import annotations

import re

from vitrail.domain.errors import ContextTooLong, Failure, InvalidArgument, RateLimited, Unavailable

DEFAULT_RETRY_AFTER_SECONDS = 1.0
LONGEST_RETRY_AFTER_SECONDS = 3600.0

TOO_LONG = re.compile(
    r"exceed_context_size|context_length|context (size|length|window)|maximum (model|context)"
    r"|too long after expanding|input length.{0,40}exceeds"  # SGLang, of pictures and of text
    r"|maximum prompt length|(prompt|input) (is )?too long"  # xAI; Anthropic and Ollama
    r"|token count.{0,40}exceeds|must be <= \d+\. given",  # Google and SGLang; text-generation-inference
    re.I,
)
LIMIT = re.compile(r"(?:maximum|context)[^\d\n]{1,60}?(\d{1,9})\b", re.I)
ASKED = re.compile(r"\b(\d{1,9})\)? (?:input |prompt )?tokens|(?:\(|input |prompt )length \(?(\d{1,9})\)", re.I)
BAD_KEY = re.compile(r"(incorrect|invalid) api.?key|api.?key.{0,20} (in|not )valid", re.I)  # xAI, Google: with 400
NO_MODEL = re.compile(r"invalid model name|\bmodel \S{1,200} (does not exist|not found)", re.I)  # LiteLLM: so too
TOO_MUCH = re.compile(  # of `max_tokens` alone: OpenAI and vLLM; SGLang; vLLM until 0.9
    r"max_(completion_)?tokens\W{1,3}(or \W?max_completion_tokens\W{1,3})?is too large"
    r"|tokens for the completion|in the completion\)",
    re.I,
)
BAD_ANSWER = re.compile(r"failed to parse output", re.I)  # LMDeploy, of what its model said
BAD_SCHEMA = re.compile(r"schema|grammar|response_format|structured", re.I)
BAD_TOOLS = re.compile(r"tool|function", re.I)
BAD_PICTURE = re.compile(r"image|multimodal|mmproj|vision", re.I)
BAD_ROLES = re.compile(r"role|template|conversation", re.I)


class KeyRefused(Unavailable):
    """The service is currently unavailable."""


class BudgetTooLarge(ContextTooLong):
    """The prompt and max_tokens together are longer than the model's context window."""


class NotServed(Unavailable):
    """The service is currently unavailable."""


def parse_failure(document: object, *, status: int, retry_after: str | None = None) -> Failure:
    """Return the failure for an error `document` (any JSON); a code inside it wins over the HTTP status."""
    status, said = _read(document, status)
    match status:
        case 429:
            return RateLimited(retry_after_seconds=parse_retry_after(retry_after))
        case 400 | 413 | 422:
            return _parse_refusal(said)
        case 500 if TOO_LONG.search(said):  # some servers find out where they count no refusal as one
            return _parse_refusal(said)
        case 401 | 403:  # of our key, which is none of the client's
            return KeyRefused(retry_after_seconds=parse_retry_after(retry_after))
        case 404:  # neither such a model, nor such a route
            return NotServed(retry_after_seconds=parse_retry_after(retry_after))
        case _:
            return Unavailable(retry_after_seconds=parse_retry_after(retry_after))


def parse_retry_after(text: str | None) -> float:
    """Return the seconds of a Retry-After header; a date, or nonsense, counts as the default."""
    try:
        seconds = float(text or "")
    except ValueError:
        return DEFAULT_RETRY_AFTER_SECONDS
    return min(max(seconds, 0.0), LONGEST_RETRY_AFTER_SECONDS) if seconds == seconds else DEFAULT_RETRY_AFTER_SECONDS


def _parse_refusal(said: str) -> Failure:
    if BAD_ANSWER.search(said):
        return Unavailable(retry_after_seconds=DEFAULT_RETRY_AFTER_SECONDS)
    if BAD_KEY.search(said):
        return KeyRefused(retry_after_seconds=DEFAULT_RETRY_AFTER_SECONDS)
    if NO_MODEL.search(said):
        return NotServed(retry_after_seconds=DEFAULT_RETRY_AFTER_SECONDS)
    if TOO_MUCH.search(said):
        return BudgetTooLarge()
    if TOO_LONG.search(said):
        return ContextTooLong(_tell_lengths(said))
    if BAD_SCHEMA.search(said):
        return InvalidArgument("The model cannot follow the JSON schema of the request.")
    if BAD_PICTURE.search(said):
        return InvalidArgument("The model could not use an image of the request.")
    if BAD_TOOLS.search(said):
        return InvalidArgument("The model cannot use the tools of the request.")
    if BAD_ROLES.search(said):
        return InvalidArgument("The model cannot take messages with these roles in this order.")
    return InvalidArgument("The model refused the request.")


def _tell_lengths(said: str) -> str | None:
    """Return the refusal with its two numbers, as the API words it, where the error has both; nothing else of it."""
    limit = LIMIT.search(said)
    asked = max((int(one or other) for one, other in ASKED.findall(said)), default=0)
    if limit is None or asked <= int(limit[1]):
        return None
    return f"This model's maximum prompt length is {int(limit[1])} but the request contains {asked} tokens."


def _read(document: object, status: int) -> tuple[int, str]:
    """The status that counts, and all the words of the error, to be searched and never shown."""
    error = (document.get("error") or document) if isinstance(document, dict) else document
    if not isinstance(error, dict):
        return status, str(error)[:2000]
    code = error.get("code")
    if isinstance(code, str) and code.isdecimal():  # LiteLLM
        code = int(code[:4])
    if isinstance(code, int) and 400 <= code <= 599:
        status = code
    return status, "\n".join(str(error.get(key, "")) for key in ("message", "type", "code", "detail"))[:2000]

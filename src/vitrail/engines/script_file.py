"""Read a script for the scripted engine from YAML. The format is described in `scripted` and in docs/scripted.md."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from vitrail.domain.chat import Role
from vitrail.domain.completion import FinishReason
from vitrail.domain.errors import Failure
from vitrail.domain.faults import TransportFault
from vitrail.engines.base import Capabilities
from vitrail.engines.script import Answer, Rule, Script, ScriptedCall, ScriptedChunk, ScriptedError, ScriptedFault, When
from vitrail.engines.yaml_reading import BadDocument, Place, parse_yaml

UNBOUNDED = 1 << 31
SHORTEST_SHA256 = 8  # digits that are enough to tell a handful of pictures apart
SHA256_START = re.compile(rf"[0-9a-f]{{{SHORTEST_SHA256},64}}")
HEADER_NAME = re.compile(r"[A-Za-z0-9-]+")
FAULTS: dict[str, TransportFault | None] = {"silence": None, **{fault.value: fault for fault in TransportFault}}


def read_script(path: Path) -> Script:
    """Return the script in a file; raises BadDocument with the line at fault, OSError if it cannot be read."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as failure:
        raise BadDocument(f"{path.name}: not UTF-8 text") from failure
    return parse_script(text, source=path.name)


def parse_script(text: str, *, source: str = "script") -> Script:
    """Return the script in `text`; an empty one has no rules. Raises BadDocument with the line at fault."""
    top = parse_yaml(text, source=source)
    if top is None:
        return Script()
    return Script(**_typed(top.read_mapping(SCRIPT_KEYS)))


def _read_capabilities(place: Place) -> Capabilities:
    switches = ("images", "logprobs", "structured", "tools", "reasoning")
    said = place.read_mapping(
        dict.fromkeys(switches, Place.read_boolean) | {"picture_long_edge_px": Place.read_integer}
    )
    return Capabilities(**_typed({**dict.fromkeys(switches, True), **said}))


def _read_rules(place: Place) -> tuple[Rule, ...]:
    return place.read_list(_read_rule)


def _read_rule(place: Place) -> Rule:
    said = place.read_mapping({"when": _read_when, "answers": _read_answers, **ANSWER_KEYS, "note": Place.read_text})
    when, note = said.pop("when", When()), said.pop("note", "")
    answers = said.pop("answers", None)
    if answers is not None and said:
        raise place.refusal(f"give either `answers` or an answer of its own, saw both (`{next(iter(said))}`)")
    if answers is None:
        answers = (_check_answer(place, Answer(**_typed(said))),)
    return Rule(**_typed({"when": when, "answers": answers, "note": note}))


def _read_when(place: Place) -> When:
    said = place.read_mapping(
        {
            "text": Place.read_text,
            "regex": _read_regex,
            "system": Place.read_text,
            "last_role": lambda role: role.read_choice({name.value: name for name in Role}),
            "model": Place.read_text,
            "images": _read_range,
            "width_px": _read_range,
            "height_px": _read_range,
            "sha256": _read_sha256,
            "digest": Place.read_text,
            "tool": Place.read_text,
            "structured": Place.read_boolean,
            "call": _read_range,
        }
    )
    return When(**_typed(said))


def _read_regex(place: Place) -> re.Pattern[str]:
    try:
        return re.compile(place.read_text(), re.IGNORECASE | re.DOTALL)
    except re.error as failure:
        raise place.refusal(f"this is not a regular expression: {failure}") from failure


def _read_sha256(place: Place) -> str:
    """The hex digits, or the first ones, of a digest."""
    digits = place.read_text().lower()
    if not SHA256_START.fullmatch(digits):
        raise place.refusal(f"expected {SHORTEST_SHA256} to 64 hex digits of a SHA-256, saw {digits!r}")
    return digits


def _read_range(place: Place) -> range:
    """A number, or a mapping with `min`, `max` or both."""
    if not place.is_mapping:
        exactly = place.read_integer()
        return range(exactly, exactly + 1)
    ends = place.read_mapping({"min": Place.read_integer, "max": Place.read_integer})
    return range(_typed(ends).get("min", 0), _typed(ends).get("max", UNBOUNDED) + 1)


def _read_answers(place: Place) -> tuple[Answer, ...]:
    answers = place.read_list(_read_answer)
    if not answers:
        raise place.refusal("expected at least one answer, saw an empty list")
    return answers


def _read_answer(place: Place) -> Answer:
    return _check_answer(place, Answer(**_typed(place.read_mapping(ANSWER_KEYS))))


def _check_answer(place: Place, answer: Answer) -> Answer:
    if answer.text is not None and answer.chunks is not None:
        raise place.refusal("give either `text` or `chunks`, saw both")
    if answer.error is not None and answer.fault is not None:
        raise place.refusal("give either `error` or `fault`, saw both")
    return answer


def _read_chunks(place: Place) -> tuple[ScriptedChunk, ...]:
    return place.read_list(_read_chunk)


def _read_chunk(place: Place) -> ScriptedChunk:
    if not place.is_mapping:
        return ScriptedChunk(place.read_text())
    said = place.read_mapping({"text": Place.read_text, "delay_seconds": Place.read_seconds})
    if "text" not in said:
        raise place.refusal("expected the key `text`, saw none")
    return ScriptedChunk(**_typed(said))


def _read_tool_calls(place: Place) -> tuple[ScriptedCall, ...]:
    return place.read_list(_read_tool_call)


def _read_tool_call(place: Place) -> ScriptedCall:
    said = place.read_mapping({"name": Place.read_text, "arguments": _read_json, "id": Place.read_text})
    if "name" not in said:
        raise place.refusal("expected the key `name`, saw none")
    return ScriptedCall(**_typed({"arguments": "{}", **said}))


def _read_json(place: Place) -> str:
    """A mapping, turned into JSON text; or text, taken as it is."""
    if not place.is_mapping:
        return place.read_text()
    try:
        return json.dumps(place.read_value())
    except TypeError as failure:
        raise place.refusal(f"this has no form in JSON: {failure}") from failure


def _read_error(place: Place) -> ScriptedError:
    said = place.read_mapping(
        {
            "kind": lambda kind: kind.read_choice(_failure_kinds()),
            "text": Place.read_text,
            "retry_after_seconds": Place.read_seconds,
            "headers": _read_headers,
            "after_chunks": Place.read_integer,
        }
    )
    if "kind" not in said:
        raise place.refusal(f"expected the key `kind`, one of {', '.join(_failure_kinds())}")
    return ScriptedError(**_typed(said))


def _read_headers(place: Place) -> tuple[tuple[str, str], ...]:
    """Names and values of HTTP headers."""
    headers = place.read_entries(Place.read_text)
    for name, value in headers.items():
        if not HEADER_NAME.fullmatch(name) or not value.isascii() or not value.isprintable():
            raise place.refusal(f"this is not an HTTP header: {name}: {value!r}")
    return tuple(headers.items())


def _read_fault(place: Place) -> ScriptedFault:
    """The name of a fault, or a mapping with `kind` and `after_chunks`."""
    if not place.is_mapping:
        return ScriptedFault(place.read_choice(FAULTS))
    said = place.read_mapping({"kind": lambda kind: kind.read_choice(FAULTS), "after_chunks": Place.read_integer})
    if "kind" not in said:
        raise place.refusal(f"expected the key `kind`, one of {', '.join(FAULTS)}")
    return ScriptedFault(**_typed(said))


def _read_finish_reason(place: Place) -> FinishReason:
    return place.read_choice({reason.value: reason for reason in FinishReason})


SCRIPT_KEYS = {"capabilities": _read_capabilities, "rules": _read_rules, "strict": Place.read_boolean}
ANSWER_KEYS = {
    "text": Place.read_text,
    "chunks": _read_chunks,
    "delay_seconds": Place.read_seconds,
    "first_delay_seconds": Place.read_seconds,
    "reasoning": Place.read_text,
    "tool_calls": _read_tool_calls,
    "error": _read_error,
    "fault": _read_fault,
    "verbatim": Place.read_boolean,
    "finish_reason": _read_finish_reason,
    "logprob": Place.read_number,
    "completion_tokens": Place.read_integer,
    "reasoning_tokens": Place.read_integer,
    "prompt_tokens": Place.read_integer,
    "cached_tokens": Place.read_integer,
}


def _failure_kinds() -> dict[str, type[Failure]]:
    """Every leaf and branch of the tree of failures by name."""
    kinds: dict[str, type[Failure]] = {}
    branches = [Failure]
    while branches:
        branch = branches.pop(0)
        below = sorted(branch.__subclasses__(), key=lambda kind: kind.__name__)
        kinds |= {kind.__name__: kind for kind in below if kind.__module__ == Failure.__module__}
        branches += below
    return kinds


def _typed(said: dict[str, object]) -> dict[str, Any]:
    """The entries as keyword arguments; each was read by the function of its own key, so their types hold."""
    return dict(said)

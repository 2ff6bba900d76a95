"""Append an answer that another engine gave to a script, as a rule that answers the same request from then on.

Called by `scripted` while it records. What stands in the file already, comments included, is left as it is.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from vitrail.engines.base import FinishPiece, Piece, ReasoningPiece, TextPiece, ToolCallPiece
from vitrail.engines.file_lock import hold_lock
from vitrail.engines.script import Asked
from vitrail.engines.script_file import parse_script
from vitrail.engines.yaml_reading import BadDocument

NOTE_LENGTH = 120
LINE_LENGTH = 120
CANNOT_APPEND = "rules cannot be appended: `rules` has to stand last, as a list with one `-` a line"


def record_rule(path: Path, asked: Asked, pieces: Iterable[Piece]) -> str:
    """Append the rule to the file unless another process has done so, and return the file's text then; blocks.

    Raises BadDocument when the file is not as it was, OSError when it cannot be written.
    """
    rule = plan_rule(asked, pieces)
    with hold_lock(path, on_wait=lambda: None):
        text = read_text(path)
        if any(known.when.digest == asked.digest for known in parse_script(text, source=path.name).rules):
            return text
        longer = append_rule(text, rule, source=path.name)
        with path.open("a", encoding="utf-8", newline="") as file:
            file.write(longer[len(text) :])
    return longer


def read_text(path: Path) -> str:
    """Return the text of a script that may not be there yet."""
    return path.read_bytes().decode("utf-8") if path.exists() else ""


def check_appendable(text: str, *, source: str) -> None:
    """Raise BadDocument when no rule could be appended to this script."""
    append_rule(text, {"when": {"digest": ""}, "text": ""}, source=source)


def plan_rule(asked: Asked, pieces: Iterable[Piece]) -> dict[str, Any]:
    """Return the rule, as it will stand in YAML, that plays these pieces again."""
    pieces = tuple(pieces)
    texts = [piece.text for piece in pieces if isinstance(piece, TextPiece) and piece.text]
    reasoning = "".join(piece.text for piece in pieces if isinstance(piece, ReasoningPiece))
    calls = [piece.call for piece in pieces if isinstance(piece, ToolCallPiece)]
    finish = next(piece for piece in pieces if isinstance(piece, FinishPiece))
    rule: dict[str, Any] = {"when": {"digest": asked.digest}, "note": _note(asked), "text": "".join(texts)}
    if reasoning:
        rule["reasoning"] = reasoning
    if calls:
        rule["tool_calls"] = [{"id": c.id, "name": c.name, "arguments": c.arguments} for c in calls]
    rule |= {"finish_reason": finish.reason.value, "verbatim": True}
    counts = {
        "completion_tokens": finish.completion_tokens,
        "reasoning_tokens": finish.reasoning_tokens,
        "cached_tokens": finish.cached_tokens,
    }
    return rule | {name: count for name, count in counts.items() if count}


def append_rule(text: str, rule: dict[str, Any], *, source: str) -> str:
    """Return the script with one more rule at its end; raises BadDocument when it has no place for it."""
    before = len(parse_script(text, source=source).rules)
    head = text if not text or text.endswith("\n") else text + "\n"
    indent = _indent_of_rules(text)
    if indent is None:
        head, indent = head + "rules:\n", 2
    dumped = yaml.safe_dump([rule], sort_keys=False, allow_unicode=True, width=LINE_LENGTH)
    longer = head + textwrap.indent(dumped, " " * indent)
    try:
        after = len(parse_script(longer, source=source).rules)
    except BadDocument:
        after = before
    if after != before + 1:
        raise BadDocument(f"{source}: {CANNOT_APPEND}")
    return longer


def _indent_of_rules(text: str) -> int | None:
    """The column at which rules stand; None if there are none yet."""
    top = yaml.compose(text, Loader=yaml.SafeLoader)
    if isinstance(top, yaml.MappingNode):
        for key, value in top.value:
            if key.value == "rules" and isinstance(value, yaml.SequenceNode):
                return int(value.start_mark.column)
    return None


def _note(asked: Asked) -> str:
    """What was asked, for people: the question and the images."""
    question = " ".join(asked.text.split())
    question = question if len(question) <= NOTE_LENGTH else question[:NOTE_LENGTH] + "..."
    images = [f"{i.width_px}x{i.height_px} {i.sha256[:8]}".strip() for i in asked.images]
    return question + (f" [{', '.join(images)}]" if images else "")

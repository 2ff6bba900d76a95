"""Write a drawn set into a folder, for people and other programs. Called by the command line."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path

from .question import Json, Question
from .samples import samples_of


def store_set(questions: Sequence[Question], folder: Path) -> None:
    """Write every picture and a `questions.json` with texts, expected answers and sample answers."""
    folder.mkdir(parents=True, exist_ok=True)
    names: dict[bytes, str] = {}
    for question in questions:
        for number, file in enumerate(question.images, 1):
            if file not in names:
                suffix = "png" if file.startswith(b"\x89PNG") else "jpg"
                family = question.family.split("+")[number - 1]
                names[file] = f"{len(names) + 1:03d}-{family}.{suffix}"
                (folder / names[file]).write_bytes(file)
    rows = [render_question(question, [names[file] for file in question.images]) for question in questions]
    text = json.dumps(rows, indent=1, ensure_ascii=False)
    (folder / "questions.json").write_text(text + "\n", encoding="utf-8")


def render_question(question: Question, names: Sequence[str]) -> dict[str, Json]:
    """A question as JSON, its pictures by name."""
    good, bad = samples_of(question)
    return {
        "id": question.id,
        "kind": question.kind.value,
        "family": question.family,
        "language": question.language,
        "medium": question.medium,
        "images": list(names),
        "question": question.text,
        "answer": {"type": type(question.answer).__name__, **_plain_fields(question.answer)},
        "good": list(good),
        "bad": list(bad),
    }


def _plain_fields(answer: object) -> dict[str, Json]:
    if not dataclasses.is_dataclass(answer):
        raise TypeError("not an answer")
    return {field.name: _plain(getattr(answer, field.name)) for field in dataclasses.fields(answer)}


def _plain(value: object) -> Json:
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    return {"type": type(value).__name__, **_plain_fields(value)}

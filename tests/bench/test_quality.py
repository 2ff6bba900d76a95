"""The drawn quality set: the same for the same seed, legible, and judged as its own samples say."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from bench.quality import Kind, Verdict, draw_document, draw_set, score
from bench.quality.asking import Server, ask_all
from bench.quality.families import FAMILIES, usable_families
from bench.quality.report import render_table
from bench.quality.samples import samples_of
from bench.quality.selftest import run_selftest
from bench.quality.storing import store_set


def test_the_same_seed_draws_the_same_questions_and_pictures() -> None:
    """Two runs with one seed can be compared; another seed asks something else."""
    assert draw_set(11, 10) == draw_set(11, 10)
    assert [q.text for q in draw_set(11, 5)] != [q.text for q in draw_set(12, 5)]


def test_the_scorer_judges_every_sample_answer_as_it_should() -> None:
    """Fixed cases and the samples of a drawn set hold."""
    assert run_selftest(seed=21, count=40) == []


@pytest.mark.parametrize("family", usable_families())
def test_every_family_draws_a_picture_with_questions(family: str) -> None:
    """Each family gives a readable file of sensible size and several questions."""
    drawn = draw_document(family, seed=5, index=0)
    with Image.open(io.BytesIO(drawn.file)) as picture:
        picture.load()
        assert min(picture.size) >= 80
        assert max(picture.size) <= 2200
    assert len(drawn.sheet.drafts) >= 2


def test_a_set_holds_every_kind_that_needs_no_photos() -> None:
    """A set of a common size has questions of each kind."""
    kinds = {question.kind for question in draw_set(3, 70)}
    assert kinds >= set(Kind) - {Kind.PHOTO}
    assert len(FAMILIES) >= 12


def test_a_stored_set_can_be_read_by_other_programs(tmp_path: Path) -> None:
    """The folder has every picture that questions.json names."""
    store_set(draw_set(4, 12), tmp_path)
    rows = json.loads((tmp_path / "questions.json").read_text(encoding="utf-8"))
    assert len(rows) == 12
    assert all((tmp_path / name).is_file() for row in rows for name in row["images"])


@pytest.fixture
def knowing_server() -> Iterator[str]:
    """A server that answers every question of seed 6 with its first good sample."""
    answers = {question.text: samples_of(question)[0][0] for question in draw_set(6, 8)}

    class Knowing(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            pass

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            said = answers[body["messages"][0]["content"][-1]["text"]]
            message = {"role": "assistant", "content": said}
            choice = {"index": 0, "finish_reason": "stop", "message": message}
            out = {"id": "x", "object": "chat.completion", "created": 0, "model": "m", "choices": [choice]}
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps(out).encode())

    server = ThreadingHTTPServer(("127.0.0.1", 0), Knowing)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()
    server.server_close()


def test_a_server_that_knows_everything_gets_everything_right(knowing_server: str) -> None:
    """Asking over HTTP and judging go together."""
    outcomes = list(ask_all(draw_set(6, 8), Server(knowing_server, "key", "m")))
    assert {outcome.verdict for outcome in outcomes} == {Verdict.RIGHT}
    assert "TOTAL" in render_table(outcomes)


def test_an_empty_answer_is_an_error() -> None:
    """Saying nothing is neither right nor abstaining."""
    assert score(draw_set(1, 1)[0], "  ") is Verdict.ERROR

"""The command line: draw a set into a folder, ask a server, or check the scoring."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from pathlib import Path

from .drawing import draw_set
from .question import Kind
from .scoring import Verdict
from .selftest import run_selftest
from .storing import store_set


def main() -> int:
    """Run one of the three commands; the exit status is 1 where the server or the scoring failed."""
    options = _parser().parse_args()
    match options.command:
        case "draw":
            return _draw(options)
        case "ask":
            return _ask(options)
        case _:
            return _selftest(options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.quality", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    draw = commands.add_parser("draw", help="write pictures and questions.json into a folder")
    ask = commands.add_parser("ask", help="ask a running server and print the scores")
    selftest = commands.add_parser("score-selftest", help="check the scoring; needs no server")
    for command, count in ((draw, 100), (ask, 100), (selftest, 300)):
        command.add_argument("--seed", type=int, default=1, help="same seed, same set")
        command.add_argument("--count", type=int, default=count, help="number of questions")
    draw.add_argument("--out", type=Path, required=True)
    ask.add_argument("--base-url", default="http://127.0.0.1:8000/v1")
    ask.add_argument("--api-key", default="none")
    ask.add_argument("--model", required=True)
    ask.add_argument(
        "--kind", action="append", choices=[kind.value for kind in Kind], help="only this kind; repeatable"
    )
    ask.add_argument("--concurrency", type=int, default=1)
    ask.add_argument("--timeout-seconds", type=float, default=180.0)
    ask.add_argument("--detail", choices=("auto", "low", "high"))
    ask.add_argument("--json", type=Path, help="write every question, answer and verdict to this file")
    ask.add_argument("--brief", action="store_true", help="the table alone")
    return parser


def _draw(options: argparse.Namespace) -> int:
    questions = draw_set(options.seed, options.count)
    store_set(questions, options.out)
    tally = Counter(question.kind.value for question in questions)
    print(
        f"{len(questions)} questions in {options.out}: " + ", ".join(f"{kind} {n}" for kind, n in tally.most_common())
    )
    return 0


def _ask(options: argparse.Namespace) -> int:
    # openai is needed for this command alone
    from .asking import Server, ask_all
    from .report import render_json, render_misses, render_table

    questions = [q for q in draw_set(options.seed, options.count) if not options.kind or q.kind.value in options.kind]
    server = Server(options.base_url, options.api_key, options.model, options.timeout_seconds, options.detail)
    started, outcomes = time.monotonic(), []
    for outcome in ask_all(questions, server, concurrency=options.concurrency):
        outcomes.append(outcome)
        if sys.stderr.isatty():
            print(f"\r{len(outcomes)}/{len(questions)}", end="", file=sys.stderr)
    if not options.brief:
        print(render_misses(outcomes), end="\n\n")
    print(f"{len(outcomes)} questions of seed {options.seed} to {options.model} in {time.monotonic() - started:.0f} s")
    print(render_table(outcomes))
    if options.json:
        text = json.dumps(render_json(outcomes, options.model, options.seed), indent=1, ensure_ascii=False)
        options.json.write_text(text + "\n", encoding="utf-8")
    return int(bool(outcomes) and all(outcome.verdict is Verdict.ERROR for outcome in outcomes))


def _selftest(options: argparse.Namespace) -> int:
    failures = run_selftest(options.seed, options.count)
    for failure in failures:
        print(f"FAILED {failure}")
    print(f"score-selftest: {len(failures)} failed over {options.count} questions and the fixed cases")
    return int(bool(failures))


if __name__ == "__main__":
    raise SystemExit(main())

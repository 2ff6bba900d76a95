"""`vitrail usage`, run in process over a real database: tables, bars and JSON of the same completions."""

from __future__ import annotations

import json
import logging
import re
import shlex
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
import structlog
from typer.testing import CliRunner, Result

from vitrail.cli.program import build_program
from vitrail.domain.completion import Usage as Counts
from vitrail.domain.errors import InvalidArgument, NotFound
from vitrail.domain.settlement import CompletionStatus, Cost, Settlement
from vitrail.service.keyring import Keyring, KeyringOptions
from vitrail.store.completions import insert_settlements
from vitrail.store.database import DatabaseOptions, open_database

PAGE = Path(__file__).parents[2] / "docs" / "usage.md"
Run = Callable[..., Result]
NOVEMBER = ("--from", "2025-11-01", "--to", "2025-11-04")


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run `vitrail usage` over three completions of two models by one key on 1 and 3 November 2025."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    database = open_database(DatabaseOptions(), data_dir=Path("d"))
    key = Keyring(database, KeyringOptions(), monotonic=lambda: 0.0).create(name="ci", team="acme").key
    rows = [
        Settlement(
            completion_id=str(number),
            request_id=str(number),
            team_id=key.team_id,
            api_key_id=key.id,
            endpoint="chat",
            model=model,
            status=CompletionStatus.FINISHED,
            at=datetime(2025, 11, day, 23, 30, tzinfo=UTC),
            usage=Counts(text_tokens=1000, image_tokens=256, completion_tokens=tokens),
            cost=Cost(text_ticks=ticks),
            client_ip=None,
        )
        for number, (model, day, tokens, ticks) in enumerate(
            [("facts-1", 1, 44, 5 * 10**9), ("facts-1", 3, 0, 10**9), ("llama", 3, 1744, 10**10)]
        )
    ]
    database.run(lambda connection: insert_settlements(connection, rows))
    database.close()

    def call(*words: str) -> Result:
        try:
            return CliRunner().invoke(build_program(), ["usage", "--data-dir", "d", *words], catch_exceptions=False)
        finally:
            structlog.reset_defaults()
            logging.captureWarnings(False)

    return call


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()


def cells(text: str, first: str) -> list[str]:
    """Return the cells of the table row that begins so."""
    (line,) = (line for line in text.splitlines() if line.strip("│┃ ").startswith(first))
    return [cell.strip() for cell in line.strip("│┃ ").split("│")]


def test_table_has_a_row_for_each_group_and_the_totals(run: Run) -> None:
    """The largest cost first, and sums of all below."""
    shown = run("--by", "model", *NOVEMBER).stdout
    assert cells(shown, "llama") == ["llama", "$1.000000", "3,000", "1"]
    assert cells(shown, "facts-1") == ["facts-1", "$0.600000", "2,556", "2"]
    assert cells(shown, "total") == ["total", "$1.600000", "5,556", "3"]
    assert shown.index("llama") < shown.index("facts-1")


def test_rows_of_days_leave_out_days_without_usage(run: Run) -> None:
    """2 November is no row, and the days are those of the zone that was asked for."""
    shown = run("--unit", "day", "--values", "requests", *NOVEMBER).stdout
    assert cells(shown, "2025-11-01") == ["2025-11-01", "1"]
    assert cells(shown, "2025-11-03") == ["2025-11-03", "2"]
    assert "2025-11-02" not in shown
    berlin = run("--unit", "day", "--values", "requests", "--timezone", "Europe/Berlin", *NOVEMBER).stdout
    assert cells(berlin, "2025-11-02") == ["2025-11-02", "1"]
    assert cells(berlin, "total") == ["total", "1"]


def test_without_groups_and_time_there_is_one_row(run: Run) -> None:
    """The sums alone, and zeros where nothing was used."""
    assert cells(run(*NOVEMBER).stdout, "$") == ["$1.600000", "5,556", "3"]
    assert cells(run("--from", "2024-01-01", "--to", "2024-02-01").stdout, "$") == ["$0.000000", "0", "0"]


def test_requests_of_token_types_are_not_added_up(run: Run) -> None:
    """A request has several token types, so the total says how many requests there were."""
    shown = run("--by", "token-type", "--values", "tokens,requests", *NOVEMBER).stdout
    assert cells(shown, "prompt_text") == ["prompt_text", "3,000", "3"]
    assert cells(shown, "prompt_image") == ["prompt_image", "768", "3"]
    assert cells(shown, "completion") == ["completion", "1,788", "2"]
    assert cells(shown, "total") == ["total", "5,556", "3"]


def test_json_is_dense_and_labelled(run: Run) -> None:
    """Programs get every bucket, with ids and names."""
    answer = json.loads(run("--by", "api-key,team", "--unit", "day", *NOVEMBER, "--json").stdout)
    (series,) = answer["series"]
    assert series["labels"] == ["ci", "acme"]
    assert list(series["group"]) == ["apiKeyId", "teamId"]
    assert [point["requests"] for point in series["points"]] == [1, 0, 2]
    assert series["points"][0] == {"time": "2025-11-01T00:00:00+00:00", "cost_usd": 0.5, "tokens": 1300, "requests": 1}
    assert answer["total"] == {"cost_usd": 1.6, "tokens": 5556, "requests": 3}
    assert answer["limit_reached"] is False


def test_filters_and_other_aggregations(run: Run) -> None:
    """`--filter` narrows, and `tokens:max` is the largest of one request."""
    words = ("--filter", "model:facts-1", "--filter", "tokens:>1256", "--values", "tokens:max,requests")
    answer = json.loads(run(*words, *NOVEMBER, "--json").stdout)
    assert answer["total"] == {"tokens_max": 1300, "requests": 1}


def test_bars_are_as_long_as_their_numbers(run: Run) -> None:
    """A bar for each day, stacked of the models with their own marks; a day without usage has none."""
    lines = run("--by", "model", "--unit", "day", "--plot", *NOVEMBER).stdout.splitlines()
    first, second, third = (next(line for line in lines if line.startswith(f"2025-11-0{d}")) for d in (1, 2, 3))
    assert [line for line in lines if "██" in line or "▓▓" in line][:2] == ["██ llama", "▓▓ facts-1"]
    assert (first.count("█"), second.count("█"), second.count("▓")) == (0, 0, 0)
    assert third.count("█") == pytest.approx(10 * third.count("▓"), abs=10)
    assert first.count("▓") == pytest.approx((third.count("█") + third.count("▓")) * 5 / 11, abs=1)
    assert third.endswith("$1.100000")
    assert max(map(len, lines)) <= 100


def test_bars_of_groups_without_time(run: Run) -> None:
    """Without a unit each group is a bar."""
    lines = run("--by", "model", "--values", "tokens:avg", "--plot", *NOVEMBER).stdout.splitlines()
    assert [line.split()[0] for line in lines[1:]] == ["llama", "facts-1"]
    assert [line.split()[-1] for line in lines[1:]] == ["3,000", "1,278"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--by", "colour"), r"no field 'colour'.*--by"),
        (("--unit", "decade"), r"no time unit 'decade'.*--unit"),
        (("--values", "speed"), r"no value 'speed'.*--values"),
        (("--filter", "speed:1"), r"no filter 'speed'.*--filter"),
        (("--from", "yesterday"), "YYYY-MM-DD"),
        (("--timezone", "Mars"), r"no time zone 'Mars'"),
        (("--by", "model", "--unit", "day", "--values", "tokens:avg", "--plot"), "cannot be stacked"),
        (("--unit", "minute", "--plot"), "more than 400 bars"),
    ],
)
def test_what_has_no_meaning_is_an_error_that_says_so(run: Run, words: tuple[str, ...], says: str) -> None:
    """The option and what was wrong with it."""
    with pytest.raises(InvalidArgument, match=says):
        run(*words)


def test_team_is_named_or_not_found(run: Run) -> None:
    """`--team` takes a name; there is nothing of a team that is not there."""
    assert json.loads(run("--team", "acme", *NOVEMBER, "--json").stdout)["total"]["requests"] == 3
    with pytest.raises(NotFound, match="nobody"):
        run("--team", "nobody")


def test_default_range_is_thirty_days_with_today(run: Run) -> None:
    """Without `--from` and `--to` the range ends with today in the zone."""
    answer = json.loads(run("--unit", "day", "--json").stdout)
    (series,) = answer["series"]
    assert len(series["points"]) == 30
    assert series["points"][-1]["time"][:10] == f"{datetime.now(UTC):%Y-%m-%d}"


COMMANDS = re.findall(r"^vitrail usage ?(.*?)(?:  #.*)?$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)


@pytest.mark.parametrize("line", COMMANDS)
def test_commands_of_the_page_run(run: Run, line: str) -> None:
    """Each line of docs/usage.md is a question that has an answer."""
    assert run(*shlex.split(line)).exit_code == 0


def test_the_page_has_commands() -> None:
    """The lines are found."""
    assert len(COMMANDS) == 6

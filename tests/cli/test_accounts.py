"""`vitrail teams`, `keys` and `credits`: what an operator does from the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from vitrail.app import open_runtime
from vitrail.cli.credits import dollars, parse_dollars
from vitrail.cli.program import build_program
from vitrail.domain.errors import InvalidArgument, NotFound, RateLimited, UnknownModel
from vitrail.settings import load_settings

Run = Callable[..., Result]

SCRIPTED = """\
[[models]]
id = "scripted-1"
engine = "scripted"
aliases = ["grok-2-vision"]
"""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return lambda *words: CliRunner().invoke(build_program(), list(words), catch_exceptions=False)


@pytest.fixture
def scripted(run: Run) -> Path:
    """A settings file in the folder, with one model."""
    path = Path("vitrail.toml")
    path.write_text(SCRIPTED)
    return path


def rows(result: Result) -> list[dict[str, object]]:
    return json.loads(result.stdout)


@given(st.integers(0, 10**17))
def test_dollars_are_read_back_to_the_tick(ticks: int) -> None:
    """What is shown of an amount is the whole amount."""
    assert parse_dollars(dollars(ticks), may_be_zero=True) == ticks


@pytest.mark.parametrize("text", ["", "five", "-1", "0", "NaN", "1e400", "0.00000000001", "Infinity"])
def test_what_is_no_amount_is_refused(run: Run, text: str) -> None:
    """Status 2, with what to write."""
    run("teams", "create", "acme")
    result = run("credits", "buy", "acme", "--", text)
    assert result.exit_code == 2
    assert "amount" in result.stderr or "Missing" in result.stderr


def test_money_of_a_team_from_grant_to_audit(run: Run) -> None:
    """Given, bought and corrected amounts show in list, entries and balance, and the audit agrees."""
    run("teams", "create", "acme")
    run("credits", "grant", "acme", "5", "--expires", "30d", "--note", "welcome")
    run("credits", "buy", "acme", "25.50")
    run("credits", "correct", "acme", "--", "-0.50")
    run("teams", "limit", "acme", "--postpaid", "100")
    (team,) = rows(run("teams", "list", "--json"))
    assert (team["free"], team["prepaid"], team["owed"], team["limit"]) == ("$5.00", "$25.00", "$0.00", "$100.00")
    (grant,) = rows(run("credits", "list", "acme", "--json"))
    assert (grant["left"], grant["note"]) == ("$5.00", "welcome")
    assert [e["kind"] for e in rows(run("credits", "entries", "acme", "--json"))] == ["manual", "purchase", "grant"]
    audit = run("credits", "audit")
    assert (audit.exit_code, audit.stdout) == (0, "1 teams, 0 differences.\n")


def test_a_difference_is_status_1(run: Run, tmp_path: Path) -> None:
    """A balance that somebody edited is named by the audit."""
    import sqlite3

    run("teams", "create", "acme")
    run("credits", "buy", "acme", "1")
    with sqlite3.connect(tmp_path / ".vitrail" / "vitrail.db") as connection:
        connection.execute("UPDATE balances SET prepaid_ticks = 7")
    connection.close()
    audit = run("credits", "audit", "--json")
    assert audit.exit_code == 1
    assert [(d["what"], d["kept_ticks"], d["ledger_ticks"]) for d in rows(audit)] == [("prepaid credits", 7, 10**10)]


@pytest.mark.usefixtures("scripted")
@pytest.mark.parametrize("model", ["scripted-1", "grok-2-vision"])
def test_limits_of_a_team_and_a_model_are_set_and_taken_away(run: Run, model: str) -> None:
    """Shown by the model's id, also when an alias was named; no figure takes them away."""
    run("teams", "create", "acme")
    run("teams", "limit", "acme", "--qpm", "60", "--tpm", "16000")
    done = run("teams", "limit", "acme", "--model", model, "--qps", "2")
    assert done.stdout == "Limits of acme for scripted-1 are set.\n"
    assert rows(run("teams", "limits", "acme", "--json")) == [
        {"model": "*", "qps": None, "qpm": 60, "tpm": 16000},
        {"model": "scripted-1", "qps": 2, "qpm": None, "tpm": None},
    ]
    done = run("teams", "limit", "acme", "--model", model)
    assert done.stdout == "Limits of acme for scripted-1 are taken away.\n"
    assert [row["model"] for row in rows(run("teams", "limits", "acme", "--json"))] == ["*"]


def test_limits_for_a_model_that_is_not_served_are_refused(run: Run) -> None:
    """Nothing is written; the text has the models of the settings, and the option that names other settings."""
    Path("other.toml").write_text(SCRIPTED)
    run("teams", "create", "acme")
    words = ("teams", "limit", "acme", "--model", "scripted-1", "--qpm", "1")
    with pytest.raises(UnknownModel, match=r"no model 'scripted-1'\. Models of this server: facts-1\. .*--config"):
        run(*words, "--soft", "5")
    assert rows(run("teams", "limits", "acme", "--json")) == []
    assert rows(run("teams", "list", "--json"))[0]["soft"] is None
    assert run(*words, "--config", "other.toml").exit_code == 0


def test_limits_of_a_model_that_is_gone_can_be_taken_away_only(run: Run, scripted: Path) -> None:
    """A model that was taken out of the settings file leaves limits behind that count for nothing."""
    run("teams", "create", "acme")
    run("teams", "limit", "acme", "--model", "scripted-1", "--qpm", "1")
    scripted.unlink()
    with pytest.raises(UnknownModel):
        run("teams", "limit", "acme", "--model", "scripted-1", "--qpm", "2")
    run("teams", "limit", "acme", "--model", "scripted-1")
    assert rows(run("teams", "limits", "acme", "--json")) == []
    with pytest.raises(UnknownModel):
        run("teams", "limit", "acme", "--model", "scripted-1")


async def test_limits_set_by_an_alias_hold_where_requests_are_admitted(run: Run, scripted: Path) -> None:
    """A request counts under the model's id, whatever name it or the operator used."""
    secret = run("keys", "create", "--name", "k", "--team", "acme").stdout.strip()
    run("teams", "limit", "acme", "--model", "grok-2-vision", "--qpm", "1")
    settings = load_settings(file=scripted, environment={})
    async with open_runtime(settings) as runtime:
        admission, model = runtime.services.admission, settings.served_models[0]
        grant = await admission.admit(secret=secret, endpoint="chat", request_id="r", client_ip=None)
        await admission.admit_completion(grant, model)
        with pytest.raises(RateLimited, match="2/1"):
            await admission.admit_completion(grant, model)


def test_a_team_limits_itself_below_the_operator(run: Run) -> None:
    """The lower limit holds; lifted, the operator's holds again. What is said names both."""
    run("teams", "create", "acme")
    run("teams", "limit", "acme", "--postpaid", "100")
    said = run("teams", "limit", "acme", "--soft", "40.50")
    assert said.stdout == "acme may owe $40.50 a month: $100.00 by the operator, $40.50 by itself.\n"
    (team,) = rows(run("teams", "list", "--json"))
    assert (team["limit"], team["hard"], team["soft"]) == ("$40.50", "$100.00", "$40.50")
    assert said.stdout in run("teams", "limits", "acme").stdout
    assert "may owe $0.00 a month" in run("teams", "limit", "acme", "--soft", "0").stdout
    said = run("teams", "limit", "acme", "--no-soft", "--qpm", "60")
    assert said.stdout == (
        "Limits of acme for every other model are set.\n"
        "acme may owe $100.00 a month: $100.00 by the operator, no limit by itself.\n"
    )
    assert rows(run("teams", "list", "--json"))[0]["soft"] is None


def test_a_spending_limit_leaves_rate_limits_alone(run: Run) -> None:
    """Without figures for rates, only money changes; both a soft limit and none is no request."""
    run("teams", "create", "acme")
    run("teams", "limit", "acme", "--qpm", "60")
    for words in (("--soft", "1"), ("--no-soft",), ("--postpaid", "0")):
        assert run("teams", "limit", "acme", *words).exit_code == 0
    assert run("teams", "limit", "acme", "--soft", "1", "--no-soft").exit_code == 2
    assert run("teams", "limit", "acme", "--soft", "").exit_code == 2
    assert rows(run("teams", "limits", "acme", "--json")) == [{"model": "*", "qps": None, "qpm": 60, "tpm": None}]


def test_a_rate_limit_is_of_the_size_that_the_database_takes(run: Run) -> None:
    """As in the management API: what is 2^31 or more is refused before anything is written."""
    run("teams", "create", "acme")
    assert run("teams", "limit", "acme", "--tpm", str(2**31)).exit_code == 2
    assert run("teams", "limit", "acme", "--tpm", str(2**31 - 1)).exit_code == 0
    assert rows(run("teams", "limits", "acme", "--json"))[0]["tpm"] == 2**31 - 1


def test_a_key_is_made_with_acls_and_limits_changed_and_rotated(run: Run) -> None:
    """What is not named stays as it is; a rotated key keeps its id."""
    made = json.loads(
        run(
            "keys", "create", "--name", "ci", "--acl", "api-key:model:m", "--qpm", "9", "--expires", "7d", "--json"
        ).stdout
    )
    run("keys", "update", "ci", "--tpm", "100", "--acl", "api-key:endpoint:chat")
    rotated = json.loads(run("keys", "rotate", "ci", "--grace", "1h", "--json").stdout)
    (row,) = rows(run("keys", "list", "--json"))
    assert (row["qpm"], row["tpm"], row["acls"]) == (9, 100, ["api-key:endpoint:chat"])
    assert row["expires"] is not None
    assert rotated["id"] == made["id"] and rotated["api_key"] != made["api_key"]
    run("keys", "update", "ci", "--no-limits")
    assert rows(run("keys", "list", "--json"))[0]["qpm"] is None


def test_a_malformed_acl_makes_no_key(run: Run) -> None:
    """The text says how ACLs are written."""
    with pytest.raises(InvalidArgument, match="api-key:model:NAME"):
        run("keys", "create", "--name", "ci", "--acl", "chat")
    assert rows(run("keys", "list", "--json")) == []


def test_acls_that_let_a_key_do_nothing_are_told(run: Run, scripted: Path) -> None:
    """The key is made as asked, since what it names may come; standard error says what is missing or misspelt."""
    made = run("keys", "create", "--name", "half", "--acl", "api-key:model:grok-2-vision")
    assert made.stdout.startswith("xai-") and "names no endpoint" in made.stderr and "No model" not in made.stderr
    typos = run("keys", "create", "--name", "x", "--acl", "api-key:model:grok-9", "--acl", "api-key:endpoint:chatt")
    assert "No model is called 'grok-9' now" in typos.stderr and "chat, image, messages" in typos.stderr
    assert "no endpoint 'chatt'" in run("keys", "update", "half", "--acl", "api-key:endpoint:chatt").stderr
    fine = run("keys", "create", "--name", "ok", "--acl", "api-key:model:*", "--acl", "api-key:endpoint:chat")
    assert "Note" not in fine.stderr + run("keys", "update", "half", "--qpm", "5").stderr


def test_management_keys_are_apart(run: Run) -> None:
    """Made for all teams or for one; not among the API keys."""
    secret = run("keys", "create", "--management", "--name", "op").stdout.strip()
    assert secret.startswith("xai-token-")
    run("teams", "create", "acme")
    run("keys", "create", "--management", "--name", "admin", "--team", "acme")
    assert rows(run("keys", "list", "--json")) == []
    listed = rows(run("keys", "list", "--management", "--json"))
    assert [row["name"] for row in listed] == ["op", "admin"] and listed[0]["team_id"] == "all teams"
    run("keys", "delete", "op", "--management")
    assert len(rows(run("keys", "list", "--management", "--json"))) == 1
    assert run("keys", "create", "--management", "--name", "x", "--qps", "1").exit_code == 2


def test_an_unknown_team_is_named(run: Run) -> None:
    """Nothing is given to nobody."""
    with pytest.raises(NotFound, match="no team 'nobody'"):
        run("credits", "buy", "nobody", "1")


def test_the_tables_are_for_people(run: Run) -> None:
    """Without --json there are tables with names, states and money."""
    run("teams", "create", "acme")
    run("keys", "create", "--name", "ci", "--team", "acme")
    run("teams", "block", "acme")
    assert "blocked" in run("teams", "list").stdout
    run("teams", "unblock", "acme")
    assert "active" in run("teams", "list").stdout
    assert "ci" in run("keys", "list").stdout

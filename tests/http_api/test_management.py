"""The management API: who may do what to keys and money of which team, in the real API's shapes."""

from __future__ import annotations

import re
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest

from vitrail.domain.limits import NO_LIMITS, Limits
from vitrail.domain.models import Model
from vitrail.http_api.management_routes import MANAGEMENT_ROUTES
from vitrail.service.audit import audit

ALL = ["api-key:model:*", "api-key:endpoint:*"]
BILLING = "/management/v1/billing/teams"
BEFORE_YEAR_1 = "0001-01-01T00:00:00+14:00"  # in UTC, which Python cannot say
BEYOND_64_BITS = urlsafe_b64encode(f"{2**63}:id".encode()).decode()
NO_TICKS = {"desiredHardSpendingLimit": {"ticks": ""}}


@dataclass
class Operator:
    """A caller of the management API with some key."""

    client: httpx2.AsyncClient
    secret: str

    async def call(self, method: str, path: str, body: Any = None, *, status: int = 200, **query: Any) -> Any:
        """Return the answer's JSON; its status has to be the one named."""
        answer = await self.client.request(
            method,
            f"/management{path}" if not path.startswith("/management") else path,
            json=body,
            params=query or None,
            headers={"authorization": f"Bearer {self.secret}"},
        )
        assert answer.status_code == status, answer.text
        return answer.json()


@pytest.fixture
def operator(surface) -> Operator:
    return Operator(surface.client, surface.services.management.keys.create(name="op").secret)


@pytest.fixture
def team(surface):
    """A team of its own for each test."""
    return surface.services.management.teams.create(f"team {datetime.now(UTC).timestamp()}")


@pytest.fixture
def team_admin(surface, team) -> Operator:
    return Operator(surface.client, surface.services.management.keys.create(name="admin", team=team.id).secret)


def path_of(route: Any) -> str:
    return re.sub(r"{\w+}", "00000000-0000-4000-8000-000000000000", route.path)


@pytest.mark.parametrize("route", MANAGEMENT_ROUTES, ids=lambda route: f"{route.method} {route.path}")
async def test_an_api_key_opens_none_of_it(surface, route):
    """401 with an API key, with no key and with a wrong one, before the body is looked at."""
    for headers in (surface.key, {}, {"authorization": "Bearer xai-token-wrong"}):
        answer = await surface.client.request(route.method, path_of(route), headers=headers)
        assert answer.status_code == 401
    assert surface.secret not in answer.text


@pytest.mark.parametrize("route", [r for r in MANAGEMENT_ROUTES if r.is_operators], ids=lambda route: route.path)
async def test_what_only_operators_may_is_refused_to_a_team(team, team_admin, route):
    """A team gives itself no credits."""
    path = route.path.replace("{team_id}", team.id)
    refused = await team_admin.call(route.method, path, {}, status=403)
    assert "operator" in refused["error"]


@pytest.mark.parametrize(
    "route", [r for r in MANAGEMENT_ROUTES if "{team_id}" in r.path], ids=lambda r: f"{r.method} {r.path}"
)
async def test_an_unknown_team_is_not_found(operator, route):
    """404 that names the team, to an operator too, before the body is looked at."""
    refused = await operator.call(route.method, path_of(route), {}, status=404)
    assert "There is no team '00000000-0000-4000-8000-000000000000'." in refused["error"]


async def test_a_management_key_opens_no_api(surface, operator):
    """It is no API key either."""
    answer = await surface.client.get("/v1/models", headers={"authorization": f"Bearer {operator.secret}"})
    assert answer.status_code == 400


async def test_a_team_sees_itself_alone(surface, team, team_admin, operator):
    """Another team's keys and money are not found, and it is not listed."""
    other = surface.services.management.teams.create(f"other of {team.name}")
    key = surface.keyring.create(name="theirs", team=other.id).key
    await team_admin.call("GET", f"/auth/teams/{other.id}/api-keys", status=404)
    await team_admin.call("GET", f"{BILLING}/{other.id}/prepaid/balance", status=404)
    await team_admin.call("DELETE", f"/auth/api-keys/{key.id}", status=404)
    assert [t["teamId"] for t in (await team_admin.call("GET", "/auth/teams"))["teams"]] == [team.id]
    assert {team.id, other.id} <= {t["teamId"] for t in (await operator.call("GET", "/auth/teams"))["teams"]}


async def test_a_key_is_made_used_changed_and_deleted(surface, team, team_admin):
    """The secret is shown once and works; the mask says what changes; deleted is gone."""
    made = await team_admin.call(
        "POST", f"/auth/teams/{team.id}/api-keys", {"name": "ci", "acls": ALL, "qps": 5, "qpm": 100, "tpm": "16000"}
    )
    headers = {"authorization": f"Bearer {made['apiKey']}"}
    assert (await surface.client.get("/v1/models", headers=headers)).status_code == 200
    rows = (await team_admin.call("GET", f"/auth/teams/{team.id}/api-keys"))["apiKeys"]
    assert [(r["name"], r["qps"], r["qpm"], r["tpm"], r["aclStrings"]) for r in rows] == [("ci", 5, 100, "16000", ALL)]
    assert "apiKey" not in rows[0] and made["apiKey"] not in str(rows)
    changed = await team_admin.call(
        "PUT",
        f"/auth/api-keys/{made['apiKeyId']}",
        {"apiKey": {"name": "renamed", "disabled": True, "qps": 9}, "fieldMask": "name,disabled"},
    )
    assert (changed["name"], changed["disabled"], changed["qps"]) == ("renamed", True, 5)
    assert (await surface.client.get("/v1/models", headers=headers)).status_code == 403
    assert changed["modifiedBy"].startswith("management key xai-token-...")
    await team_admin.call("DELETE", f"/auth/api-keys/{made['apiKeyId']}")
    assert (await surface.client.get("/v1/models", headers=headers)).status_code == 400


async def test_a_key_without_acls_can_do_nothing_yet(surface, team, operator):
    """As on the real API: at least one of each kind is needed."""
    made = await operator.call("POST", f"/auth/teams/{team.id}/api-keys", {"name": "bare"})
    answer = await surface.client.get("/v1/models", headers={"authorization": f"Bearer {made['apiKey']}"})
    assert (answer.status_code, "api-key:endpoint:models" in answer.text) == (403, True)


async def test_a_rotated_key_has_two_secrets_for_the_grace(surface, team, operator):
    """Both open the API, under the same id."""
    made = await operator.call("POST", f"/auth/teams/{team.id}/api-keys", {"name": "r", "acls": ALL})
    rotated = await operator.call("POST", f"/auth/api-keys/{made['apiKeyId']}/rotate", {"graceSeconds": 60})
    assert rotated["apiKeyId"] == made["apiKeyId"] and rotated["apiKey"] != made["apiKey"]
    for secret in (made["apiKey"], rotated["apiKey"]):
        info = await surface.client.get("/v1/api-key", headers={"authorization": f"Bearer {secret}"})
        assert info.json()["api_key_id"] == made["apiKeyId"]


async def test_keys_come_in_pages(team, operator):
    """Every key once, in order, whatever the size of the page."""
    for number in range(7):
        await operator.call("POST", f"/auth/teams/{team.id}/api-keys", {"name": f"k{number}"})
    names: list[str] = []
    token = ""
    while token is not None:
        page = await operator.call("GET", f"/auth/teams/{team.id}/api-keys", pageSize=3, paginationToken=token)
        names += [row["name"] for row in page["apiKeys"]]
        token = page.get("paginationToken")
    assert sorted(names) == [f"k{number}" for number in range(7)]


@pytest.mark.parametrize(
    ("method", "path", "body", "seen"),
    [
        ("POST", "/auth/teams/{team}/api-keys", {"name": "x", "acls": ["everything"]}, "'everything' is no ACL"),
        ("POST", "/auth/teams/{team}/api-keys", {"name": " "}, "from 1 to 200 characters"),
        ("POST", "/auth/teams/{team}/api-keys", {"name": "x", "tpm": "many"}, "`tpm` is no whole number"),
        ("POST", "/auth/teams/{team}/api-keys", {"name": "x", "qps": 0}, "`qps` is over 0"),
        ("POST", "/auth/teams/{team}/api-keys", {"name": "x", "expireTime": "soon"}, "`expireTime` is no time"),
        ("POST", "/auth/teams/{team}/api-keys", {"name": "x", "expireTime": BEFORE_YEAR_1}, "`expireTime` is no time"),
        ("GET", "/auth/teams/{team}/api-keys?pageSize=1000", None, "`pageSize` is from 1 to 100"),
        ("GET", "/auth/teams/{team}/api-keys?paginationToken=zzz", None, "none that this server gave"),
        ("GET", f"/auth/teams/{{team}}/api-keys?paginationToken={BEYOND_64_BITS}", None, "none that this server gave"),
        ("GET", f"{BILLING}/{{team}}/prepaid/balance?paginationToken={BEYOND_64_BITS}", None, "none that this server"),
        ("POST", f"{BILLING}/{{team}}/prepaid/top-up", {"amount": {}}, "`amount` needs `val`"),
        ("POST", f"{BILLING}/{{team}}/prepaid/top-up", {"amount": {"ticks": ""}}, "`amount.ticks` is no whole number"),
        ("POST", f"{BILLING}/{{team}}/prepaid/top-up", {"amount": {"val": "-5"}}, "An amount is over 0"),
        ("POST", f"{BILLING}/{{team}}/prepaid/top-up", {"amount": {"val": "9" * 17}}, "at most"),
        ("POST", f"{BILLING}/{{team}}/credits", {"amount": {"val": 1}, "expireTime": "2020-01-01"}, "expired already"),
        ("POST", f"{BILLING}/{{team}}/postpaid/spending-limits", {}, "Neither"),
        ("POST", "/auth/teams/{team}/rate-limits", {"model": "*", "qps": 0}, "`qps` is over 0"),
        (
            "POST",
            "/auth/teams/{team}/rate-limits",
            {"model": "*", "qpm": -60},
            "`qpm` is over 0 and below 2^31, not -60",
        ),
        ("POST", "/auth/teams/{team}/rate-limits", {"model": "*", "tpm": "-1"}, "`tpm` is over 0"),
        ("POST", "/auth/teams/{team}/rate-limits", {"model": "*", "tpm": str(2**31)}, "`tpm` is over 0 and below 2^31"),
        ("POST", "/auth/teams/{team}/rate-limits", {"model": "*", "tpm": "many"}, "`tpm` is no whole number"),
        ("PUT", "/auth/teams/{team}", {"team": {"blocked": True}, "fieldMask": "name"}, "no field 'name'"),
        ("PUT", "/auth/teams/{team}", {"team": {"blocked": True}, "fieldMask": ""}, "`fieldMask` names nothing"),
        (
            "POST",
            f"{BILLING}/{{team}}/postpaid/spending-limits",
            NO_TICKS,
            "`desiredHardSpendingLimit.ticks` is no whole",
        ),
    ],
)
async def test_what_makes_no_sense_is_refused_in_words(team, operator, method, path, body, seen):
    """400, with what was seen and what would do."""
    refused = await operator.call(method, path.replace("{team}", team.id), body, status=400)
    assert seen in refused["error"]


async def test_an_unknown_field_of_the_mask_is_named(surface, team, operator):
    """And nothing is changed."""
    key = surface.keyring.create(name="k", team=team.id).key
    body = {"apiKey": {"name": "other"}, "fieldMask": "name,teamId"}
    refused = await operator.call("PUT", f"/auth/api-keys/{key.id}", body, status=400)
    assert "no field 'teamId'" in refused["error"]
    assert surface.keyring.find_one(key.id).name == "k"


async def test_money_comes_in_and_shows(team, operator, team_admin):
    """A top-up is a PURCHASE below zero, the total what the team has; a cent is 10^8 ticks."""
    done = await operator.call(
        "POST", f"{BILLING}/{team.id}/prepaid/top-up", {"amount": {"val": "2500"}, "note": "cash"}
    )
    assert done["total"] == {"val": "-2500", "ticks": "-250000000000"}
    balance = await team_admin.call("GET", f"{BILLING}/{team.id}/prepaid/balance")
    (change,) = balance["changes"]
    assert (change["changeOrigin"], change["topupStatus"], change["amount"]["val"]) == (
        "PURCHASE",
        "SUCCEEDED",
        "-2500",
    )
    assert balance["total"]["val"] == "-2500"


async def test_a_team_limits_itself_below_the_operator(team, operator, team_admin):
    """The hard limit is the operator's, the soft one the team's; the lower one holds."""
    path = f"{BILLING}/{team.id}/postpaid/spending-limits"
    await operator.call("POST", path, {"desiredHardSpendingLimit": {"val": "10000"}})
    await team_admin.call("POST", path, {"desiredHardSpendingLimit": {"val": "20000"}}, status=403)
    row = await team_admin.call("POST", path, {"desiredSoftSpendingLimit": {"val": "4000"}})
    limits = row["spendingLimits"]
    assert [limits[n]["val"] for n in ("hardSlAuto", "effectiveHardSl", "softSl", "effectiveSl")] == [
        "10000",
        "10000",
        "4000",
        "4000",
    ]


async def test_a_team_takes_away_the_limit_that_it_set_itself(team, operator, team_admin):
    """What the operator allows holds again; taking away what is not there changes nothing."""
    path = f"{BILLING}/{team.id}/postpaid/spending-limits"
    both = {"desiredHardSpendingLimit": {"val": "10000"}, "desiredSoftSpendingLimit": {"val": "0"}}
    assert (await operator.call("POST", path, both))["spendingLimits"]["effectiveSl"]["val"] == "0"
    for caller in (team_admin, operator):
        limits = (await caller.call("DELETE", f"{path}/soft"))["spendingLimits"]
        assert (limits["softSl"], limits["effectiveSl"]["val"], limits["hardSlAuto"]["val"]) == (None, "10000", "10000")
    assert (await team_admin.call("GET", path))["spendingLimits"] == limits


async def test_a_blocked_team_is_refused_until_it_is_unblocked(surface, team, operator, team_admin):
    """Every key of it, and no other team's; the list tells. Its own management key still opens the management API."""
    headers = {"authorization": f"Bearer {surface.keyring.create(name='k', team=team.id).secret}"}
    path = f"/auth/teams/{team.id}"
    for blocked, status in ((True, 403), (False, 200)):
        row = await operator.call("PUT", path, {"team": {"blocked": blocked}, "fieldMask": "blocked"})
        assert (row["teamId"], row["name"], row["blocked"]) == (team.id, team.name, blocked)
        answer = await surface.client.get("/v1/models", headers=headers)
        assert (answer.status_code, "team is blocked" in answer.text) == (status, blocked)
        assert (await surface.client.get("/v1/models", headers=surface.key)).status_code == 200
        assert (await team_admin.call("GET", "/auth/teams"))["teams"] == [row]


async def test_rate_limits_of_a_team_are_set_shown_and_hold(surface, team, operator, team_admin):
    """An alias counts as its model, `*` is every other one; the team reads them, and requests run into them."""
    path = f"/auth/teams/{team.id}/rate-limits"
    assert (await team_admin.call("GET", path)) == {"rateLimits": []}
    await operator.call("POST", path, {"model": "*", "tpm": "16000"})
    said = await operator.call("POST", path, {"model": "grok-2-vision-latest", "qps": 5, "qpm": 1})
    assert said["rateLimits"] == [
        {"model": "*", "qps": None, "qpm": None, "tpm": "16000"},
        {"model": "fake-vision-1", "qps": 5, "qpm": 1, "tpm": None},
    ]
    assert await team_admin.call("GET", path) == said
    headers = {"authorization": f"Bearer {surface.keyring.create(name='k', team=team.id).secret}"}
    body = {"model": "fake-vision-1", "messages": [{"role": "user", "content": "Hi"}]}
    first, second = [await surface.client.post("/v1/chat/completions", json=body, headers=headers) for _ in range(2)]
    assert (first.status_code, first.headers["x-ratelimit-limit-tokens"]) == (200, "16000")
    assert (second.status_code, "Requests per Minute (actual/limit): 2/1." in second.text) == (429, True)
    left = await operator.call("POST", path, {"model": "fake-vision-1"})
    assert [row["model"] for row in left["rateLimits"]] == ["*"]


async def test_limits_for_an_unknown_model_are_refused_but_can_be_taken_away(surface, team, operator):
    """A slip of the pen would limit nothing, so it is 404; those of a model that is gone do not stay for ever."""
    path = f"/auth/teams/{team.id}/rate-limits"
    refused = await operator.call("POST", path, {"model": "fake-vision-2", "qpm": 1}, status=404)
    assert "There is no model 'fake-vision-2'. Models of this server: fake-vision-1" in refused["error"]
    gone = Model("retired", "fake", 1)
    surface.services.management.teams.limit(team.id, "retired", Limits(requests_per_minute=1), models=[gone])
    await operator.call("POST", path, {"model": "retired", "qpm": 2}, status=404)
    assert (await operator.call("POST", path, {"model": "retired"})) == {"rateLimits": []}
    await operator.call("POST", path, {"model": "retired"}, status=404)


async def test_an_answer_is_paid_invoiced_and_refunded(open_surface):
    """Free credits pay first, the invoice has a line for each kind of token, and a refund gives each money its own."""
    surface = open_surface(charge=True)
    management = surface.services.management
    team_id = management.keyring.find_one(surface.key_id).team_id
    operator = Operator(surface.client, management.keys.create(name="op").secret)
    refused = await surface.chat()
    assert refused.status_code == 429
    assert "has either used all available credits or reached its monthly spending limit" in refused.json()["error"]
    await operator.call("POST", f"{BILLING}/{team_id}/credits", {"amount": {"ticks": "100000"}, "note": "welcome"})
    await operator.call("POST", f"{BILLING}/{team_id}/prepaid/top-up", {"amount": {"val": "100"}})
    answer = await surface.chat()
    cost = answer.json()["usage"]["cost_in_usd_ticks"]
    assert cost > 100_000
    invoice = (await operator.call("GET", f"{BILLING}/{team_id}/postpaid/invoice/preview"))["coreInvoice"]
    assert sum(int(line["amount"]["ticks"]) for line in invoice["lines"]) == cost
    assert {line["unitType"]: line["unitPrice"] for line in invoice["lines"]} == {
        "prompt text tokens": "20000",
        "completion tokens": "100000",
    }
    assert invoice["freeCreditsUsed"]["ticks"] == "100000"
    assert invoice["prepaidCreditsUsed"]["ticks"] == str(cost - 100_000)
    back = await operator.call("POST", f"{BILLING}/{team_id}/refunds", {"reference": answer.json()["id"]})
    assert (back["free"]["ticks"], back["prepaid"]["ticks"]) == ("100000", str(cost - 100_000))
    again = await operator.call("POST", f"{BILLING}/{team_id}/refunds", {"reference": answer.json()["id"]}, status=400)
    assert "was refunded before" in again["error"]
    funds = management.accounts.show_funds(team_id)
    assert (funds.free_ticks, funds.prepaid_ticks) == (100_000, 10**10)
    assert audit(surface.database)[1] == ()


async def test_rate_limits_show_in_the_headers(surface):
    """What is left counts down with each answer, streamed too; the 429 has the figures in its text."""
    key = surface.keyring.find_one(surface.key_id)
    teams, models = surface.services.management.teams, surface.services.catalog.models
    teams.limit(key.team_id, "fake-vision-1", Limits(requests_per_minute=3, tokens_per_minute=10_000), models=models)
    try:
        first, second = await surface.chat(), await surface.chat(stream=True)
        used = first.json()["usage"]["total_tokens"]
        assert [int(a.headers["x-ratelimit-remaining-requests"]) for a in (first, second)] == [2, 1]
        assert first.headers["x-ratelimit-limit-tokens"] == "10000"
        assert int(second.headers["x-ratelimit-remaining-tokens"]) <= 10_000 - used
        await surface.chat()
        refused = await surface.chat()
    finally:
        teams.limit(key.team_id, "fake-vision-1", NO_LIMITS, models=models)
    assert refused.status_code == 429
    assert "Requests per Minute (actual/limit): 4/3." in refused.json()["error"]
    assert refused.headers["x-ratelimit-remaining-requests"] == "0"
    assert 1 <= int(refused.headers["retry-after"]) <= 61


async def test_acls_hold_on_every_surface(surface):
    """A key for one model and the messages route: Anthropic's shape answers, the rest is 403."""
    acls = ("api-key:model:grok-2-vision-latest", "api-key:endpoint:messages")
    headers = {"x-api-key": surface.keyring.create(name="narrow", acls=acls).secret}
    message = {"model": "grok-2-vision-latest", "max_tokens": 5, "messages": [{"role": "user", "content": "Hi"}]}
    assert (await surface.client.post("/v1/messages", json=message, headers=headers)).status_code == 200
    chat = await surface.client.post("/v1/chat/completions", json=message, headers=headers)
    assert chat.json() == {
        "code": "The caller does not have permission to execute the specified operation",
        "error": chat.json()["error"],
    }
    assert chat.status_code == 403
    for path in ("/v1/tokenize-text", "/v1/responses", "/v1/image-tokens", "/v1/completions"):
        assert (await surface.client.post(path, json={}, headers=headers)).status_code == 403
    assert (await surface.client.get("/v1/models", headers=headers)).status_code == 403
    assert (await surface.client.get("/v1/api-key", headers=headers)).status_code == 200


async def test_expiry_and_states_are_told(surface, team, operator):
    """A key that expires shows when; propagation tells how long other processes may take."""
    soon = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    made = await operator.call(
        "POST", f"/auth/teams/{team.id}/api-keys", {"name": "e", "acls": ALL, "expireTime": soon}
    )
    assert made["expireTime"].endswith("Z")
    told = await operator.call("GET", f"/auth/api-keys/{made['apiKeyId']}/propagation")
    assert told == {"propagated": True, "longestSeconds": 0.0}


async def test_acl_names_and_the_key_itself_are_listed(team, operator, team_admin):
    """What an ACL may name, and whose management key this is."""
    models = (await operator.call("GET", f"/auth/teams/{team.id}/models"))["models"]
    assert models[0]["acl"] == "api-key:model:fake-vision-1"
    endpoints = {e["name"] for e in (await operator.call("GET", f"/auth/teams/{team.id}/endpoints"))["endpoints"]}
    assert endpoints == {"chat", "image", "messages", "models", "tokenize"}
    shown = await operator.call("GET", "/auth/management-keys/validation")
    assert (shown["scope"], shown["teamId"]) == ("SCOPE_OPERATOR", None)
    assert (await team_admin.call("GET", "/auth/management-keys/validation"))["teamId"] == team.id

"""Who may do what: ACLs, states, limits and money are judged in one place, before any work."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from vitrail.domain.errors import IncorrectApiKey, OutOfCredits, PermissionDenied, RateLimited, UnknownModel
from vitrail.domain.keys import Grant
from vitrail.domain.limits import Limits
from vitrail.domain.models import Model, Prices
from vitrail.service.accounts import Accounts
from vitrail.service.admission import Admission
from vitrail.service.billing import Billing, BillingOptions
from vitrail.service.catalog import Catalog
from vitrail.service.keyring import Keyring, KeyringOptions, NewKey
from vitrail.service.rate_limits import RateLimitOptions, RateLimits
from vitrail.service.teams import Teams
from vitrail.store.database import Database, DatabaseOptions, open_database
from vitrail.store.patience import DatabaseAway

PRICED = Model("grok-2-vision-1212", "fake", 1, aliases=("grok-2-vision",), prices=Prices(prompt_text=20000))
FREE = Model("free-1", "fake", 1)


@dataclass
class Gate:
    """An admission with everything behind it, and a clock."""

    database: Database
    now: datetime = datetime(2026, 11, 25, 12, tzinfo=UTC)

    def __post_init__(self) -> None:
        self.keyring = Keyring(self.database, KeyringOptions(cache_seconds=0), monotonic=lambda: 0.0, now=self.clock)
        self.billing = Billing(self.database, BillingOptions(charge=True), now=self.clock)
        self.limits = RateLimits(RateLimitOptions())
        self.admission = Admission(self.keyring, limits=self.limits, billing=self.billing, now=self.clock)
        self.accounts = Accounts(self.database, now=self.clock)
        self.catalog = Catalog([PRICED, FREE], fingerprint_text=lambda model: model.id)

    def clock(self) -> datetime:
        return self.now

    def key(self, **options: Any) -> NewKey:
        """Make a key."""
        return self.keyring.create(name="k", **options)

    async def admit(self, new: NewKey, endpoint: str = "chat") -> Grant:
        """Admit a key."""
        return await self.admission.admit(secret=new.secret, endpoint=endpoint, request_id="r", client_ip=None)


@pytest.fixture
async def gate(tmp_path: Path) -> AsyncIterator[Gate]:
    database = open_database(DatabaseOptions(), data_dir=tmp_path)
    yield Gate(database)
    database.close()


async def test_a_key_may_use_the_endpoints_of_its_acls_alone(gate: Gate) -> None:
    """Denied is 403, and the text says which ACL is missing."""
    new = gate.key(acls=("api-key:model:*", "api-key:endpoint:tokenize"))
    await gate.admit(new, "tokenize")
    with pytest.raises(PermissionDenied, match=r"no access to the endpoint chat\..*`api-key:endpoint:chat`"):
        await gate.admit(new)


@pytest.mark.parametrize("acls", [(), ("api-key:model:*",)])
async def test_a_key_without_an_endpoint_can_do_nothing_but_see_itself(gate: Gate, acls: tuple[str, ...]) -> None:
    """At least one ACL of each kind is needed."""
    new = gate.key(acls=acls)
    await gate.admit(new, "api-key")
    for endpoint in ("chat", "models", "image"):
        with pytest.raises(PermissionDenied):
            await gate.admit(new, endpoint)


@pytest.mark.parametrize("name", ["grok-2-vision", "grok-2-vision-1212"])
async def test_a_model_may_be_named_by_any_of_its_names(gate: Gate, name: str) -> None:
    """An ACL names one model by id or alias; the others are neither listed nor to be asked."""
    grant = await gate.admit(gate.key(acls=(f"api-key:model:{name}", "api-key:endpoint:*")))
    assert gate.catalog.resolve_language("grok-2-vision", grant) == PRICED
    assert gate.catalog.visible(grant) == (PRICED,)
    with pytest.raises(PermissionDenied, match="no access to the model free-1"):
        gate.catalog.resolve_language("free-1", grant)


async def test_an_unknown_model_is_unknown_to_any_key(gate: Gate) -> None:
    """What is not there is 404, not 403."""
    grant = await gate.admit(gate.key(acls=("api-key:endpoint:*",)))
    with pytest.raises(UnknownModel):
        gate.catalog.resolve_language("grok-9", grant)


async def test_states_of_a_key_are_told(gate: Gate) -> None:
    """Blocked, disabled, expired, and a blocked team."""
    for change, text in (
        ({"blocked": True}, "key is blocked"),
        ({"disabled": True}, "key is disabled"),
        ({"expires_at": gate.now}, "has expired"),
    ):
        new = gate.key()
        gate.keyring.update(replace(new.key, **change))
        with pytest.raises(PermissionDenied, match=text):
            await gate.admit(new)
    new = gate.key(team="other")
    Teams(gate.database).block("other")
    with pytest.raises(PermissionDenied, match="team is blocked"):
        await gate.admit(new)


async def test_a_rotated_key_works_with_both_secrets_for_the_grace(gate: Gate) -> None:
    """Rotation without downtime: same id, and the old secret ends by itself."""
    old = gate.key()
    new = gate.keyring.rotate(old.key.id, grace_seconds=3600)
    assert (await gate.admit(old)).key.id == (await gate.admit(new)).key.id == old.key.id
    gate.now += timedelta(seconds=3601)
    await gate.admit(new)
    with pytest.raises(IncorrectApiKey):
        await gate.admit(old)


async def test_last_use_is_written_down(gate: Gate) -> None:
    """It is shown by the key afterwards, and never goes back."""
    new = gate.key()
    await gate.admit(new)
    assert await gate.keyring.write_last_used() == 1
    assert gate.keyring.find_one(new.key.id).last_used_at == gate.now
    assert await gate.keyring.write_last_used() == 0


async def test_last_use_that_cannot_be_written_now_is_written_later(gate: Gate) -> None:
    """A database that is away for a while makes no key look unused."""
    new = gate.key()
    await gate.admit(new)
    gate.database.run(lambda c: c.exec_driver_sql("ALTER TABLE api_keys RENAME TO away"))
    with pytest.raises(DatabaseAway):
        await gate.keyring.write_last_used()
    gate.database.run(lambda c: c.exec_driver_sql("ALTER TABLE away RENAME TO api_keys"))
    assert await gate.keyring.write_last_used() == 1
    assert gate.keyring.find_one(new.key.id).last_used_at == gate.now


async def test_a_teams_limits_hold_also_where_they_stand_under_an_alias(gate: Gate) -> None:
    """As they do when the model got another id and kept the old one; whoever sets them anew replaces these."""
    old = replace(PRICED, id="grok-2-vision", aliases=())
    teams, new = Teams(gate.database), gate.key(team="t")
    teams.limit("t", old.id, Limits(requests_per_minute=1), models=[old])
    grant = await gate.admit(new)
    await gate.admission.admit_completion(grant, FREE)
    await gate.admission.admit_completion(grant, replace(PRICED, prices=Prices()))
    with pytest.raises(RateLimited, match=r"\(actual/limit\): 2/1"):
        await gate.admission.admit_completion(grant, replace(PRICED, prices=Prices()))
    teams.limit("t", old.id, Limits(requests_per_minute=9), models=[PRICED])
    assert teams.list_limits("t") == {PRICED.id: Limits(requests_per_minute=9)}


async def test_a_key_has_limits_of_its_own(gate: Gate) -> None:
    """Two a minute: the third is refused for that key, whatever it asks for; another key of the team goes on."""
    new = gate.key(limits=Limits(requests_per_minute=2))
    assert [(await gate.admit(new, e)).allowance.remaining_requests for e in ("chat", "models")] == [1, 0]
    with pytest.raises(RateLimited, match=rf"API key {new.key.redacted}.*\(actual/limit\): 3/2"):
        await gate.admit(new)
    await gate.admit(gate.key())


async def test_limits_of_team_and_model_go_before_the_models_own(gate: Gate) -> None:
    """Set for both, for the team, by the model: the nearest holds, each figure by itself."""
    model = replace(FREE, limits=Limits(requests_per_second=50, requests_per_minute=500, tokens_per_minute=5000))
    teams = Teams(gate.database)
    new = gate.key(team="t")
    teams.limit("t", "*", Limits(requests_per_minute=40), models=[model])
    teams.limit("t", model.id, Limits(tokens_per_minute=30), models=[model])
    permit = await gate.admission.admit_completion(await gate.admit(new), model)
    of_team = permit.counted[0].limits
    assert of_team == Limits(requests_per_second=50, requests_per_minute=40, tokens_per_minute=30)
    with pytest.raises(RateLimited, match="31/30"):
        await permit.reserve(tokens=31, cost_ticks=0)


async def test_the_tokens_of_a_refused_prompt_are_given_back_everywhere(gate: Gate) -> None:
    """The team's window had counted them when the key's refused."""
    model = replace(FREE, limits=Limits(tokens_per_minute=100))
    grant = await gate.admit(gate.key(limits=Limits(tokens_per_minute=10)))
    permit = await gate.admission.admit_completion(grant, model)
    with pytest.raises(RateLimited, match="50/10"):
        await permit.reserve(tokens=50, cost_ticks=0)
    await permit.reserve(tokens=10, cost_ticks=0)
    assert permit.allowance.remaining_tokens == 0
    await permit.close(tokens=4)
    assert (await gate.limits.reserve_tokens(permit.counted[0], 0)).remaining_tokens == 96


async def test_without_credits_a_priced_model_is_refused(gate: Gate) -> None:
    """The recorded text; a model without prices still answers."""
    grant = await gate.admit(gate.key())
    text = f"Your team {grant.team_id} has either used all available credits or reached its monthly spending limit"
    with pytest.raises(OutOfCredits, match=text):
        await gate.admission.admit_completion(grant, PRICED)
    await gate.admission.admit_completion(grant, FREE)


async def test_what_runs_is_held_back(gate: Gate) -> None:
    """With money for one prompt, a second request is refused until the first has ended."""
    grant = await gate.admit(gate.key())
    gate.accounts.top_up(grant.team_id, 100, by="test")
    permit = await gate.admission.admit_completion(grant, PRICED)
    await permit.reserve(tokens=1, cost_ticks=100)
    with pytest.raises(OutOfCredits):
        await gate.admission.admit_completion(grant, PRICED)
    await permit.close()
    await permit.close()
    await gate.admission.admit_completion(grant, PRICED)


async def test_expired_credits_cannot_be_spent(gate: Gate) -> None:
    """At their time they are gone, before anything wrote them off."""
    grant = await gate.admit(gate.key())
    gate.accounts.give_credits(grant.team_id, 100, by="test", expires_at=gate.now + timedelta(days=1))
    await gate.admission.admit_completion(grant, PRICED)
    gate.now += timedelta(days=1)
    with pytest.raises(OutOfCredits):
        await gate.admission.admit_completion(grant, PRICED)


async def test_a_postpaid_limit_admits_until_it_is_reached_and_again_next_month(gate: Gate) -> None:
    """The default is 0; a limit that the team sets for itself holds too."""
    grant = await gate.admit(gate.key())
    gate.accounts.limit(grant.team_id, hard_ticks=1000)
    await gate.admission.admit_completion(grant, PRICED)
    gate.accounts.limit(grant.team_id, soft_ticks=0)
    with pytest.raises(OutOfCredits):
        await gate.admission.admit_completion(grant, PRICED)
    gate.accounts.lift_soft_limit(grant.team_id)
    await gate.admission.admit_completion(grant, PRICED)

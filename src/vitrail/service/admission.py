"""Turn the key that a client sent into a grant, or refuse; the first step of every request, before any work.

Every surface asks here: who is it, may they use this endpoint and this model, are they within their rate limits, can
they pay. `admit` judges the key, `admit_completion` what the request is about, once that was read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from vitrail.domain.errors import IncorrectApiKey, MissingCredentials, PermissionDenied
from vitrail.domain.keys import ANY, AclKind, ApiKey, Grant, acl, mask_key
from vitrail.domain.limits import NO_LIMITS, UNCOUNTED
from vitrail.domain.models import Model
from vitrail.service.billing import Billing
from vitrail.service.keyring import Keyring
from vitrail.service.rate_limits import Counted, RateLimits

_LONGEST_KEY = 512
_OWN_ENDPOINT = "api-key"  # what a key may always see: itself


class Permit:
    """A completion that may run: what was counted for it in advance is corrected when it ends.

    `close` has to be called once it has ended, with what it used, or with nothing if it never began.
    """

    def __init__(self, counted: Sequence[Counted], limits: RateLimits, billing: Billing, grant: Grant) -> None:
        self.counted = counted
        self._limits = limits
        self._billing = billing
        self._grant = grant
        self._held_ticks = 0
        self._reserved_tokens = 0
        self._is_closed = False
        self.allowance = UNCOUNTED

    async def reserve(self, *, tokens: int, cost_ticks: int, is_counted: bool = False) -> None:
        """Hold what a prompt costs, and count its tokens unless they were counted before; raises RateLimited."""
        for number, counted in enumerate(() if is_counted else self.counted):
            try:
                reserved = await self._limits.reserve_tokens(counted, tokens)
            except BaseException:
                for earlier in self.counted[:number]:
                    await self._limits.correct_tokens(earlier, -tokens)
                raise
            self.allowance = self.allowance.tightened(reserved)
        self._reserved_tokens = tokens
        self._held_ticks = cost_ticks
        self._billing.hold(self._grant.team_id, cost_ticks)

    async def close(self, *, tokens: int = 0) -> None:
        """Let go of what is held, and count what was really used; safe to call twice."""
        if self._is_closed:
            return
        self._is_closed = True
        self._billing.hold(self._grant.team_id, -self._held_ticks)
        for counted in self.counted:
            await self._limits.correct_tokens(counted, tokens - self._reserved_tokens)

    def leave(self) -> None:
        """Let go of what is held, and leave the tokens counted: the completion comes later."""
        self._is_closed = True
        self._billing.hold(self._grant.team_id, -self._held_ticks)


class Admission:
    """Judge keys, limits and balances, in one place for every surface."""

    def __init__(
        self,
        keyring: Keyring,
        *,
        limits: RateLimits,
        billing: Billing,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._keyring = keyring
        self._limits = limits
        self._billing = billing
        self._now = now

    async def admit(self, *, secret: str | None, endpoint: str, request_id: str, client_ip: str | None) -> Grant:
        """Return the grant of this key at this endpoint.

        Raises MissingCredentials, IncorrectApiKey, PermissionDenied, or RateLimited by the key's own limits.
        """
        if not secret:
            raise MissingCredentials
        key = await self._keyring.find(secret) if len(secret) <= _LONGEST_KEY else None
        if key is None:
            raise IncorrectApiKey(
                f"Incorrect API key provided: {mask_key(secret)}.",
                hint="An operator of this server can make one with `vitrail keys create`.",
            )
        self._judge(key, endpoint)
        allowance = await self._limits.count_request(_of_key(key))
        self._keyring.note_used(key)
        return Grant(key=key, endpoint=endpoint, request_id=request_id, client_ip=client_ip, allowance=allowance)

    async def readmit(self, *, key_id: str, endpoint: str, request_id: str, client_ip: str | None) -> Grant:
        """Return the grant of a request that was admitted before, if it still would be; raises PermissionDenied."""
        key = await self._keyring.find_by_id(key_id)
        if key is None:
            raise PermissionDenied("The API key of this request was deleted.")
        self._judge(key, endpoint)
        return Grant(key=key, endpoint=endpoint, request_id=request_id, client_ip=client_ip)

    async def admit_completion(self, grant: Grant, model: Model, *, is_job: bool = False) -> Permit:
        """Return the permit of a completion by this model; a job's request was counted when it was accepted.

        Raises RateLimited or OutOfCredits.
        """
        of_team = _of_team(grant.key, model)
        permit = Permit((of_team, _of_key(grant.key)), self._limits, self._billing, grant)
        if not model.is_free:
            await self._billing.check_funds(grant.team_id)
        if is_job:
            return permit
        for counted in permit.counted:
            await self._limits.check_tokens(counted)
        permit.allowance = grant.allowance.tightened(await self._limits.count_request(of_team))
        return permit

    def _judge(self, key: ApiKey, endpoint: str) -> None:
        """Raise PermissionDenied for a key that may do nothing at all, or nothing at this endpoint."""
        if key.blocked or key.disabled or key.team_blocked:
            whose = "This API key's team" if key.team_blocked else "This API key"
            state = "disabled" if key.disabled and not (key.blocked or key.team_blocked) else "blocked"
            raise PermissionDenied(f"{whose} is {state}.", hint="Ask the operator of this server.")
        if key.expires_at is not None and key.expires_at <= self._now():
            raise PermissionDenied("This API key has expired.", hint="Ask the operator of this server for another.")
        if endpoint != _OWN_ENDPOINT and not key.may_use(AclKind.ENDPOINT, (endpoint,)):
            raise PermissionDenied(
                f"This API key ({key.redacted}) has no access to the endpoint {endpoint}.",
                hint=f"Its ACLs need `{acl(AclKind.ENDPOINT, endpoint)}` or `{acl(AclKind.ENDPOINT, ANY)}`.",
            )


def _of_key(key: ApiKey) -> Counted:
    return Counted(("key", key.id), f"API key {key.redacted}", "The key's", key.limits)


def _of_team(key: ApiKey, model: Model) -> Counted:
    """Return the limits of the key's team for a model: set for both, for the team, or the model's own."""
    names = (model.id, *model.aliases)  # a row may have the id that the model had before, or an alias
    of_model = next((key.team_limits[name] for name in names if name in key.team_limits), NO_LIMITS)
    of_team = key.team_limits.get(ANY, NO_LIMITS)
    limits = of_model.over(of_team).over(model.limits)
    return Counted(("team", key.team_id, model.id), f"team {key.team_id} and model {model.id}", "Your team's", limits)

"""Money as values: what a team has, what an entry of the ledger says, and which money pays for a completion first.

Everything is integer ticks (1 USD = 10^10). Pure arithmetic: knows nothing of SQL, requests or clocks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from types import MappingProxyType

TICKS_PER_USD = 10**10
TICKS_PER_CENT = 10**8


class EntryKind(StrEnum):
    """Why money moved."""

    GRANT = "grant"  # free credits were given
    EXPIRY = "expiry"  # what was left of them ran out
    PURCHASE = "purchase"  # prepaid credits were bought
    MANUAL = "manual"  # an operator corrected the prepaid credits
    SPEND = "spend"  # a completion was paid
    REFUND = "refund"  # a spend was taken back


@dataclass(frozen=True, slots=True)
class Amounts:
    """Money by its kind; negative where it was spent. Postpaid money is a debt, so it is never above zero."""

    free_ticks: int = 0
    prepaid_ticks: int = 0
    postpaid_ticks: int = 0

    @property
    def total_ticks(self) -> int:
        """Return the sum."""
        return self.free_ticks + self.prepaid_ticks + self.postpaid_ticks

    def __add__(self, other: Amounts) -> Amounts:
        return Amounts(
            self.free_ticks + other.free_ticks,
            self.prepaid_ticks + other.prepaid_ticks,
            self.postpaid_ticks + other.postpaid_ticks,
        )

    def __neg__(self) -> Amounts:
        return Amounts(-self.free_ticks, -self.prepaid_ticks, -self.postpaid_ticks)


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """One row of the ledger, never changed. `grants` splits the free amount by credit grant; `month` is YYYYMM.

    A spend names its completion, a refund the spend that it takes back, so neither can be written twice.
    """

    id: str
    team_id: str
    kind: EntryKind
    amounts: Amounts
    month: int
    at: datetime
    by: str
    grants: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    completion_id: str | None = None
    request_id: str | None = None
    refunds_id: str | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class CreditGrant:
    """Free credits of a team, and what is left of them; None means that they do not expire."""

    id: str
    team_id: str
    amount_ticks: int
    left_ticks: int
    created_at: datetime
    expires_at: datetime | None
    note: str = ""

    def can_be_used(self, now: datetime) -> bool:
        """Tell whether there is something left that has not expired."""
        return self.left_ticks > 0 and (self.expires_at is None or self.expires_at > now)


@dataclass(frozen=True, slots=True)
class Funds:
    """What a team can pay with now: free credits that have not expired, prepaid credits, and debt up to a limit.

    `postpaid_used_ticks` is the debt of the month alone. `prepaid_ticks` is below zero where a completion cost more
    than there was.
    """

    grants: tuple[CreditGrant, ...] = ()
    prepaid_ticks: int = 0
    month: int = 0  # YYYYMM
    postpaid_used_ticks: int = 0
    postpaid_limit_ticks: int = 0

    @property
    def free_ticks(self) -> int:
        """Return what is left of the grants."""
        return sum(grant.left_ticks for grant in self.grants)

    @property
    def postpaid_left_ticks(self) -> int:
        """Return how much more may be owed this month."""
        return max(0, self.postpaid_limit_ticks - self.postpaid_used_ticks)

    @property
    def available_ticks(self) -> int:
        """Return everything that can be spent."""
        return self.free_ticks + self.prepaid_ticks + self.postpaid_left_ticks

    def after(self, charge: Charge) -> Funds:
        """Return what is left once a charge was paid."""
        grants = (replace(grant, left_ticks=grant.left_ticks + charge.grants.get(grant.id, 0)) for grant in self.grants)
        return replace(
            self,
            grants=tuple(grants),
            prepaid_ticks=self.prepaid_ticks + charge.amounts.prepaid_ticks,
            postpaid_used_ticks=self.postpaid_used_ticks - charge.amounts.postpaid_ticks,
        )


@dataclass(frozen=True, slots=True)
class Charge:
    """Who pays a cost: `amounts` are negative or zero, `grants` is what each grant gives (negative)."""

    amounts: Amounts
    grants: Mapping[str, int]


def plan_charge(cost_ticks: int, funds: Funds) -> Charge:
    """Return which money pays: free credits (soonest expiry first), then prepaid, then postpaid up to its limit.

    What nothing covers is owed by the prepaid credits, so the amounts make up the cost exactly.
    """
    left_ticks = cost_ticks
    grants: dict[str, int] = {}
    for grant in sorted(funds.grants, key=_soonest_first):
        paid_ticks = min(left_ticks, grant.left_ticks)
        if paid_ticks > 0:
            grants[grant.id] = -paid_ticks
            left_ticks -= paid_ticks
    prepaid_ticks = min(left_ticks, max(0, funds.prepaid_ticks))
    left_ticks -= prepaid_ticks
    postpaid_ticks = min(left_ticks, funds.postpaid_left_ticks)
    prepaid_ticks += left_ticks - postpaid_ticks
    return Charge(
        Amounts(free_ticks=sum(grants.values()), prepaid_ticks=-prepaid_ticks, postpaid_ticks=-postpaid_ticks), grants
    )


def month_of(moment: datetime) -> int:
    """Return the month that a postpaid debt belongs to, in UTC, as YYYYMM."""
    utc = moment.astimezone(UTC)
    return utc.year * 100 + utc.month


def _soonest_first(grant: CreditGrant) -> tuple[float, float, str]:
    expires = grant.expires_at.timestamp() if grant.expires_at else float("inf")
    return expires, grant.created_at.timestamp(), grant.id

"""Which money pays first, whatever there is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from vitrail.domain.billing import Amounts, CreditGrant, Funds, month_of, plan_charge

NOW = datetime(2026, 11, 25, tzinfo=UTC)


def grant(name: str, left_ticks: int, days: int | None) -> CreditGrant:
    """Return a grant that expires after so many days."""
    return CreditGrant(name, "t", left_ticks, left_ticks, NOW, NOW + timedelta(days=days) if days else None)


FUNDS = st.builds(
    Funds,
    grants=st.lists(
        st.builds(grant, st.uuids().map(str), st.integers(1, 50), st.integers(1, 9) | st.none()), max_size=4
    ).map(tuple),
    prepaid_ticks=st.integers(-50, 100),
    month=st.just(202611),
    postpaid_used_ticks=st.integers(0, 60),
    postpaid_limit_ticks=st.integers(0, 60),
)


@given(cost=st.integers(0, 400), funds=FUNDS)
def test_the_parts_make_up_the_cost(cost: int, funds: Funds) -> None:
    """Nothing is paid twice, nothing is left unpaid, and no kind of money is given back."""
    amounts = plan_charge(cost, funds).amounts
    assert -amounts.total_ticks == cost
    assert max(amounts.free_ticks, amounts.prepaid_ticks, amounts.postpaid_ticks) <= 0


@given(cost=st.integers(0, 400), funds=FUNDS)
def test_a_kind_pays_only_when_the_one_before_is_used_up(cost: int, funds: Funds) -> None:
    """Free credits, then prepaid, then postpaid up to its limit; only the rest is owed by the prepaid credits."""
    amounts = plan_charge(cost, funds).amounts
    free, prepaid, postpaid = -amounts.free_ticks, -amounts.prepaid_ticks, -amounts.postpaid_ticks
    had_prepaid = max(0, funds.prepaid_ticks)
    assert free == min(cost, funds.free_ticks)
    if prepaid or postpaid:
        assert free == funds.free_ticks
    if postpaid:
        assert prepaid >= had_prepaid
    assert postpaid <= funds.postpaid_left_ticks
    if prepaid > had_prepaid:
        assert postpaid == funds.postpaid_left_ticks


@given(cost=st.integers(1, 400), funds=FUNDS)
def test_grants_that_expire_sooner_pay_first(cost: int, funds: Funds) -> None:
    """A grant gives only when all that expire before it are used up, and never more than it has."""
    parts = plan_charge(cost, funds).grants
    order = sorted(funds.grants, key=lambda g: (g.expires_at or NOW + timedelta(days=999), g.id))
    for earlier, later in pairwise(order):
        if parts.get(later.id):
            assert -parts[earlier.id] == earlier.left_ticks
    assert all(-parts.get(g.id, 0) <= g.left_ticks for g in funds.grants)


def test_an_example_from_the_billing_page() -> None:
    """12 ticks of cost: 5 free, 4 prepaid, 2 of the monthly limit, and one that is owed."""
    funds = Funds((grant("g", 5, 3),), 4, 202611, 8, 10)
    charge = plan_charge(12, funds)
    assert charge.amounts == Amounts(-5, -5, -2)
    assert charge.grants == {"g": -5}


def test_a_month_is_that_of_utc() -> None:
    """The first hours of December in Tokyo are November's debt."""
    tokyo = datetime.fromisoformat("2026-12-01T05:00:00+09:00")
    assert (month_of(tokyo), month_of(tokyo + timedelta(hours=4))) == (202611, 202612)

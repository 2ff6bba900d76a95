"""The JSON of the management API: camelCase, 64-bit integers as strings, money in USD cents.

After xAI's management API of June 2025. `ticks` beside a `val` is ours: the exact amount, 10^8 to a cent.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType, field

Number = Annotated[
    str | int,
    Meta(
        description="A 64-bit integer, as a string; up to 18 digits.",
        extra_json_schema={"pattern": "^-?[0-9]{1,18}$", "minimum": 1 - 10**18, "maximum": 10**18 - 1},
    ),
]
Instant = Annotated[str, Meta(description="ISO 8601.")]


class Money(Struct, rename="camel"):
    """An amount: `val` in whole USD cents, `ticks` exactly (10^8 to a cent)."""

    val: str
    ticks: str


class MoneyAsked(Struct, rename="camel"):
    """An amount that a client names: cents in `val`, or ticks."""

    val: Number | None = None
    ticks: Number | None = None


class ApiKeyRow(Struct, rename="camel"):
    """An API key without its secret."""

    api_key_id: str
    redacted_api_key: str
    name: str
    team_id: str
    user_id: str
    create_time: str
    modify_time: str
    modified_by: str
    disabled: bool
    blocked: bool
    acl_strings: list[str]
    expire_time: str | None = None
    last_used_time: str | None = None
    qps: int | None = None
    qpm: int | None = None
    tpm: str | None = None


class NewApiKey(ApiKeyRow, rename="camel"):
    """An API key with its secret, this once."""

    api_key: str = ""


class ApiKeyPage(Struct, rename="camel"):
    """Keys of a team, oldest first; `paginationToken` leads to the next page, if there is one."""

    api_keys: list[ApiKeyRow]
    pagination_token: str | UnsetType = UNSET


class CreateApiKey(Struct, rename="camel"):
    """What a new key is to be; without ACLs it can do nothing yet."""

    name: str
    acls: list[str] = field(default_factory=list)
    qps: int | None = None
    qpm: int | None = None
    tpm: Number | None = None
    expire_time: Instant | None = None


class ApiKeyFields(Struct, rename="camel"):
    """What can be changed of a key."""

    name: str = ""
    acls: list[str] = field(default_factory=list)
    disabled: bool = False
    blocked: bool = False
    qps: int | None = None
    qpm: int | None = None
    tpm: Number | None = None
    expire_time: Instant | None = None


class UpdateApiKey(Struct, rename="camel"):
    """New values, and which of them to take: `"name,acls"`."""

    api_key: ApiKeyFields
    field_mask: str


class RotateApiKey(Struct, rename="camel"):
    """How long the secret of before still works."""

    grace_seconds: Annotated[float, Meta(ge=0, le=31 * 86400)] = 86400.0


class DeletedApiKey(Struct, rename="camel"):
    """The key that is no more."""

    api_key_id: str


class Propagation(Struct, rename="camel"):
    """Whether every process knows the key as it is; a process learns of a change within the seconds named."""

    propagated: bool
    longest_seconds: float


class TeamRow(Struct, rename="camel"):
    """A team."""

    team_id: str
    name: str
    blocked: bool
    create_time: str


class TeamList(Struct, rename="camel"):
    """The teams that the key may see."""

    teams: list[TeamRow]


class CreateTeam(Struct, rename="camel"):
    """A new team."""

    name: str


class TeamFields(Struct, rename="camel"):
    """What can be changed of a team."""

    blocked: bool = False


class UpdateTeam(Struct, rename="camel"):
    """New values, and which of them to take: `"blocked"`."""

    team: TeamFields
    field_mask: str


class RateLimitsRow(Struct, rename="camel"):
    """What a team may ask of a model; `*` is every model that has no limits of its own here."""

    model: str
    qps: int | None = None
    qpm: int | None = None
    tpm: str | None = None


class RateLimitList(Struct, rename="camel"):
    """The rate limits that were set for a team; where none were, those of the model hold."""

    rate_limits: list[RateLimitsRow]


class SetRateLimits(Struct, rename="camel"):
    """New limits for a model (id, alias or `*`), in place of those of before; without numbers there are none."""

    model: str
    qps: int | None = None
    qpm: int | None = None
    tpm: Number | None = None


class ModelNames(Struct, rename="camel"):
    """Models, each with the ACLs that name it."""

    models: list[AclTarget]


class EndpointNames(Struct, rename="camel"):
    """Endpoints, each with the ACL that names it."""

    endpoints: list[AclTarget]


class AclTarget(Struct, rename="camel"):
    """What an ACL can name."""

    name: str
    acl: str
    aliases: list[str] = field(default_factory=list)


class ManagementKeyInfo(Struct, rename="camel"):
    """The management key that was sent: an operator's has no team."""

    api_key_id: str
    redacted_api_key: str
    name: str
    create_time: str
    scope: Annotated[str, Meta(description="SCOPE_OPERATOR or SCOPE_TEAM")]
    team_id: str | None = None
    expire_time: str | None = None


class BalanceChange(Struct, rename="camel"):
    """A movement of prepaid credits: below zero they became more, above zero fewer."""

    change_origin: str
    amount: Money
    create_time: str
    team_id: str
    topup_status: str | UnsetType = UNSET
    invoice_id: str = ""
    request_id: str = ""
    note: str = ""


class PrepaidBalance(Struct, rename="camel"):
    """Prepaid credits: `total` below zero is what the team has."""

    changes: list[BalanceChange]
    total: Money
    pagination_token: str | UnsetType = UNSET


class TopUp(Struct, rename="camel"):
    """Prepaid credits to be added."""

    amount: MoneyAsked
    note: str = ""


class TopUpDone(Struct, rename="camel"):
    """The movement, and what there is now."""

    change: BalanceChange
    total: Money


class SpendingLimits(Struct, rename="camel"):
    """Most debt of a month: by the operator, by the team itself, and the one that holds."""

    hard_sl_auto: Money
    effective_hard_sl: Money
    effective_sl: Money
    soft_sl: Money | None = None


class SpendingLimitsRow(Struct, rename="camel"):
    """The limits of a team."""

    spending_limits: SpendingLimits


class SpendingLimitAsked(Struct, rename="camel"):
    """A limit to be set; the hard one by an operator alone."""

    desired_soft_spending_limit: MoneyAsked | None = None
    desired_hard_spending_limit: MoneyAsked | None = None


class InvoiceLine(Struct, rename="camel"):
    """What was used of one kind; the unit price is in USD cents per 100 million units, or cents for an image."""

    description: str
    unit_type: str
    unit_price: str
    num_units: str
    amount: Money


class CoreInvoice(Struct, rename="camel"):
    """The month so far: what was used, which money paid, and what would be invoiced."""

    lines: list[InvoiceLine]
    total_without_credits: Money
    free_credits_used: Money
    prepaid_credits: Money
    prepaid_credits_used: Money
    amount: Money


class BillingCycle(Struct, rename="camel"):
    """A month, UTC."""

    year: int
    month: int


class InvoicePreview(Struct, rename="camel"):
    """The invoice of the month that runs."""

    core_invoice: CoreInvoice
    billing_cycle: BillingCycle
    effective_spending_limit: Money


class GiveCredits(Struct, rename="camel"):
    """Free credits to be given."""

    amount: MoneyAsked
    expire_time: Instant | None = None
    note: str = ""


class CreditRow(Struct, rename="camel"):
    """Free credits, and what is left of them."""

    credit_id: str
    amount: Money
    left: Money
    create_time: str
    expire_time: str | None
    note: str


class CreditList(Struct, rename="camel"):
    """All free credits of a team, oldest first."""

    credits: list[CreditRow]


class Refund(Struct, rename="camel"):
    """Which completion to pay back: its id, or the request id of its answer."""

    reference: str
    note: str = ""


class Refunded(Struct, rename="camel"):
    """What came back."""

    entry_id: str
    free: Money
    prepaid: Money
    postpaid: Money

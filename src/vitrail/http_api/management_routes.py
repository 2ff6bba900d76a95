"""The route table of the management API, for `routes`. A management key opens it, an API key does not."""

from __future__ import annotations

from vitrail.http_api import management_billing as billing
from vitrail.http_api import management_keys as keys
from vitrail.http_api import management_teams as teams
from vitrail.http_api import management_usage as usage
from vitrail.http_api import wire_management as m
from vitrail.http_api.route import ManagementRoute as Managed

_AUTH = "/management/auth"
_TEAM = f"{_AUTH}/teams/{{team_id}}"
_TEAM_KEYS, _KEY = f"{_TEAM}/api-keys", f"{_AUTH}/api-keys/{{api_key_id}}"
_BILLING = "/management/v1/billing/teams/{team_id}"
_LIMITS = f"{_BILLING}/postpaid/spending-limits"

# fmt: off
MANAGEMENT_ROUTES = (
    Managed("GET", f"{_AUTH}/management-keys/validation", keys.show_management_key, m.ManagementKeyInfo),
    Managed("GET", f"{_AUTH}/teams", teams.list_teams, m.TeamList),
    Managed("POST", f"{_AUTH}/teams", teams.create_team, m.TeamRow, m.CreateTeam, is_operators=True),
    Managed("PUT", _TEAM, teams.update_team, m.TeamRow, m.UpdateTeam, is_operators=True),
    Managed("GET", f"{_TEAM}/rate-limits", teams.list_rate_limits, m.RateLimitList),
    Managed("POST", f"{_TEAM}/rate-limits", teams.set_rate_limits, m.RateLimitList, m.SetRateLimits, is_operators=True),
    Managed("POST", _TEAM_KEYS, keys.create_api_key, m.NewApiKey, m.CreateApiKey),
    Managed("GET", _TEAM_KEYS, keys.list_api_keys, m.ApiKeyPage, is_paged=True),
    Managed("PUT", _KEY, keys.update_api_key, m.ApiKeyRow, m.UpdateApiKey),
    Managed("DELETE", _KEY, keys.delete_api_key, m.DeletedApiKey),
    Managed("POST", f"{_KEY}/rotate", keys.rotate_api_key, m.NewApiKey, m.RotateApiKey),
    Managed("GET", f"{_KEY}/propagation", keys.show_propagation, m.Propagation),
    Managed("GET", f"{_TEAM}/models", keys.list_acl_models, m.ModelNames),
    Managed("GET", f"{_TEAM}/endpoints", keys.list_acl_endpoints, m.EndpointNames),
    Managed("GET", f"{_BILLING}/prepaid/balance", billing.show_balance, m.PrepaidBalance, is_paged=True),
    Managed("POST", f"{_BILLING}/prepaid/top-up", billing.top_up, m.TopUpDone, m.TopUp, is_operators=True),
    Managed("GET", _LIMITS, billing.show_spending_limits, m.SpendingLimitsRow),
    Managed("POST", _LIMITS, billing.set_spending_limits, m.SpendingLimitsRow, m.SpendingLimitAsked),
    Managed("DELETE", f"{_LIMITS}/soft", billing.lift_soft_spending_limit, m.SpendingLimitsRow),
    Managed("GET", f"{_BILLING}/postpaid/invoice/preview", billing.preview_invoice, m.InvoicePreview),
    Managed("POST", f"{_BILLING}/usage", usage.query_usage, usage.UsageAnswer, usage.UsageAsked),
    Managed("GET", f"{_BILLING}/credits", billing.list_credits, m.CreditList),
    Managed("POST", f"{_BILLING}/credits", billing.give_credits, m.CreditList, m.GiveCredits, is_operators=True),
    Managed("POST", f"{_BILLING}/refunds", billing.refund, m.Refunded, m.Refund, is_operators=True),
)
# fmt: on

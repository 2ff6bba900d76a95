// What the usage page shows, as its address has it: `team, show, by, per, last | from & to, zone, filter, filter ...`.
//
// A view is { team, show, by, per, last, from, to, zone, filters }; filters are in the API's own language: `model:=grok-2`.

import { count, money } from "../words.js";
import { SPANS, UNITS, fittingUnits, isDay, ownZone, rangeOf } from "./times.js";

const compact = new Intl.NumberFormat("en-US", { notation: "compact", maximumFractionDigits: 1 });

export const MEASURES = {
  cost: { title: "Cost", asked: { name: "usd", aggregation: "AGGREGATION_SUM" }, show: money, tick: money, step: 0 },
  tokens: { title: "Tokens", asked: { name: "tokens", aggregation: "AGGREGATION_SUM" }, show: count, tick: compact.format, step: 1 },
  requests: { title: "Requests", asked: { name: "requests", aggregation: "AGGREGATION_COUNT" }, show: count, tick: compact.format, step: 1 },
};
export const GROUPS = { model: "Model", apiKeyId: "API key", tokenType: "Token type", endpoint: "Endpoint", none: "Nothing" };
export const FIELDS = { ...GROUPS, status: "Status", requestIp: "Address", usd: "Cost of a request", tokens: "Tokens of a request" };
delete FIELDS.none;
export const NUMBERS = ["usd", "tokens"]; // fields that are compared; all others have names
export const TYPES = {
  prompt_text: "Text",
  cached_prompt_text: "Cached text",
  prompt_image: "Images",
  completion: "Completion",
  reasoning: "Reasoning",
  generated_image: "Generated images",
  unsplit: "Not split by type",
};

// Read a view from an address; what is missing or has no meaning there is as for a first visit.
export function parseView(query, now) {
  const pick = (name, names, otherwise) => (query.get(name) in names ? query.get(name) : otherwise);
  const [from, to] = [query.get("from"), query.get("to")];
  const hasDays = isDay(from) && isDay(to) && from <= to;
  const view = {
    team: query.get("team"),
    show: pick("show", MEASURES, "cost"),
    by: pick("by", GROUPS, "model"),
    per: pick("per", UNITS, "day"),
    last: hasDays ? "days" : pick("last", SPANS, "30d"),
    zone: query.get("zone") || ownZone(),
    filters: query.getAll("filter"),
  };
  if (hasDays) Object.assign(view, { from, to });
  else if (view.last === "days") view.last = "30d";
  const units = fittingUnits(rangeOf(view, now));
  if (!units.includes(view.per)) view.per = units[0];
  return view;
}

// Return the query of the address that shows a view.
export function writeView({ team, show, by, per, last, from, to, zone, filters }) {
  const span = last === "days" ? { from, to } : { last };
  const query = new URLSearchParams({ ...(team && { team }), show, by, per, ...span, zone });
  for (const filter of filters) query.append("filter", filter);
  return query.toString();
}

// Return the body that asks the usage route for a view; `by` and `unit` may be others than the view's own.
export function askFor(view, { by = view.by, unit = UNITS[view.per].name, filters = view.filters } = {}) {
  const { start, end } = rangeOf(view);
  const first = MEASURES[view.show]; // series come sorted by the first value
  return {
    analyticsRequest: {
      timeRange: { startTime: start, endTime: end, timezone: view.zone },
      timeUnit: unit,
      values: [first, ...Object.values(MEASURES).filter((one) => one !== first)].map((one) => one.asked),
      groupBy: by === "none" ? [] : [by],
      filters,
    },
  };
}

// Return the three parts of a filter: { field, op, value }; op is "is", "is not" or a comparison.
export function readFilter(text) {
  const [, not, field, op, value] = /^(NOT\s+)?(\w+)\s*:\s*([<>=!]*)(.*)$/s.exec(text) ?? [];
  if (!(field in FIELDS)) return null;
  const named = (op === "!=") === Boolean(not) ? "is" : "is not";
  return { field, op: NUMBERS.includes(field) ? `${not ? "not " : ""}${op || "="}` : named, value };
}

export const writeFilter = ({ field, op, value }) => {
  if (NUMBERS.includes(field)) return `${field}:${op}${value}`;
  return `${op === "is not" ? "NOT " : ""}${field}:=${value}`;
};

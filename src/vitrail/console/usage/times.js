// Wall clocks of a time zone: ranges as the usage API takes them, how many bars they have, and what each bar is called.
//
// A day is "YYYY-MM-DD" and a time "YYYY-MM-DD HH:MM:SS", both as clocks in the zone show them; an end is not part of a range.

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

export const UNITS = {
  hour: { title: "Hour", name: "TIME_UNIT_HOUR", ms: HOUR_MS },
  day: { title: "Day", name: "TIME_UNIT_DAY", ms: DAY_MS },
  week: { title: "Week", name: "TIME_UNIT_CALENDAR_WEEK", ms: 7 * DAY_MS },
  month: { title: "Month", name: "TIME_UNIT_MONTH", ms: 28 * DAY_MS },
};
export const SPANS = {
  "24h": "Last 24 hours",
  "7d": "Last 7 days",
  "30d": "Last 30 days",
  "90d": "Last 90 days",
  month: "This month",
  "12m": "Last 12 months",
  days: "Chosen days",
};
const MOST_BARS = 1000; // what a screen can still show

export const ownZone = () => Intl.DateTimeFormat().resolvedOptions().timeZone;
export const listZones = () => ["UTC", ...Intl.supportedValuesOf("timeZone").filter((name) => name !== "UTC")];
export const isZone = (name) => {
  try {
    return Boolean(Intl.DateTimeFormat("en-US", { timeZone: name }));
  } catch {
    return false;
  }
};

const wall = (time, zone) => new Date(time).toLocaleString("sv-SE", { timeZone: isZone(zone) ? zone : "UTC" });
const toMs = (text) => Date.parse(`${text.replace(" ", "T")}Z`); // for the length of a span of the clock, not for an instant
const midnight = (day) => `${day} 00:00:00`;
export const isDay = (text) => /^\d{4}-\d\d-\d\d$/.test(text ?? "") && !Number.isNaN(Date.parse(text));
export const shiftDay = (day, days) => new Date(toMs(midnight(day)) + days * DAY_MS).toISOString().slice(0, 10);

// Return { start, end } of one of SPANS up to now, or of the days `from` up to and with `to`.
export function rangeOf({ last, from, to, zone }, now = Date.now()) {
  const today = wall(now, zone).slice(0, 10);
  const until = midnight(shiftDay(today, 1));
  switch (last) {
    case "24h":
      return { start: `${wall(now - 23 * HOUR_MS, zone).slice(0, 13)}:00:00`, end: `${wall(now + HOUR_MS, zone).slice(0, 13)}:00:00` };
    case "month":
      return { start: midnight(`${today.slice(0, 8)}01`), end: until };
    case "12m": {
      const months = Number(today.slice(0, 4)) * 12 + Number(today.slice(5, 7)) - 1 - 11;
      return { start: midnight(`${Math.floor(months / 12)}-${String((months % 12) + 1).padStart(2, "0")}-01`), end: until };
    }
    case "days":
      return { start: midnight(from), end: midnight(shiftDay(to, 1)) };
    default:
      return { start: midnight(shiftDay(today, 1 - Number.parseInt(last, 10))), end: until };
  }
}

// Return the units that cut a range into no more bars than can be shown, the shortest first.
export function fittingUnits({ start, end }) {
  const ms = toMs(end) - toMs(start);
  return Object.keys(UNITS).filter((unit) => ms / UNITS[unit].ms <= MOST_BARS || unit === "month");
}

// Return how a bar of a unit is called: `short` under it, `long` in a table.
export function namer(unit, zone) {
  const timeZone = isZone(zone) ? zone : "UTC";
  const make = (options) => {
    const format = new Intl.DateTimeFormat("en-US", { timeZone, ...options });
    return (time) => format.format(time);
  };
  const date = { month: "short", day: "numeric" };
  const whole = { weekday: "short", year: "numeric", ...date };
  if (unit === "month") return { short: make({ year: "numeric", month: "short" }), long: make({ year: "numeric", month: "long" }) };
  if (unit === "week") {
    const long = make({ year: "numeric", ...date });
    return { short: make(date), long: (time) => `Week of ${long(time)}` };
  }
  if (unit === "day") return { short: make(date), long: make(whole) };
  // an hour that comes twice when clocks go back is told apart by the zone's name
  const hour = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
  return { short: make({ ...date, ...hour }), long: make({ ...whole, ...hour, timeZoneName: "short" }) };
}

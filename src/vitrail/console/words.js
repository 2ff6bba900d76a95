// Numbers as people read them: counts, prices and money. The API's own units come in, text goes out.

const TICKS_PER_USD = 1e10;
const whole = new Intl.NumberFormat("en-US");
const seconds = new Intl.NumberFormat("en-US", { maximumSignificantDigits: 3 });

export const count = (number) => whole.format(number);
export const plural = (number, word) => `${count(number)} ${word}${number === 1 ? "" : "s"}`;

// Return US dollars from ticks; small amounts keep their digits.
export const dollars = (ticks) => money(ticks / TICKS_PER_USD);

// Return the ticks of so many tokens at a price in USD cents per 100 million tokens.
export const priceTicks = (tokens, price) => tokens * price;

// Return a price in USD cents per 100 million tokens as dollars per million.
export const perMillion = (price) => money(price / 10000);

// Return a price in USD cents as dollars.
export const fromCents = (cents) => money(cents / 100);

// Return milliseconds as ms, or as s from one second on.
export const duration = (ms) => (ms < 1000 ? `${Math.round(ms)} ms` : `${seconds.format(ms / 1000)} s`);

// Return the ticks of an amount of dollars that somebody wrote, as the API takes them, or null if it is no amount.
export function ticksOf(text) {
  const [, whole, part = ""] = /^\$?(\d{1,8})(?:\.(\d{1,10}))?$/.exec(text.trim().replaceAll(",", "")) ?? [];
  return whole === undefined ? null : String(BigInt(whole + part.padEnd(10, "0")));
}

// Return a time of the API (or nothing) as people read it here.
export const moment = (instant, none = "never") =>
  instant ? new Date(instant).toLocaleString("en-US", { dateStyle: "medium", timeStyle: "short" }) : none;

export const clock = (time) => new Date(time).toLocaleTimeString();
export const day = (unixSeconds) => new Date(unixSeconds * 1000).toISOString().slice(0, 10);

// Return an amount with two decimals, or with as many as four digits of it need.
export function money(usd) {
  const size = Math.abs(usd);
  const digits = size > 0 && size < 1 ? Math.min(10, 3 - Math.floor(Math.log10(size))) : 2;
  return usd.toLocaleString("en-US", { style: "currency", currency: "USD", minimumFractionDigits: 2, maximumFractionDigits: Math.max(2, digits) });
}

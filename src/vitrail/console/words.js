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

export const clock = (time) => new Date(time).toLocaleTimeString();
export const day = (unixSeconds) => new Date(unixSeconds * 1000).toISOString().slice(0, 10);

// Return an amount with two decimals, or with as many as four digits of it need.
function money(usd) {
  const digits = usd > 0 && usd < 1 ? Math.min(10, 3 - Math.floor(Math.log10(usd))) : 2;
  return usd.toLocaleString("en-US", { style: "currency", currency: "USD", minimumFractionDigits: 2, maximumFractionDigits: Math.max(2, digits) });
}

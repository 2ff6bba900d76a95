// Amounts of money, exactly: as the management API has them (ticks), and as people write them.

import { h } from "../dom.js";
import { ticksOf } from "../words.js";

const TICKS_PER_USD = 10n ** 10n;
const usd = new Intl.NumberFormat("en-US", { style: "currency", currency: "USD", minimumFractionDigits: 2, maximumFractionDigits: 10 });

// Return an amount of the API as dollars; `sign` -1 turns round the API's prepaid credits, which are below zero.
export const show = ({ ticks }, sign = 1) => usd.format(decimal(BigInt(ticks) * BigInt(sign)));

// Return a field for dollars that takes only what is an amount; `now` is an amount of the API to begin with.
export function amountField(now) {
  const input = h("input", { inputMode: "decimal", required: true, autocomplete: "off", placeholder: "25.00", value: now ? decimal(BigInt(now.ticks)) : "" });
  const check = () => input.setCustomValidity(ticksOf(input.value) === null ? "Write an amount in dollars, such as 25 or 0.50." : "");
  input.addEventListener("input", check);
  check();
  return input;
}

// Return the ticks of what a field has.
export const readAmount = (input) => ticksOf(input.value);

// Return ticks as a decimal number of dollars, without what a floating-point number would lose.
function decimal(ticks) {
  const size = ticks < 0n ? -ticks : ticks;
  const part = String(size % TICKS_PER_USD).padStart(10, "0").replace(/0+$/, "");
  return `${ticks < 0n ? "-" : ""}${size / TICKS_PER_USD}${part && `.${part.padEnd(2, "0")}`}`;
}

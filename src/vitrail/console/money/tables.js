// What a team has, its free credits and the invoice of the month, as the page shows them.

import { h, table } from "../dom.js";
import { count, fromCents, moment, perMillion } from "../words.js";
import { show } from "./amounts.js";

const cell = (text) => h("td", { class: "number" }, text);
const head = (text) => h("th", { scope: "row" }, text);

// Return the pairs of the list of what a team can spend.
export function describeFunds({ preview, limits, credits, total }) {
  const now = new Date();
  const left = credits.filter((one) => !one.expireTime || new Date(one.expireTime) > now).reduce((sum, one) => sum + BigInt(one.left.ticks), 0n);
  const own = limits.softSl ? `, its own ${show(limits.softSl)}` : "";
  const facts = {
    "Free credits": [show({ ticks: left })],
    "Prepaid credits": [show(total, -1)],
    "Owed this month": [show(preview.coreInvoice.amount)],
    "May owe a month": [show(limits.effectiveSl), `by an operator ${show(limits.hardSlAuto)}${own}`],
  };
  return Object.entries(facts).map(([term, [text, hint]]) =>
    h("div", {}, h("dt", {}, term), h("dd", {}, text), hint && h("dd", { class: "hint" }, hint)),
  );
}

// Return the month so far: what was used, and which money pays.
export function invoiceTable({ coreInvoice: invoice, billingCycle: { year, month } }) {
  const name = new Date(Date.UTC(year, month - 1)).toLocaleDateString("en-US", { year: "numeric", month: "long", timeZone: "UTC" });
  const title = h("h2", {}, `Invoice preview: ${name}`);
  if (!invoice.lines.length) return h("section", {}, title, h("p", { class: "empty card" }, "Nothing was used yet this month."));
  const lines = invoice.lines.map((line) =>
    h("tr", {}, head(line.description), cell(count(Number(line.numUnits))), cell(unitPrice(line)), cell(show(line.amount))),
  );
  const sums = [
    ["Everything", invoice.totalWithoutCredits, 1],
    ["Paid by free credits", invoice.freeCreditsUsed, -1],
    ["Paid by prepaid credits", invoice.prepaidCreditsUsed, -1],
    ["To be invoiced", invoice.amount, 1],
  ].map(([text, amount, sign]) => h("tr", { class: "sum" }, head(text), h("td"), h("td"), cell(show(amount, sign))));
  const columns = ["What was used", "#Units", "#Price", "#Amount"];
  const hint = h("p", { class: "hint" }, "So far, by UTC. Prices of tokens are for a million; where a price changed in the month there is none.");
  return h("section", {}, title, hint, table("Invoice preview", columns, [...lines, ...sums]));
}

function unitPrice({ unitType, unitPrice: price }) {
  if (!price) return "";
  return unitType === "generated images" ? fromCents(Number(price)) : perMillion(Number(price));
}

// Return every free credit that a team was given.
export function creditsTable(credits) {
  const title = h("h2", {}, "Free credits");
  if (!credits.length) return h("section", {}, title, h("p", { class: "empty card" }, "None were given."));
  const rows = credits.map((one) =>
    h("tr", {}, head(moment(one.createTime)), cell(show(one.amount)), cell(show(one.left)), h("td", {}, moment(one.expireTime)), h("td", {}, one.note)),
  );
  return h("section", {}, title, table("Free credits", ["Given", "#Amount", "#Left", "Expire", "Note"], rows));
}

// Return all teams, with what leads to the pages of each.
export function teamsTable(teams, shown) {
  const link = (page, team, text) => h("a", { href: `#/${page}?team=${encodeURIComponent(team.teamId)}`, "aria-label": `${text}: ${team.name}` }, text);
  const rows = teams.map((team) =>
    h(
      "tr",
      { class: team.teamId === shown?.teamId && "chosen" },
      head(team.name),
      h("td", {}, team.blocked ? "Blocked" : "Active"),
      h("td", {}, moment(team.createTime)),
      h("td", {}, h("code", {}, team.teamId)),
      h("td", {}, h("span", { class: "row" }, link("money", team, "Money"), link("keys", team, "Keys"), link("usage", team, "Usage"))),
    ),
  );
  return h("section", {}, h("h2", {}, "Teams"), table("Teams", ["Name", "State", "Made", "Id", "Pages"], rows));
}

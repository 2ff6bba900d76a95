// Teams and money: credits that are given can be spent, what was spent is on the invoice, and only operators give.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { assertAccessible, closePage, launch, openPage } from "./browser.mjs";
import { startManaged } from "./server.mjs";

let server, browser;

before(async () => {
  server = await startManaged();
  browser = await launch();
});
after(async () => {
  await browser.close();
  await server.close();
});

const open = (hash, options) => openPage(browser, server, { hash, key: server.seeded.operator, ...options });
const press = (within, name) => within.getByRole("button", { name, exact: true }).click();
const fund = (page, name) => page.locator(".totals div").filter({ has: page.getByText(name, { exact: true }) }).locator("dd").first();
const rowOf = (page, table, name) => page.getByRole("table", { name: table, exact: true }).getByRole("row", { name });
const dollars = (ticks) => `$${(ticks / 1e10).toLocaleString("en-US", { minimumFractionDigits: 2, maximumFractionDigits: 10 })}`;

// Press a button, fill in the dialog's fields by label, and send it; returns the dialog.
async function fillIn(page, opener, fields, confirm) {
  await press(page, opener);
  const dialog = page.getByRole("dialog");
  for (const [label, text] of Object.entries(fields)) await dialog.getByLabel(label).fill(text);
  await press(dialog, confirm);
  return dialog;
}

const ask = (secret) =>
  fetch(`${server.url}/v1/chat/completions`, {
    method: "POST",
    headers: { authorization: `Bearer ${secret}`, "content-type": "application/json" },
    body: JSON.stringify({ model: "grok-2-vision", messages: [{ role: "user", content: "What was bought?" }] }),
  });

test("from a new team to its invoice: credits are given, spent and refunded, and every sum is that of the ledger", async () => {
  const page = await open("#/money");
  await page.getByRole("table", { name: "Teams" }).waitFor();
  await fillIn(page, "New team", { Name: "orchard" }, "Make the team");
  await page.waitForURL(/#\/money\?team=[\w-]{36}$/);
  await page.getByText("Nothing was used yet this month.").waitFor();
  const teamId = new URLSearchParams(page.url().split("?")[1]).get("team");
  const keys = `auth/teams/${teamId}/api-keys`;
  const { apiKey } = await server.ask("POST", keys, { name: "press", acls: ["api-key:model:*", "api-key:endpoint:*"] });
  assert.equal((await ask(apiKey)).status, 429); // nothing to pay with

  await press(page, "Give free credits");
  await assertAccessible(page);
  await press(page, "Cancel");
  await fillIn(page, "Give free credits", { "Amount in US dollars": "$5", Until: "2099-12-31T12:00", Note: "welcome" }, "Give");
  await rowOf(page, "Free credits", /welcome/).waitFor();
  assert.equal(await fund(page, "Free credits").textContent(), "$5.00");
  const answer = await ask(apiKey);
  assert.equal(answer.status, 200);
  const ticks = (await answer.json()).usage.cost_in_usd_ticks;
  assert.ok(ticks > 0);

  await fillIn(page, "Top up", { "Amount in US dollars": "1,025.50", Note: "invoice 7" }, "Top up");
  await rowOf(page, "Changes of the prepaid credits", /Top-up/).getByRole("cell", { name: "$1,025.50" }).waitFor();
  assert.equal(await fund(page, "Prepaid credits").textContent(), "$1,025.50");
  assert.equal(await rowOf(page, "Invoice preview", "Everything").getByRole("cell").last().textContent(), dollars(ticks));
  assert.equal(await rowOf(page, "Invoice preview", "Paid by free credits").getByRole("cell").last().textContent(), `-${dollars(ticks)}`);
  assert.equal(await rowOf(page, "Invoice preview", "To be invoiced").getByRole("cell").last().textContent(), "$0.00");
  assert.deepEqual(await rowOf(page, "Invoice preview", "grok-2-vision-1212 - completion tokens").getByRole("cell").nth(1).textContent(), "$10.00");
  await rowOf(page, "Free credits", /welcome/).getByRole("cell", { name: dollars(5e10 - ticks) }).waitFor();

  await fillIn(page, "Set the spending limit", { "US dollars a month": "100" }, "Set the limit");
  await page.getByText("by an operator $100.00", { exact: true }).waitFor();
  await fillIn(page, "Set the team's own limit", { "US dollars a month": "40" }, "Set the limit");
  await page.getByText("by an operator $100.00, its own $40.00").waitFor();
  assert.equal(await fund(page, "May owe a month").textContent(), "$40.00");

  await fillIn(page, "Refund a request", { "Completion id or request id": answer.headers.get("x-request-id") }, "Refund");
  await page.getByRole("dialog").waitFor({ state: "detached" });
  await page.locator(".totals").getByText("$5.00").waitFor();
  await assertAccessible(page);
  await page.getByRole("link", { name: "Usage: orchard" }).click();
  await page.locator(".totals").getByText(dollars(ticks)).waitFor(); // what was used stays on record
  await closePage(page);
});

test("a team's own key sees its money and sets its own limit, and is offered nothing more", async () => {
  const page = await open("#/money", { key: server.seeded.acmeAdmin });
  await page.getByRole("heading", { name: "Free credits" }).waitFor();
  const buttons = await page.locator("main").getByRole("button").allTextContents();
  assert.deepEqual(buttons.filter((name) => name !== "Older changes"), ["Set the team's own limit"]);
  assert.equal(await page.getByRole("table", { name: "Teams" }).count(), 0);
  assert.equal(await page.getByLabel("Team", { exact: true }).isVisible(), false);
  await fillIn(page, "Set the team's own limit", { "US dollars a month": "12.50" }, "Set the limit");
  await page.getByText("by an operator $0.00, its own $12.50").waitFor();
  await press(page, "Set the team's own limit");
  assert.equal(await page.getByLabel("US dollars a month").inputValue(), "12.50");
  await closePage(page);
});

test("older changes follow a page at a time; what is no amount is not sent, and a refusal leaves the form as it was", async () => {
  const birch = `v1/billing/teams/${server.seeded.birch}`;
  for (let cents = 1; cents <= 25; cents++) await server.ask("POST", `${birch}/prepaid/top-up`, { amount: { val: String(cents) }, note: `number ${cents}` });
  const page = await open(`#/money?team=${server.seeded.birch}`);
  page.expected = ["status of 400", "status of 404"];
  await rowOf(page, "Changes of the prepaid credits", "number 25").waitFor();
  assert.equal(await rowOf(page, "Changes of the prepaid credits", /number/).count(), 20);
  await press(page, "Older changes");
  await rowOf(page, "Changes of the prepaid credits", /number 1$|number 1\b/).waitFor();
  assert.equal(await rowOf(page, "Changes of the prepaid credits", /number/).count(), 25);
  assert.equal(await fund(page, "Prepaid credits").textContent(), "$3.25");

  const dialog = await fillIn(page, "Top up", { "Amount in US dollars": "minus one" }, "Top up");
  assert.equal(await dialog.getByLabel("Amount in US dollars").evaluate((input) => input.validationMessage), "Write an amount in dollars, such as 25 or 0.50.");
  await dialog.getByLabel("Amount in US dollars").fill("0");
  await press(dialog, "Top up");
  await dialog.getByRole("alert").getByText("An amount is over 0").waitFor();
  await press(dialog, "Cancel");
  await fillIn(page, "Give free credits", { "Amount in US dollars": "3", Until: "2020-01-01T00:00" }, "Give");
  await dialog.getByText("These credits would have expired already.").waitFor();
  assert.equal(await dialog.getByLabel("Amount in US dollars").inputValue(), "3");
  await press(dialog, "Cancel");
  await fillIn(page, "Refund a request", { "Completion id or request id": "nothing" }, "Refund");
  await dialog.getByText("No completion that was paid has the id 'nothing'.").waitFor();
  await press(dialog, "Cancel");
  await page.goto(`${server.url}/console#/money?team=nobody`);
  await page.getByText("This management key sees no team with the id of this address.").waitFor();
  assert.equal(await fund(page, "Prepaid credits").isVisible(), false);
  await closePage(page);
});

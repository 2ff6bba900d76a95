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
  await page.getByRole("button", { name: "Lift the team's own limit" }).waitFor();
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
  await page.getByText("None were set for this team: each model's own limits hold.").waitFor();
  assert.equal(await page.getByRole("table", { name: "Teams" }).count(), 0);
  assert.equal(await page.getByLabel("Team", { exact: true }).isVisible(), false);
  await fillIn(page, "Set the team's own limit", { "US dollars a month": "12.50" }, "Set the limit");
  await page.getByText("by an operator $0.00, its own $12.50").waitFor();
  await press(page, "Set the team's own limit");
  assert.equal(await page.getByLabel("US dollars a month").inputValue(), "12.50");
  await press(page.getByRole("dialog"), "Cancel");

  await press(page, "Lift the team's own limit");
  await page.getByRole("dialog").getByText("What an operator set holds then: $0.00 a month.").waitFor();
  await assertAccessible(page);
  await press(page.getByRole("dialog"), "Lift the limit");
  await page.getByText("by an operator $0.00", { exact: true }).waitFor();
  assert.equal(await page.getByRole("button", { name: "Lift the team's own limit" }).isVisible(), false);
  assert.equal(await page.evaluate(() => document.activeElement.textContent), "Set the team's own limit");
  await closePage(page);
});

test("rate limits of a team are set by model, hold for its keys, and are taken away", async () => {
  const { teamId } = await server.ask("POST", "auth/teams", { name: "meadow" });
  const team = `auth/teams/${teamId}`;
  const { apiKey } = await server.ask("POST", `${team}/api-keys`, { name: "k", acls: ["api-key:model:*", "api-key:endpoint:*"] });
  await server.ask("POST", `v1/billing/teams/${teamId}/credits`, { amount: { val: "100" } });
  const page = await open(`#/money?team=${teamId}`);
  const dialog = page.getByRole("dialog");
  await press(page, "Set rate limits");
  await dialog.getByRole("heading", { name: "Set rate limits: meadow" }).waitFor();
  assert.deepEqual(await dialog.getByRole("option").allTextContents(), ["All other models", "grok-2-vision-1212", "words-only"]);
  await assertAccessible(page);
  await dialog.getByLabel("Requests a minute").fill("-5");
  await press(dialog, "Set the limits");
  assert.equal(await dialog.getByLabel("Requests a minute").evaluate((input) => input.validity.rangeUnderflow), true);
  await dialog.getByLabel("Requests a minute").fill("600");
  await press(dialog, "Set the limits");
  await rowOf(page, "Rate limits", "All other models").waitFor();
  assert.equal(await page.evaluate(() => document.activeElement.textContent), "Set rate limits");

  await press(page, "Set rate limits");
  assert.equal(await dialog.getByLabel("Requests a minute").inputValue(), "600"); // as they are
  await dialog.getByLabel("Model").selectOption("grok-2-vision-1212");
  assert.equal(await dialog.getByLabel("Requests a minute").inputValue(), "");
  await dialog.getByLabel("Requests a minute").fill("1");
  await dialog.getByLabel("Tokens a minute").fill("16000");
  await press(dialog, "Set the limits");
  const limited = rowOf(page, "Rate limits", "grok-2-vision-1212");
  await limited.waitFor();
  assert.deepEqual(await limited.getByRole("cell").allTextContents(), ["", "1", "16,000"]);
  await assertAccessible(page);
  const statuses = [];
  for (let number = 0; number < 2; number++) statuses.push((await ask(apiKey)).status);
  assert.deepEqual(statuses, [200, 429]);

  await press(page, "Set rate limits");
  await dialog.getByLabel("Model").selectOption("grok-2-vision-1212");
  for (const label of ["Requests a minute", "Tokens a minute"]) await dialog.getByLabel(label).fill("");
  await press(dialog, "Set the limits");
  await limited.waitFor({ state: "detached" });
  const { rateLimits } = await server.ask("GET", `${team}/rate-limits`);
  assert.deepEqual(rateLimits, [{ model: "*", qps: null, qpm: 600, tpm: null }]);
  await closePage(page);
});

test("a team is blocked with all its keys and unblocked again, and it is told so", async () => {
  const { teamId } = await server.ask("POST", "auth/teams", { name: "thicket" });
  const { apiKey } = await server.ask("POST", `auth/teams/${teamId}/api-keys`, { name: "k", acls: ["api-key:model:*", "api-key:endpoint:*"] });
  const models = () => fetch(`${server.url}/v1/models`, { headers: { authorization: `Bearer ${apiKey}` } });
  const page = await open(`#/money?team=${teamId}`);
  const dialog = page.getByRole("dialog");
  const told = page.getByText("Blocked: every key of this team is refused.");
  await press(page, "Block the team");
  await dialog.getByRole("heading", { name: "Block the team: thicket" }).waitFor();
  await assertAccessible(page);
  await press(dialog, "Cancel");
  assert.equal(await told.isVisible(), false);
  await press(page, "Block the team");
  await press(dialog, "Block");
  await told.waitFor();
  await rowOf(page, "Teams", /thicket Blocked/).waitFor();
  assert.equal(await page.getByLabel("Team", { exact: true }).locator("option:checked").textContent(), "thicket (blocked)");
  assert.equal(await page.evaluate(() => document.activeElement.textContent), "Unblock the team");
  await assertAccessible(page);
  assert.equal((await models()).status, 403);

  await press(page, "Unblock the team");
  await press(dialog, "Unblock");
  await told.waitFor({ state: "hidden" });
  await rowOf(page, "Teams", /thicket Active/).waitFor();
  for (let number = 0; number < 50 && (await models()).status !== 200; number++) await new Promise((done) => setTimeout(done, 100)); // keys.cache_seconds
  assert.equal((await models()).status, 200);
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

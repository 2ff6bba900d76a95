// The keys page: what it makes and changes is asked of the server with the very keys.

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

const open = (team, options) => openPage(browser, server, { hash: `#/keys?team=${server.seeded[team]}`, key: server.seeded.operator, ...options });
const row = (page, name) => page.getByRole("listitem").filter({ has: page.getByRole("heading", { name: new RegExp(`^${name} `) }) });
const press = (within, name) => within.getByRole("button", { name }).click();
const listKeys = async (team) => (await server.ask("GET", `auth/teams/${server.seeded[team]}/api-keys`)).apiKeys;

// Ask the server with an API key; returns the status.
const tryKey = async (secret, path = "v1/models") => (await fetch(`${server.url}/${path}`, { headers: { authorization: `Bearer ${secret}` } })).status;

// Ask until the answer is the one that is awaited: a process knows a key for two seconds longer.
async function becomes(secret, status) {
  for (let round = 0; round < 60 && (await tryKey(secret)) !== status; round++) await new Promise((resolve) => setTimeout(resolve, 100));
  assert.equal(await tryKey(secret), status);
}

// Read the secret that a dialog shows, and close it.
async function takeSecret(page) {
  const dialog = page.getByRole("dialog");
  const secret = await dialog.locator(".secret").textContent();
  await press(dialog, "I have kept it");
  await dialog.waitFor({ state: "detached" });
  return secret;
}

test("a key is made with the ACLs, limits and end that were chosen, and its secret is shown once", async () => {
  const page = await open("acme");
  await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
  await row(page, "website").waitFor();
  await press(page, "New key");
  const dialog = page.getByRole("dialog", { name: "A new key of acme" });
  await dialog.getByLabel("Name").fill("kiosk");
  await dialog.getByLabel("All models").uncheck();
  await dialog.getByText("Choose at least one.").waitFor();
  await press(dialog, "Make the key"); // is not sent
  await dialog.getByLabel("grok-2-vision-1212 also grok-2-vision, grok-2-vision-latest").check();
  await dialog.getByLabel("All endpoints").uncheck();
  await dialog.getByLabel("models", { exact: true }).check();
  await dialog.getByLabel("chat", { exact: true }).check();
  await dialog.getByLabel("Requests a minute").fill("100");
  await dialog.getByLabel("Tokens a minute").fill("50000");
  await dialog.getByLabel("Works until").fill("2099-12-31T12:00");
  await assertAccessible(page);
  await press(dialog, "Make the key");
  const shown = page.getByRole("dialog", { name: "The key “kiosk”" });
  await assertAccessible(page);
  await press(shown, "Copy the key");
  await shown.getByText("Copied").waitFor();
  const copied = await page.evaluate(() => navigator.clipboard.readText());
  await page.keyboard.press("Escape"); // does not lose it
  const secret = await takeSecret(page);
  assert.equal(copied, secret);
  assert.ok(!(await page.evaluate(() => document.documentElement.outerHTML + JSON.stringify({ ...sessionStorage }))).includes(secret));
  await row(page, "kiosk").getByText("Active").waitFor();
  await row(page, "kiosk").getByText("100 requests a minute, 50,000 tokens a minute").waitFor();
  const made = (await listKeys("acme")).find((key) => key.name === "kiosk");
  const acls = ["api-key:endpoint:chat", "api-key:endpoint:models", "api-key:model:grok-2-vision-1212"];
  assert.deepEqual([made.aclStrings.sort(), made.qps, made.qpm, made.tpm], [acls, null, 100, "50000"]);
  assert.equal(made.expireTime, new Date("2099-12-31T12:00").toISOString().replace(".000", ""));
  assert.equal(await tryKey(secret), 200);
  assert.equal(await tryKey(secret, "v1/image-generation-models"), 200);
  await closePage(page);
});

test("a key is changed, blocked, let in again, rotated and deleted, and the server knows each time", async () => {
  const { apiKey: first } = await server.ask("POST", `auth/teams/${server.seeded.birch}/api-keys`, {
    name: "till",
    acls: ["api-key:model:grok-2-vision", "api-key:endpoint:*"],
    qpm: 7,
  });
  const page = await open("birch");
  const till = row(page, "till");
  await press(till, "Change till");
  const form = page.getByRole("dialog", { name: "Change till" });
  assert.equal(await form.getByLabel("grok-2-vision an alias, or nothing of this server").isChecked(), true);
  await form.getByLabel("Name").fill("counter");
  await form.getByLabel("Requests a minute").fill("");
  await press(form, "Save");
  const counter = row(page, "counter");
  await counter.getByText("none of its own").waitFor();
  const [key] = await listKeys("birch");
  assert.deepEqual([key.name, key.qpm, key.aclStrings], ["counter", null, ["api-key:model:grok-2-vision", "api-key:endpoint:*"]]);

  await press(counter, "Block counter");
  await counter.getByText("Blocked").waitFor();
  await page.getByRole("button", { name: "Unblock counter" }).and(page.locator(":focus")).waitFor(); // where the hand is
  await becomes(first, 403);
  await page.keyboard.press("Enter");
  await counter.getByText("Active").waitFor();
  await becomes(first, 200);

  await press(counter, "Rotate counter");
  const rotating = page.getByRole("dialog", { name: "Rotate counter" });
  await rotating.getByLabel("The secret of before still works").selectOption("Not at all");
  await assertAccessible(page);
  await press(rotating, "Rotate");
  await page.getByRole("dialog", { name: "The new secret of “counter”" }).waitFor();
  const second = await takeSecret(page);
  assert.notEqual(second, first);
  assert.equal(await tryKey(second), 200);
  await becomes(first, 400);

  await press(counter, "Delete counter");
  await page.keyboard.press("Escape");
  await page.getByRole("dialog").waitFor({ state: "detached" });
  assert.equal((await listKeys("birch")).length, 1);
  await press(counter, "Delete counter");
  await press(page.getByRole("dialog"), "Delete");
  await page.getByText("This team has no keys yet.").waitFor();
  assert.deepEqual(await listKeys("birch"), []);
  await becomes(second, 400);
  await closePage(page);
});

test("a dialog cannot be left while its request is on the way, since the secret comes with the answer", async () => {
  const page = await open("acme");
  let go = () => {};
  const held = new Promise((resolve) => (go = resolve));
  await page.route("**/api-keys", async (route) => {
    if (route.request().method() === "POST") await held;
    await route.continue();
  });
  await press(page, "New key");
  await page.getByLabel("Name").and(page.locator(":focus")).waitFor();
  await page.keyboard.type("patient");
  const [asked] = await Promise.all([page.waitForRequest((request) => request.method() === "POST"), page.keyboard.press("Enter")]);
  assert.equal(asked.postDataJSON().name, "patient");
  await page.keyboard.press("Escape");
  assert.equal(await page.getByRole("button", { name: "Cancel" }).isDisabled(), true);
  go();
  await page.getByRole("dialog", { name: "The key “patient”" }).waitFor();
  assert.match(await takeSecret(page), /^xai-/);
  await page.getByRole("button", { name: "New key" }).and(page.locator(":focus")).waitFor();
  await closePage(page);
});

test("a new key opens this tab's playground where that is wanted, and is marked as this tab's", async () => {
  const page = await open("acme", { key: server.seeded.acmeAdmin });
  assert.equal(await page.getByLabel("Team", { exact: true }).isVisible(), false);
  await press(page, "New key");
  await page.getByLabel("Name").fill("mine");
  await press(page, "Make the key");
  await page.getByLabel("Open the playground of this tab with it").check();
  await press(page, "I have kept it");
  await page.getByRole("heading", { level: 1, name: "Playground" }).waitFor();
  await page.getByRole("link", { name: "Keys" }).click();
  await row(page, "mine").getByText("Active · the API key of this tab").waitFor();
  await closePage(page);
});

test("long lists come a page at a time, and what the server refuses is said where it was asked", async () => {
  const { teamId } = await server.ask("POST", "auth/teams", { name: "many" });
  for (let number = 0; number < 55; number++) await server.ask("POST", `auth/teams/${teamId}/api-keys`, { name: `key ${number}` });
  const page = await open("acme");
  page.expected = ["status of 400", "status of 404"];
  await page.getByLabel("Team", { exact: true }).selectOption("many");
  await row(page, "key 49").waitFor();
  assert.equal(await page.getByRole("heading", { level: 2 }).count(), 50);
  await press(page, "More keys");
  await row(page, "key 54").waitFor();
  assert.equal(await page.getByRole("heading", { level: 2 }).count(), 55);
  assert.equal(await page.getByRole("button", { name: "More keys" }).isVisible(), false);
  assert.deepEqual(await row(page, "key 3").locator("dd").allTextContents().then((facts) => facts.slice(0, 2)), ["none", "none"]);
  await press(page, /^Change key 5 /);
  const form = page.getByRole("dialog");
  await form.getByLabel("All models").check();
  await form.getByLabel("All endpoints").check();
  await form.getByLabel("Name").fill("   ");
  await press(form, "Save");
  await form.getByRole("alert").getByText("A key's name has from 1 to").waitFor();
  await press(form, "Cancel");
  const gone = (await server.ask("GET", `auth/teams/${teamId}/api-keys`)).apiKeys[7];
  await server.ask("DELETE", `auth/api-keys/${gone.apiKeyId}`);
  await press(page, /^Block key 7 /);
  await page.getByRole("alert").getByText("There is no API key with the id").waitFor();
  await closePage(page);
});

// Take the pictures of docs/console.md: `node screenshots.mjs FOLDER`. The tests run it too, into a folder of their own.

import { execFileSync } from "node:child_process";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { launch, openPage } from "./browser.mjs";
import { PYTHON, RECEIPT, startFacts, startManaged, startServer } from "./server.mjs";

// A palette is enough for pages, and a third of the size.
const SHRINK = `
import sys
from PIL import Image
for path in sys.argv[1:]:
    Image.open(path).convert("RGB").quantize(256).save(path, optimize=True)
`;

const press = (page, name) => page.getByRole("button", { name, exact: true }).click();

// Write a PNG for each page into `folder`; returns their names.
export async function takeScreenshots(folder) {
  await mkdir(folder, { recursive: true });
  const names = [];
  const server = await startServer();
  const facts = await startFacts();
  const managed = await startManaged();
  const browser = await launch();
  const shoot = async (page, name, options = {}) => {
    names.push(`${name}.png`);
    await page.evaluate(() => document.activeElement.blur());
    await page.screenshot({ path: join(folder, `${name}.png`), animations: "disabled", ...options });
  };
  try {
    const page = await openPage(browser, server, { size: [1100, 800], colorScheme: "light" });
    await page.locator("input[type=file]").setInputFiles(RECEIPT);
    await page.getByLabel("Text", { exact: true }).fill("What is the total, and how much change was given?");
    await page.getByText("1,792 image tokens").waitFor();
    await shoot(page, "message");
    await press(page, "Send");
    await page.locator(".answer dl div").first().waitFor();
    await page.getByLabel("Text", { exact: true }).fill("What was bought?");
    await page.locator(".code-panel summary").click();
    await page.getByRole("tab", { name: "Python (openai)" }).click();
    await shoot(page, "answer", { fullPage: true });
    await press(page, "Send deferred");
    await page.getByText("Accepted.").waitFor();
    await page.goto(`${server.url}/console#/deferred`);
    await press(page, "Fetch");
    await page.getByText("Bread").waitFor();
    await shoot(page, "deferred", { clip: { x: 0, y: 0, width: 1100, height: 460 } });
    await page.goto(`${server.url}/console#/models`);
    await page.getByText("words-only").first().waitFor();
    await shoot(page, "models", { clip: { x: 0, y: 0, width: 1100, height: 460 } });
    await press(page, "Sign out");
    await page.getByRole("heading", { name: "Sign in" }).waitFor();
    await shoot(page, "sign-in", { clip: { x: 0, y: 0, width: 1100, height: 460 } });

    const { operator: key, acme } = managed.seeded;
    await haveAcmePay(managed);
    const management = await openPage(browser, managed, { key, size: [1100, 800], colorScheme: "light", hash: `#/keys?team=${acme}` });
    await management.getByRole("button", { name: "Change website" }).waitFor();
    await shoot(management, "keys", { clip: { x: 0, y: 0, width: 1100, height: 640 } });
    await management.goto(`${managed.url}/console#/money?team=${acme}`);
    await management.getByText("Invoice preview:").waitFor();
    await shoot(management, "money", { fullPage: true });
    await management.goto(`${managed.url}/console#/usage?team=${acme}&by=apiKeyId&from=2025-10-01&to=2025-10-31&zone=Europe/Berlin`);
    await management.getByRole("table", { name: "Cost by day" }).waitFor();
    await management.setViewportSize({ width: 1100, height: 1200 });
    await management.waitForTimeout(200); // the chart is drawn for its new width
    await shoot(management, "usage");

    const perceived = await openPage(browser, facts, { size: [1100, 800], colorScheme: "light" });
    await perceived.locator("input[type=file]").setInputFiles(RECEIPT);
    await press(perceived, "Show what is perceived");
    await perceived.locator(".sheet").waitFor({ timeout: 60_000 });
    await shoot(perceived, "perceived");

    const phone = await openPage(browser, server, { size: [390, 844], colorScheme: "dark" });
    await phone.locator("input[type=file]").setInputFiles(RECEIPT);
    await phone.getByText("1,792 image tokens").waitFor();
    await shoot(phone, "phone");
  } finally {
    await browser.close();
    await facts.close();
    await managed.close();
    await server.close();
  }
  execFileSync(PYTHON, ["-c", SHRINK, ...names.map((name) => join(folder, name))]);
  return names;
}

// Have the team acme get credits, and one of its keys spend some of them.
async function haveAcmePay({ ask, url, seeded: { acme } }) {
  const money = `v1/billing/teams/${acme}`;
  await ask("POST", `${money}/credits`, { amount: { val: "5000" }, note: "to begin with", expireTime: "2099-01-01T00:00:00Z" });
  await ask("POST", `${money}/prepaid/top-up`, { amount: { val: "25000" }, note: "order 17" });
  await ask("POST", `${money}/postpaid/spending-limits`, { desiredHardSpendingLimit: { val: "100000" } });
  await ask("POST", `auth/teams/${acme}/rate-limits`, { model: "grok-2-vision-1212", qps: 5, qpm: 60, tpm: "100000" });
  const keys = `auth/teams/${acme}/api-keys`;
  const [, ci, last] = (await ask("GET", keys)).apiKeys;
  const acls = ["api-key:model:words-only", "api-key:endpoint:chat"];
  await ask("PUT", `auth/api-keys/${ci.apiKeyId}`, { apiKey: { acls, qpm: 60, tpm: "100000", blocked: true }, fieldMask: "acls,qpm,tpm,blocked" });
  await ask("PUT", `auth/api-keys/${last.apiKeyId}`, { apiKey: { name: "nightly" }, fieldMask: "name" });
  const { apiKey } = await ask("POST", keys, { name: "press", acls: ["api-key:model:*", "api-key:endpoint:*"] });
  const body = JSON.stringify({ model: "grok-2-vision", messages: [{ role: "user", content: "What was bought?" }] });
  await fetch(`${url}/v1/chat/completions`, { method: "POST", headers: { authorization: `Bearer ${apiKey}`, "content-type": "application/json" }, body });
}

if (process.argv[1] === import.meta.filename) {
  const [folder] = process.argv.slice(2);
  console.log((await takeScreenshots(folder)).map((name) => join(folder, name)).join("\n"));
}

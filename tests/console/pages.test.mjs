// The other pages: models with prices, deferred completions, and what facts-1 perceives.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { assertAccessible, closePage, launch, openPage } from "./browser.mjs";
import { PYTHON, RECEIPT, startFacts, startServer } from "./server.mjs";

const DRAW_CODE = `
import sys, zxingcpp
from PIL import Image
code = zxingcpp.write_barcode_to_image(zxingcpp.create_barcode("https://vitrail.test/a", zxingcpp.BarcodeFormat.QRCode), scale=6)
page = Image.new("L", (600, 300), 255)
page.paste(Image.fromarray(code), (40, 40))
page.save(sys.argv[1])
`;
let server, browser;

before(async () => {
  server = await startServer();
  browser = await launch();
});
after(async () => {
  await browser.close();
  await server.close();
});

const press = (page, name) => page.getByRole("button", { name, exact: true }).click();

test("models are listed with aliases, modalities and prices for a million tokens", async () => {
  const page = await openPage(browser, server, { hash: "#/models" });
  const row = page.getByRole("row", { name: /grok-2-vision-1212/ });
  await row.waitFor();
  const cells = await row.getByRole("cell").allTextContents();
  assert.deepEqual(cells.slice(0, 5), ["text, image", "$2.00", "$0.50", "$2.00", "$10.00"]);
  await page.getByText("also grok-2-vision, grok-2-vision-latest").waitFor();
  await page.getByText("No model of this server generates images.").waitFor();
  await assertAccessible(page);
  page.expected = ["status of 503"];
  await page.route("**/v1/language-models", (route) => route.fulfill({ status: 503, json: { code: "The service is currently unavailable", error: "Draining." } }));
  await press(page, "Load again");
  await page.getByRole("alert").getByText("Draining.").waitFor();
  await closePage(page);
});

test("a deferred completion is looked for without being taken, fetched once, and survives a reload", async () => {
  const page = await openPage(browser, server);
  await page.locator("input[type=file]").setInputFiles(RECEIPT);
  await page.getByLabel("Text", { exact: true }).fill("What was bought?");
  await press(page, "Send deferred");
  await page.getByText("Accepted. See it on the page").waitFor();
  await page.locator("main").getByRole("link", { name: "Deferred" }).click();
  await page.getByText("Answered, not fetched yet").waitFor({ timeout: 20_000 });
  await page.reload();
  await page.getByText("Answered, not fetched yet").waitFor();
  await assertAccessible(page);
  await press(page, "Fetch");
  await page.getByText("Bread, cheese and a newspaper.").waitFor();
  await page.reload();
  await page.getByText("Bread, cheese and a newspaper.").waitFor();
  await page.getByText("What was bought? · 1 picture").waitFor();
  await assertAccessible(page);
  const id = await page.evaluate(() => JSON.parse(sessionStorage.getItem("vitrail.jobs"))[0].id);
  const headers = { authorization: `Bearer ${server.key}` };
  assert.equal((await fetch(`${server.url}/v1/chat/deferred-completion/${id}`, { headers })).status, 404);
  await press(page, "Forget");
  await page.getByText("Nothing yet.").waitFor();
  await closePage(page);
});

test("deferred completions that failed, or that somebody else fetched, say so", async () => {
  const page = await openPage(browser, server);
  page.expected = ["status of 404", "status of 400"];
  for (const question of ["Refuse it", "What was bought?"]) {
    await page.getByLabel("Text", { exact: true }).fill(question);
    await press(page, "Send deferred");
    await page.getByText("Accepted. See it on the page").waitFor();
  }
  const jobs = await page.evaluate(() => JSON.parse(sessionStorage.getItem("vitrail.jobs")));
  assert.deepEqual(jobs.map((job) => job.question), ["What was bought?", "Refuse it"]);
  await page.getByRole("link", { name: "Deferred" }).first().click();
  await page.getByRole("button", { name: "Fetch" }).nth(1).waitFor({ timeout: 20_000 });
  const headers = { authorization: `Bearer ${server.key}` };
  assert.equal((await fetch(`${server.url}/v1/chat/deferred-completion/${jobs[0].id}`, { headers })).status, 200);
  await page.getByRole("button", { name: "Fetch" }).first().click();
  await page.getByText("Not on the server: fetched elsewhere").waitFor();
  await page.getByText("Failed, reason not fetched yet").waitFor();
  await press(page, "Fetch");
  await page.getByText("I would rather not.").waitFor();
  await closePage(page);
});

test("facts-1 shows what it perceived: boxes over text and codes, and the same as a list", async () => {
  const facts = await startFacts();
  try {
    const code = join(facts.folder, "code.png");
    execFileSync(PYTHON, ["-c", DRAW_CODE, code]);
    const page = await openPage(browser, facts);
    await page.locator("input[type=file]").setInputFiles([RECEIPT, code]);
    await page.getByRole("button", { name: "Show what is perceived" }).click({ timeout: 20_000 });
    const [receipt, square] = [page.locator(".picture").nth(0), page.locator(".picture").nth(1)];
    await square.locator("li").filter({ hasText: "https://vitrail.test/a" }).waitFor({ timeout: 60_000 });
    await receipt.locator("li").filter({ hasText: "$50.23" }).waitFor();
    const total = receipt.locator("rect.of-text").filter({ hasText: "$50.23" });
    const place = await total.evaluate((rect) => ["x", "y", "width", "height"].map((name) => Number(rect.getAttribute(name))));
    const [x, y] = [place[0] / 704, place[1] / 942];
    assert.ok(x > 0.5 && x < 0.8 && y > 0.6 && y < 0.85, `${place}`); // where it stands on the receipt
    const box = await square.locator("rect.of-code").evaluate((rect) => Number(rect.getAttribute("x")) + Number(rect.getAttribute("width")));
    assert.ok(box > 60 && box < 300);
    await assertAccessible(page);
    await page.getByRole("button", { name: "Hide what is perceived" }).click();
    assert.equal(await page.locator("svg.facts, .sheet").count(), 0);
    await page.getByRole("button", { name: "Show what is perceived" }).click();
    await page.getByLabel("Text", { exact: true }).fill("Transcribe the text in the image.");
    await press(page, "Remove code.png");
    await press(page, "Send"); // code reads it out, without a language model
    await page.locator(".answer").getByText("$50.23").waitFor({ timeout: 60_000 });
    await page.locator(".turn rect.of-text").filter({ hasText: "$50.23" }).waitFor({ state: "attached" });
    await closePage(page);
  } finally {
    await facts.close();
  }
});

test("a server whose models tell nothing of their perception does not offer it", async () => {
  const page = await openPage(browser, server);
  await page.locator("input[type=file]").setInputFiles(RECEIPT);
  await page.getByText("1,792 tokens").first().waitFor();
  assert.equal(await page.getByRole("button", { name: "Show what is perceived" }).isVisible(), false);
  await closePage(page);
});

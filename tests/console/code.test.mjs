// The code panel: each snippet is run as it stands, and asks the server for the very same as the console did.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { copyFile, mkdir, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, beforeEach, test } from "node:test";
import { promisify } from "node:util";
import { assertAccessible, closePage, launch, openPage } from "./browser.mjs";
import { PYTHON, RECEIPT, startServer } from "./server.mjs";

const run = promisify(execFile);
const TRICKY = "It's `5 $HOME` \\ \"quoted\" $(rm x) \\$ \\\\ é 😀\n%s ${y} 'JSON'\nJSON\n#";
const SCHEMA = '{"type": "object", "properties": {"total": {"type": "number"}, "paid": {"type": ["boolean", "null"]}}, "required": ["total"], "additionalProperties": false}';
const PROGRAMS = {
  curl: { file: "ask.sh", command: (file) => ["sh", [file]] },
  "Python (openai)": { file: "ask.py", command: (file) => [PYTHON, ["-W", "error", file]] },
  JavaScript: { file: "ask.mjs", command: (file) => [process.execPath, [file]] },
};
let server, browser, folder;

before(async () => {
  server = await startServer();
  browser = await launch();
  folder = join(server.folder, "work");
  await mkdir(folder);
  await symlink(join(import.meta.dirname, "node_modules"), join(folder, "node_modules"));
  await copyFile(RECEIPT, join(folder, "the bill's 1st $copy.jpg"));
});
after(async () => {
  await browser.close();
  await server.close();
});
beforeEach(() => server.requests());

async function readCode(page, title) {
  await page.getByRole("tab", { name: title, exact: true }).click();
  return page.getByRole("tabpanel").locator("code").first().textContent();
}

// Run every program; return what each printed and the digest of what it asked.
async function runAll(page) {
  const done = {};
  for (const [title, { file, command }] of Object.entries(PROGRAMS)) {
    await writeFile(join(folder, file), await readCode(page, title));
    const env = { ...process.env, XAI_API_KEY: server.key };
    const { stdout, stderr } = await run(...command(file), { cwd: folder, env, timeout: 30_000 });
    assert.equal(stderr, "", title);
    const requests = await server.requests();
    assert.equal(requests.length, 1, title);
    done[title] = { stdout, digest: requests[0].digest };
  }
  return done;
}

test("streamed: two pictures, tricky words and a follow-up", async () => {
  const page = await openPage(browser, server);
  await page.locator("input[type=file]").setInputFiles(join(folder, "the bill's 1st $copy.jpg"));
  await page.getByLabel("Address of a picture").fill(server.imageUrl);
  await page.getByRole("button", { name: "Add address" }).click();
  await page.getByLabel("Detail of receipt.jpg").selectOption("low");
  await page.getByLabel("Text", { exact: true }).fill(TRICKY);
  await page.getByText("More", { exact: true }).click();
  await page.getByLabel("System message").fill("Say \"no\" to $PATH and 'quotes'.");
  await page.getByLabel("Temperature").fill("0");
  await page.getByRole("button", { name: "Send", exact: true }).click();
  await page.locator(".answer").getByText("You sent 2 images").waitFor();
  await page.locator(".code-panel summary").click();
  const first = await server.requests();
  assert.equal(first[0].messages[1].text, TRICKY);
  for (const [title, { stdout, digest }] of Object.entries(await runAll(page))) {
    assert.equal(digest, first[0].digest, title);
    if (title !== "curl") assert.ok(stdout.includes("You sent 2 images"), stdout);
    else assert.ok(stdout.includes("data: [DONE]"));
  }
  await page.getByLabel("Text", { exact: true }).fill("What was bought?");
  const programs = await runAll(page);
  await page.getByRole("button", { name: "Send", exact: true }).click();
  await page.locator(".answer").getByText("Bread").waitFor();
  const second = await server.requests();
  for (const [title, { digest }] of Object.entries(programs)) assert.equal(digest, second[0].digest, title);
  await assertAccessible(page);
  await closePage(page);
});

test("whole: JSON by a schema, with a limit and a seed", async () => {
  const page = await openPage(browser, server);
  await page.getByLabel("Answer as").selectOption("json_schema");
  await page.getByLabel("JSON Schema").fill(SCHEMA);
  await page.getByLabel("Stream the answer").uncheck();
  await page.getByText("More", { exact: true }).click();
  await page.getByLabel("Most completion tokens").fill("200");
  await page.getByLabel("Seed").fill("-3");
  await page.getByLabel("Text", { exact: true }).fill("Give it as an object");
  await page.locator(".code-panel summary").click();
  const programs = await runAll(page);
  await page.getByRole("button", { name: "Send", exact: true }).click();
  await page.locator(".answer pre").waitFor();
  const [asked] = await server.requests();
  assert.deepEqual(JSON.parse(asked.schema), JSON.parse(SCHEMA));
  for (const [title, { stdout, digest }] of Object.entries(programs)) {
    assert.equal(digest, asked.digest, title);
    assert.ok(stdout.includes("total"), stdout);
  }
  await closePage(page);
});

test("the code for the xAI SDK is Python, with every part of the request in it", async () => {
  const page = await openPage(browser, server);
  await page.locator("input[type=file]").setInputFiles(join(folder, "the bill's 1st $copy.jpg"));
  await page.getByLabel("Detail of pictures").selectOption("high");
  await page.getByLabel("Answer as").selectOption("json_schema");
  await page.getByLabel("Text", { exact: true }).fill(TRICKY);
  await page.locator(".code-panel summary").click();
  const code = await readCode(page, "Python (xai-sdk)");
  await writeFile(join(folder, "xai.py"), code);
  await run(PYTHON, ["-W", "error", "-m", "py_compile", "xai.py"], { cwd: folder });
  for (const part of ['detail="high"', "FORMAT_TYPE_JSON_SCHEMA", JSON.stringify(TRICKY), "chat.stream()"]) assert.ok(code.includes(part), part);
  await page.getByText("It speaks gRPC, and this server names no gRPC address").waitFor();
  await closePage(page);
});

test("files that the code reads are offered for download under the names that it uses", async () => {
  const page = await openPage(browser, server);
  await page.locator("input[type=file]").setInputFiles(RECEIPT);
  await page.locator(".code-panel summary").click();
  const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("link", { name: "receipt.jpg" }).click()]);
  assert.equal(download.suggestedFilename(), "receipt.jpg");
  await rm(await download.path());
  await closePage(page);
});

test("tabs are moved through with the arrow keys, and the code can be copied", async () => {
  const page = await openPage(browser, server, { permissions: ["clipboard-read", "clipboard-write"] });
  await page.getByLabel("Text", { exact: true }).fill("Hello");
  await page.locator(".code-panel summary").click();
  await page.getByRole("tab", { name: "curl" }).press("ArrowLeft");
  await page.getByRole("tab", { name: "JavaScript", selected: true }).and(page.locator(":focus")).waitFor();
  await page.getByRole("button", { name: "Copy the code" }).click();
  await page.getByRole("button", { name: "Copied" }).waitFor();
  const copied = await page.evaluate(() => navigator.clipboard.readText());
  assert.ok(copied.startsWith('import OpenAI from "openai";') && copied.includes(`${server.url}/v1`));
  await closePage(page);
});

// Debian's Chromium, driven by playwright-core; every page is watched for errors on its console.

import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { basename } from "node:path";
import assert from "node:assert/strict";
import { chromium } from "playwright-core";

const AXE = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const isRoot = process.getuid?.() === 0;

export const launch = () =>
  chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: [...(isRoot ? ["--no-sandbox"] : []), "--disable-gpu", "--disable-dev-shm-usage", "--force-color-profile=srgb"],
  });

// Open a page of the console; `troubles` fills with whatever the browser complains of, `expected` are let pass.
export async function openPage(browser, server, { hash = "", size = [1280, 900], signIn = true, ...options } = {}) {
  const [width, height] = size;
  const context = await browser.newContext({ viewport: { width, height }, locale: "en-US", ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(20_000);
  page.troubles = [];
  page.expected = [];
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) page.troubles.push(message.text());
  });
  page.on("pageerror", (error) => page.troubles.push(String(error)));
  await page.goto(`${server.url}/console${hash}`);
  if (signIn) await enter(page, server.key);
  return page;
}

export async function enter(page, key) {
  await page.getByLabel("API key").fill(key);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("button", { name: "Sign out" }).waitFor();
}

// Put files onto the drop zone as if they came from the desktop, or into a paste event; `files` are paths.
export async function hand(page, kind, selector, files) {
  const contents = await Promise.all(
    files.map(async (path) => ({ name: basename(path), base64: await readFile(path, "base64") })),
  );
  const transfer = await page.evaluateHandle((given) => {
    const data = new DataTransfer();
    for (const { name, base64 } of given) {
      const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
      data.items.add(new File([bytes], name));
    }
    return data;
  }, contents);
  if (kind === "drop") {
    await page.dispatchEvent(selector, "dragover", { dataTransfer: transfer });
    await page.dispatchEvent(selector, "drop", { dataTransfer: transfer });
  } else {
    await page.evaluate((data) => {
      document.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true }));
    }, transfer);
  }
}

// Close a page after asserting that the browser's console had nothing to say but what was expected.
export async function closePage(page) {
  const troubles = page.troubles.filter((text) => !page.expected.some((expected) => text.includes(expected)));
  await page.context().close();
  assert.deepEqual(troubles, []);
}

// Assert that axe-core finds nothing on the page as it is now.
export async function assertAccessible(page) {
  await page.evaluate(AXE); // through the debugger: the page's own policy lets no script in
  const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations"] }));
  const found = violations.map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.map((node) => `${node.html} ${node.failureSummary}`).join(" | ")}`);
  assert.deepEqual(found, []);
}

// The shell: signing in, finding one's way, what is loaded, and that everybody can use it.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { assertAccessible, closePage, enter, launch, openPage } from "./browser.mjs";
import { startServer } from "./server.mjs";

const MOST_BYTES = 150_000;
const PAGES = { playground: "Playground", deferred: "Deferred completions", models: "Models and prices" };
const heading = (page, name) => page.getByRole("heading", { level: 1, name }).waitFor();
let server, browser;

before(async () => {
  server = await startServer();
  browser = await launch();
});
after(async () => {
  await browser.close();
  await server.close();
});

test("a wrong key is refused in the server's words, a right one opens the page that was asked for", async () => {
  const page = await openPage(browser, server, { hash: "#/models", signIn: false });
  page.expected = ["status of 400"];
  await page.getByLabel("API key").fill("xai-not-a-key-of-this-server");
  await page.keyboard.press("Enter");
  await page.getByRole("alert").getByText("Incorrect API key provided: xa***er.").waitFor();
  await enter(page, server.key);
  await heading(page, "Models and prices");
  assert.equal(new URL(page.url()).hash, "#/models");
  await closePage(page);
});

test("the key is in session storage and a header, never in an address, local storage, a cookie or the log", async () => {
  const page = await openPage(browser, server, { signIn: false });
  const addresses = [];
  page.on("request", (request) => addresses.push(request.url()));
  await enter(page, server.key);
  for (const [id, title] of Object.entries(PAGES)) {
    await page.goto(`${server.url}/console#/${id}`);
    await heading(page, title);
  }
  await page.getByText("words-only").first().waitFor();
  const secret = server.key;
  assert.ok(addresses.length > 10 && addresses.every((address) => !address.includes(secret)));
  const kept = await page.evaluate(() => JSON.stringify([{ ...localStorage }, document.cookie, location.href]));
  assert.ok(!kept.includes(secret));
  assert.ok((await page.evaluate(() => JSON.stringify({ ...sessionStorage }))).includes(secret));
  assert.ok(server.log().includes("/v1/language-models") && !server.log().includes(secret));
  await closePage(page);
});

test("signing out forgets everything that this tab kept", async () => {
  const page = await openPage(browser, server);
  await page.getByLabel("Text", { exact: true }).fill("A secret thought");
  await page.getByRole("button", { name: "Sign out" }).click();
  await heading(page, "Sign in");
  assert.equal(await page.evaluate(() => sessionStorage.length), 0);
  await enter(page, server.key);
  assert.equal(await page.getByLabel("Text", { exact: true }).inputValue(), "");
  await closePage(page);
});

test("the first load is under 150 kB from this server alone, and the next one brings no body", async () => {
  const context = await browser.newContext();
  const page = await context.newPage();
  const network = await context.newCDPSession(page);
  await network.send("Network.enable");
  let bytes = 0;
  const statuses = new Map();
  network.on("Network.loadingFinished", ({ encodedDataLength }) => (bytes += encodedDataLength));
  network.on("Network.responseReceivedExtraInfo", ({ requestId, statusCode }) => statuses.set(requestId, statusCode));
  const addresses = [];
  page.on("request", (request) => addresses.push(request.url()));
  const load = async () => {
    bytes = 0;
    statuses.clear();
    await page.goto(`${server.url}/console/`, { waitUntil: "networkidle" });
    return bytes;
  };
  const signIn = await load();
  await page.evaluate((secret) => sessionStorage.setItem("vitrail.key.api", JSON.stringify({ secret, about: {} })), server.key);
  await context.clearCookies();
  await network.send("Network.clearBrowserCache");
  const first = await load();
  const second = await load();
  console.log(`sign-in page ${signIn} bytes, playground ${first} bytes, again ${second} bytes`);
  assert.ok(first > 40_000 && first < MOST_BYTES, `${first} bytes`);
  assert.ok(second < first / 2, `${second} bytes`);
  assert.ok([...statuses.values()].filter((status) => status === 304).length > 10);
  assert.ok(addresses.every((address) => address.startsWith(server.url)));
  await context.close();
});

test("the policy lets no inline script run and no other host be called", async () => {
  const page = await openPage(browser, server);
  page.expected = ["Content Security Policy", "Refused to", "violates", "Trusted", "Fetch API cannot load"];
  const outcome = await page.evaluate(async () => {
    const script = document.createElement("script");
    try {
      script.textContent = "globalThis.hacked = true";
    } catch {} // trusted types
    document.body.append(script);
    let parsed = "refused";
    try {
      document.body.insertAdjacentHTML("beforeend", "<b>x</b>");
      parsed = "taken";
    } catch {}
    const called = await fetch("http://127.0.0.1:9/").then(() => "answered", () => "refused");
    return { hacked: globalThis.hacked ?? false, parsed, called };
  });
  assert.deepEqual(outcome, { hacked: false, parsed: "refused", called: "refused" });
  assert.ok(page.troubles.some((text) => text.includes("Content Security Policy")));
  await closePage(page);
});

test("the console can be used with the keyboard alone", async () => {
  const page = await openPage(browser, server, { signIn: false });
  await page.getByLabel("API key").and(page.locator(":focus")).waitFor(); // the field has the focus
  await page.keyboard.type(server.key);
  await page.keyboard.press("Enter");
  await page.getByRole("button", { name: "Sign out" }).waitFor();
  await page.reload();
  await heading(page, "Playground");
  await page.keyboard.press("Tab");
  await page.getByRole("button", { name: "Skip to the page" }).and(page.locator(":focus")).waitFor();
  await page.keyboard.press("Enter");
  assert.equal(await page.evaluate(() => document.activeElement.id), "main");
  await page.getByRole("link", { name: "Deferred" }).focus();
  await page.keyboard.press("Enter");
  await heading(page, "Deferred completions");
  assert.equal(await page.evaluate(() => document.activeElement.id), "main");
  await closePage(page);
});

test("the theme is kept, and System follows the browser", async () => {
  const page = await openPage(browser, server, { colorScheme: "light" });
  const colour = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const light = await colour();
  await page.getByLabel("Theme").selectOption("dark");
  const dark = await colour();
  assert.notEqual(light, dark);
  await page.reload();
  assert.equal(await colour(), dark);
  await page.getByLabel("Theme").selectOption("system");
  assert.equal(await colour(), light);
  await page.emulateMedia({ colorScheme: "dark" });
  assert.equal(await colour(), dark);
  await closePage(page);
});

for (const [name, size] of Object.entries({ phone: [320, 640], laptop: [1280, 800], wall: [3840, 2160] }))
  for (const colorScheme of ["light", "dark"])
    test(`axe-core finds nothing on any page, and nothing is cut off: ${name}, ${colorScheme}`, async () => {
      const page = await openPage(browser, server, { size, colorScheme, signIn: false });
      await heading(page, "Sign in");
      await assertAccessible(page);
      await enter(page, server.key);
      for (const [id, title] of Object.entries(PAGES)) {
        await page.goto(`${server.url}/console#/${id}`);
        await heading(page, title);
        if (id === "models") await page.getByText("words-only").first().waitFor();
        await assertAccessible(page);
        assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), `${id} is wider than the window`);
      }
      await closePage(page);
    });

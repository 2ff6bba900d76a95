// The usage explorer over a month that seed.py wrote: the numbers of the API, as bars, tables, CSV and addresses.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import { assertAccessible, closePage, enter, launch, openPage } from "./browser.mjs";
import { startManaged } from "./server.mjs";

let server, browser, october;

before(async () => {
  server = await startManaged();
  browser = await launch();
  october = `#/usage?team=${server.seeded.acme}&from=2025-10-01&to=2025-10-31&zone=UTC`;
});
after(async () => {
  await browser.close();
  await server.close();
});

const open = (hash, options) => openPage(browser, server, { hash, key: server.seeded.operator, timezoneId: "Asia/Tokyo", ...options });
const select = (page, label, value) => page.getByLabel(label, { exact: true }).selectOption(value);
const total = (page, name) => page.locator(".totals div").filter({ hasText: name }).locator("dd").textContent();
const cells = (page, table, row) =>
  page.getByRole("table", { name: table, exact: true }).getByRole("row", { name: row }).getByRole("cell").allTextContents();
const number = (text) => Number(text.replace(/[^\d.]/g, ""));

// Wait until the page shows an address' view, whole.
async function settle(page) {
  await page.locator(".page[aria-busy=false]").waitFor();
}

test("an address opened by somebody else shows the same view once they have signed in, with totals to the last token", async () => {
  const page = await open(`${october}&show=tokens&by=apiKeyId&per=week`, { signIn: false });
  await page.getByText("Usage: this page needs a management key.").waitFor();
  await enter(page, server.seeded.acmeAdmin);
  await page.getByRole("table", { name: "Tokens by week" }).waitFor();
  assert.equal(await total(page, "Cost"), `$${server.seeded.usd}`);
  assert.equal(number(await total(page, "Tokens")), Number(server.seeded.tokens));
  assert.equal(number(await total(page, "Requests")), Number(server.seeded.requests));
  assert.equal(await page.getByLabel("Stacked by", { exact: true }).inputValue(), "apiKeyId");
  assert.equal(await page.getByLabel("From", { exact: true }).inputValue(), "2025-10-01");
  assert.equal(await page.getByLabel("Team", { exact: true }).isVisible(), false); // a team's key sees its own
  assert.deepEqual(await page.locator(".legend li").allTextContents(), ["website", "ci", "=HYPERLINK(1)"]);
  await page.getByText("Week of Sep 29, 2025").waitFor();
  assert.equal(await page.locator(".bar").count(), 5);
  assert.match(await page.locator(".plot svg").getAttribute("aria-label"), /^Tokens by week, stacked by API key: 1,\d{3},\d{3} in all, most with/);
  await closePage(page);
});

test("bars are as high as the numbers of the table say, layer by layer", async () => {
  const page = await open(`${october}&show=cost&by=tokenType`);
  await settle(page);
  const heights = await page.locator(".bar").evaluateAll((bars) =>
    bars.map((bar) => [...bar.querySelectorAll("[class^=layer]")].map((rect) => [rect.getAttribute("class"), Number(rect.getAttribute("height")) + 1])),
  );
  const row = async (name) => (await cells(page, "Cost by day", name)).map(number);
  const [first, last] = [await row("Wed, Oct 1, 2025"), await row("Mon, Oct 27, 2025")];
  const of = (bar, layer) => heights[bar].find(([name]) => name === `layer-${layer}`)[1];
  const scale = of(26, 0) / last[0];
  for (const [bar, values] of [[0, first], [26, last]])
    for (const layer of [0, 1]) assert.ok(Math.abs(of(bar, layer) - values[layer] * scale) < 2, `${bar} ${layer} ${of(bar, layer)} ${values[layer] * scale}`);
  assert.ok(Math.abs(last.at(-1) - last.slice(0, -1).reduce((a, b) => a + b, 0)) < 1e-4);
  await page.locator(".bar").nth(26).locator(".area").hover();
  await page.getByText(/^Mon, Oct 27, 2025: \w+ \$0\.\d+/).waitFor();
  await closePage(page);
});

test("hours are those of the zone: the day on which clocks go back has 25, and its third hour comes twice", async () => {
  const page = await open(`#/usage?team=${server.seeded.acme}&from=2025-10-26&to=2025-10-26&zone=Europe/Berlin&per=hour&by=none&show=requests`);
  await settle(page);
  assert.equal(await page.locator(".bar").count(), 25);
  await page.getByLabel("Time zone").fill("Asia/Kolkata");
  await page.getByLabel("Time zone").press("Enter");
  await page.waitForURL(/zone=Asia%2FKolkata/);
  await settle(page);
  assert.equal(await page.locator(".bar").count(), 24);
  await closePage(page);
});

test("every control is in the address, Back undoes it, and a first visit has the browser's own zone", async () => {
  const page = await open("#/usage");
  await page.getByText("Nothing was used in this range.").waitFor();
  assert.match(page.url(), /#\/usage\?team=[\w-]+&show=cost&by=model&per=day&last=30d&zone=Asia%2FTokyo$/);
  await select(page, "Team", "acme");
  await select(page, "Show", "requests");
  await select(page, "Stacked by", "endpoint");
  await page.getByLabel("From", { exact: true }).fill("2025-10-01");
  await page.getByLabel("To, with this day").fill("2025-10-31");
  await page.getByLabel("To, with this day").blur();
  await page.waitForURL((url) => url.hash === `${october}&`.replace("UTC&", "Asia%2FTokyo").replace("&from", "&show=requests&by=endpoint&per=day&from"));
  await page.getByRole("table", { name: "Requests by day" }).waitFor();
  assert.deepEqual(await page.locator(".legend li").allTextContents(), ["chat", "messages"]);
  await select(page, "Show", "tokens");
  await page.getByRole("table", { name: "Tokens by day" }).waitFor();
  await page.goBack();
  await page.getByRole("table", { name: "Requests by day" }).waitFor();
  assert.equal(await page.getByLabel("Show", { exact: true }).inputValue(), "requests");
  await page.getByRole("link", { name: "Keys" }).click();
  await page.getByRole("link", { name: "Usage" }).click(); // as it was left
  await page.getByRole("table", { name: "Requests by day" }).waitFor();
  await select(page, "Range", "12m"); // 365 days are too many hours to be seen
  await settle(page);
  assert.equal(await page.getByLabel("A bar for each").locator("option[value=hour]").isDisabled(), true);
  await closePage(page);
});

test("filters offer what occurred, all hold, and stand in the address", async () => {
  const page = await open(`${october}&by=none`);
  await settle(page);
  const all = number(await total(page, "Requests"));
  await page.getByText("Add a filter").click();
  await select(page, "Field", "apiKeyId");
  await select(page, "Comparison", "is not");
  await select(page, "Value", "ci");
  await page.getByRole("button", { name: "Add", exact: true }).click();
  const chip = page.getByRole("list", { name: "Filters" }).getByText("API key is not ci");
  await chip.waitFor();
  await settle(page);
  const withoutCi = number(await total(page, "Requests"));
  assert.ok(withoutCi < all && withoutCi > 0);
  assert.equal(new URLSearchParams(page.url().split("?")[1]).get("filter"), `NOT apiKeyId:=${server.seeded.ci}`);
  await page.getByText("Add a filter").click();
  await select(page, "Field", "tokens");
  await page.getByLabel("Number", { exact: true }).fill("1000");
  await page.getByRole("button", { name: "Add", exact: true }).click();
  await page.getByText("Tokens of a request at least 1000").waitFor();
  await settle(page);
  const large = number(await total(page, "Requests"));
  assert.ok(large < withoutCi && large > 0);
  await assertAccessible(page);
  await page.reload();
  await chip.waitFor(); // the key's name is asked for again
  await settle(page);
  assert.equal(number(await total(page, "Requests")), large);
  await page.getByRole("button", { name: "Remove the filter: API key is not ci" }).click();
  await chip.waitFor({ state: "detached" });
  await page.getByRole("button", { name: /Remove the filter/ }).click();
  await page.waitForURL((url) => !url.hash.includes("filter"));
  await settle(page);
  assert.equal(number(await total(page, "Requests")), all);
  await closePage(page);
});

test("the CSV has every number of every group, and no name that a spreadsheet would run", async () => {
  const page = await open(`${october}&by=apiKeyId`);
  await settle(page);
  const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "Download CSV" }).click()]);
  assert.equal(download.suggestedFilename(), "usage-2025-10-01-2025-10-31.csv");
  const [head, ...lines] = (await readFile(await download.path(), "utf8")).trimEnd().split("\r\n");
  assert.equal(head, "start,apiKeyId,name,cost_usd,tokens,requests");
  assert.equal(lines.length, 31 * 3);
  const sum = (column) => lines.reduce((so, line) => so + Number(line.split(",")[column]), 0);
  assert.equal(sum(3).toFixed(2), server.seeded.usd);
  assert.deepEqual([sum(4), sum(5)], [Number(server.seeded.tokens), Number(server.seeded.requests)]);
  assert.match(lines[0], /^2025-10-01T00:00:00.000Z,"[\w-]{36}","website",0\.\d+,\d+,\d+$/);
  assert.ok(lines.some((line) => line.includes(`"'=HYPERLINK(1)"`)));
  await closePage(page);
});

test("nothing used, waiting, and refusals each say so", async () => {
  const page = await open(`#/usage?team=${server.seeded.birch}&last=7d`);
  page.expected = ["status of 400", "status of 503"];
  await page.getByText("Nothing was used in this range.").waitFor();
  assert.equal(await page.getByRole("button", { name: "Download CSV" }).isDisabled(), true);
  await assertAccessible(page);
  await page.getByLabel("Time zone").fill("Mars/Olympus");
  await page.getByLabel("Time zone").press("Enter");
  await page.getByRole("alert").getByText("There is no time zone 'Mars/Olympus'.").waitFor();
  await assertAccessible(page);
  await page.goto(`${server.url}/console#/usage?team=nobody`);
  await page.getByText("This management key sees no team with the id of this address.").waitFor();
  let answer = () => {};
  const held = new Promise((resolve) => (answer = resolve));
  await page.route("**/usage", async (route) => {
    await held;
    await route.fulfill({ status: 503, json: { code: "The service is currently unavailable", error: "Draining." } });
  });
  await Promise.all([page.waitForRequest("**/usage"), select(page, "Team", "acme")]);
  await page.locator(".page[aria-busy=true]").waitFor();
  answer();
  await page.getByText("Draining.").waitFor();
  await page.unroute("**/usage");
  await page.getByRole("button", { name: "Try again" }).click();
  await page.getByText("Nothing was used in this range.").waitFor();
  await closePage(page);
});

test("more groups than colours are one layer, and an answer that left groups out says so", async () => {
  const page = await open(`${october}&show=requests&by=apiKeyId`);
  await settle(page);
  await page.route("**/usage", async (route) => {
    const answer = await (await route.fetch()).json();
    if (answer.timeSeries[0].group.length) {
      answer.limitReached = true;
      const small = answer.timeSeries.at(-1);
      for (let number = 0; number < 9; number++) answer.timeSeries.push({ ...small, group: [`key-${number}`], groupLabels: ["website"] });
    }
    await route.fulfill({ json: answer });
  });
  await page.reload();
  await page.getByText("There are more groups than an answer holds").waitFor();
  const names = await page.locator(".legend li").allTextContents();
  assert.equal(names.length, 8);
  assert.match(names[0], /^website \([\w-]{8}\)$/); // one name, many keys
  assert.equal(names[7], "5 more");
  const smallest = number((await cells(page, "Totals of the range by API key", "website (key-8)"))[2]);
  const rest = (await page.getByRole("table", { name: "Requests by day" }).getByRole("row").evaluateAll((rows) => rows.slice(1).map((row) => row.cells[8].textContent))).map(Number);
  assert.equal(rest.reduce((a, b) => a + b), 5 * smallest);
  await assertAccessible(page); // eight colours
  await closePage(page);
});

// Run code of the console's own modules in a page; `work` gets them.
const inside = (page, path, work) => page.evaluate(`import(new URL("${path}", document.baseURI)).then(${work})`);

test("ranges are those of a clock in the zone, also over the end of a year", async () => {
  const page = await open("#/usage");
  const of = (last, zone, now) => inside(page, "usage/times.js", `({ rangeOf }) => rangeOf({ last: "${last}", zone: "${zone}" }, Date.parse("${now}"))`);
  const night = "2026-01-01T03:30:00Z"; // still 2025 in New York
  assert.deepEqual(await of("7d", "UTC", night), { start: "2025-12-26 00:00:00", end: "2026-01-02 00:00:00" });
  assert.deepEqual(await of("7d", "America/New_York", night), { start: "2025-12-25 00:00:00", end: "2026-01-01 00:00:00" });
  assert.deepEqual(await of("month", "America/New_York", night), { start: "2025-12-01 00:00:00", end: "2026-01-01 00:00:00" });
  assert.deepEqual(await of("12m", "UTC", night), { start: "2025-02-01 00:00:00", end: "2026-01-02 00:00:00" });
  assert.deepEqual(await of("24h", "Asia/Kolkata", night), { start: "2025-12-31 10:00:00", end: "2026-01-01 10:00:00" });
  await closePage(page);
});

test("what stands in an address without meaning is as on a first visit, and the rest is kept", async () => {
  const page = await open("#/usage");
  const again = (query) => inside(page, "usage/view.js", `({ parseView, writeView }) => writeView(parseView(new URLSearchParams(${JSON.stringify(query)})))`);
  assert.equal(await again("show=love&by=colour&per=second&last=9d&zone=UTC"), "show=cost&by=model&per=day&last=30d&zone=UTC");
  assert.equal(await again("from=2025-02-30x&to=2025-03-01&zone=UTC"), "show=cost&by=model&per=day&last=30d&zone=UTC");
  assert.equal(await again("per=hour&from=2024-01-01&to=2025-12-31&zone=UTC"), "show=cost&by=model&per=day&from=2024-01-01&to=2025-12-31&zone=UTC");
  const filters = "filter=model%3A%3Da%2Cb&filter=NOT+endpoint%3A%3Dchat";
  assert.equal(await again(`last=24h&per=hour&zone=UTC&${filters}`), `show=cost&by=model&per=hour&last=24h&zone=UTC&${filters}`);
  const ticks = (most, step) => inside(page, "usage/chart.js", `({ planTicks }) => planTicks(${most}, ${step})`);
  assert.deepEqual(await ticks(0.37, 0), [0, 0.1, 0.2, 0.3, 0.4]);
  assert.deepEqual(await ticks(2, 1), [0, 1, 2]); // no half requests
  assert.deepEqual(await ticks(5, 0), [0, 1, 2, 3, 4, 5]);
  assert.deepEqual(await ticks(0, 0), [0, 1]);
  await closePage(page);
});

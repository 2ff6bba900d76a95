// The playground: writing a message with pictures, sending it, reading the answer, following up, and what goes wrong.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, beforeEach, afterEach, test } from "node:test";
import { assertAccessible, closePage, hand, launch, openPage } from "./browser.mjs";
import { PYTHON, RECEIPT, startServer } from "./server.mjs";

const DRAW = `
import sys
from PIL import Image, ImageDraw
folder = sys.argv[1]
image = Image.new("RGB", (640, 420), "white")
ImageDraw.Draw(image).rectangle((200, 120, 440, 360), fill="red")
image.save(f"{folder}/square.png")
image.save(f"{folder}/square.webp", lossless=True)
exif = Image.Exif()
exif[0x0112] = 6
image.save(f"{folder}/turned.jpg", exif=exif)
`;
const digestOf = (path) => createHash("sha256").update(readFileSync(path)).digest("hex");
let server, browser, page, square, webp, turned;

before(async () => {
  server = await startServer();
  browser = await launch();
  execFileSync(PYTHON, ["-c", DRAW, server.folder]);
  [square, webp, turned] = ["square.png", "square.webp", "turned.jpg"].map((name) => join(server.folder, name));
});
after(async () => {
  await browser.close();
  await server.close();
});
beforeEach(async () => {
  page = await openPage(browser, server);
  await page.getByRole("option", { name: "words-only" }).waitFor({ state: "attached" });
  await server.requests();
});
afterEach(() => closePage(page));

const add = (...files) => page.locator("input[type=file]").setInputFiles(files);
const text = (at = 0) => page.getByLabel("Text", { exact: true }).nth(at);
const press = (name) => page.getByRole("button", { name, exact: true }).click();
const answers = () => page.locator(".answer");
const idle = () => page.getByRole("button", { name: "Stop" }).waitFor({ state: "hidden" });
const facts = (answer = answers().last()) =>
  answer.locator("dl").evaluate((list) =>
    Object.fromEntries([...list.children].map((pair) => [pair.children[0].textContent, pair.children[1].textContent])),
  );
const order = () => page.locator(".parts > li").evaluateAll((parts) => parts.map((part) => part.querySelector(".name")?.textContent ?? part.querySelector("textarea").value));

test("pictures are shown with grid, size, orientation, tiles, tokens and price before anything is sent", async () => {
  await add(RECEIPT, turned);
  await page.getByText("JPEG 704 × 942 px · portrait · 2 × 3 tiles + overview · 1,792 tokens").waitFor();
  await page.getByText("JPEG 420 × 640 px · portrait · stored on its side (EXIF 6), counted upright · 1 × 2 tiles + overview · 768 tokens").waitFor();
  await page.getByText("2 pictures · 2,560 image tokens · $0.00512 before any text").waitFor();
  const drawn = await page.locator(".picture svg.grid").evaluateAll((grids) => grids.map((grid) => grid.querySelectorAll("line.light").length));
  assert.deepEqual(drawn, [1 + 2, 1]);
  const [shown] = await page.locator(".stage").evaluateAll((stages) => stages.map((stage) => [stage.style.width, stage.style.height]));
  assert.deepEqual(shown.map(parseFloat).map(Math.round), [Math.round((100 * 704) / 896), Math.round((100 * 942) / 1344)]);
  await page.getByLabel("Detail of turned.jpg").selectOption("low");
  await page.getByText("overview only · 256 tokens").waitFor();
  await page.getByLabel("Detail of pictures").selectOption("low");
  await page.getByText("2 pictures · 512 image tokens").waitFor();
  assert.deepEqual(await server.requests(), []); // no model was asked
  await assertAccessible(page);
});

test("pictures come by drop, by paste and by address, and are sent in their order", async () => {
  await hand(page, "drop", ".composer", [RECEIPT]);
  await page.locator(".name", { hasText: "receipt.jpg" }).waitFor();
  await hand(page, "paste", ".composer", [square]);
  await page.locator(".name", { hasText: "square.png" }).waitFor();
  await page.getByLabel("Address of a picture").fill(server.imageUrl);
  await press("Add address");
  await page.getByText("3 pictures · 4,352 image tokens").waitFor();
  await text().fill("What is this?");
  await press("Send");
  await answers().getByText("You sent 3 images (").waitFor();
  const [{ messages }] = await server.requests();
  assert.deepEqual(messages[0].images.map((image) => image.sha256), [RECEIPT, square, RECEIPT].map(digestOf));
});

test("text and pictures are reordered with buttons, with Alt and arrows, and by dragging", async () => {
  await add(RECEIPT, square);
  await page.getByText("2 pictures").waitFor();
  await text().fill("first");
  await press("Add text");
  await text(1).fill("second");
  assert.deepEqual(await order(), ["receipt.jpg", "square.png", "first", "second"]);
  await press("Move square.png down");
  assert.deepEqual(await order(), ["receipt.jpg", "first", "square.png", "second"]);
  await text(1).press("Alt+ArrowUp");
  assert.deepEqual(await order(), ["receipt.jpg", "first", "second", "square.png"]);
  assert.equal(await page.evaluate(() => document.activeElement.value), "second");
  await page.locator(".handle").nth(3).dragTo(page.locator(".parts > li").nth(0));
  assert.deepEqual(await order(), ["square.png", "receipt.jpg", "first", "second"]);
  await press("Remove receipt.jpg");
  await press("Send");
  await answers().getByText("The total is").waitFor();
  const [{ messages }] = await server.requests();
  assert.equal(messages[0].text, "first\nsecond");
  assert.equal(messages[0].images.length, 1);
});

test("an answer comes with usage, cost, times and the request id that the server logged", async () => {
  await add(RECEIPT);
  await text().fill("What is the total?");
  await text().press("Control+Enter");
  await answers().getByText("The total is $50.23, and the change given is $9.77.").waitFor();
  await idle();
  const told = await facts();
  assert.equal(told.Model, "grok-2-vision-1212");
  assert.equal(told.Ended, "stop");
  assert.equal(told["Image tokens"], "1,792");
  assert.match(told["First chunk"], /^\d+ ms \(server \d+ ms\)$/);
  assert.match(told["Whole answer"], /^\d+ ms|s$/);
  const [prompt, completion] = [Number(told["Text tokens"]) + 1792, Number(told["Completion tokens"])];
  assert.equal(told["Total tokens"], (prompt + completion).toLocaleString("en-US"));
  assert.equal(Number(told.Cost.slice(1)), Number(((prompt * 2 + completion * 10) / 1e6).toPrecision(4)));
  assert.ok(server.log().includes(told.Request));
  await assertAccessible(page);
});

test("an answer is shown as it comes, and can be stopped", async () => {
  await text().fill("Count slowly");
  await press("Send");
  await answers().getByText("One two", { exact: true }).waitFor();
  await press("Stop");
  await idle();
  assert.equal((await facts()).Ended, "stopped");
  assert.equal(await answers().locator(".words").last().textContent(), "One two ");
  const outcome = async () => (await server.requests()).at(0)?.outcome;
  assert.equal(await outcome(), "cancelled");
});

test("stopped before a word came, the message is there again", async () => {
  await text().fill("Wait long");
  await press("Send");
  await page.getByText("Waiting for the first words").waitFor();
  await press("Stop");
  await idle();
  assert.deepEqual(await order(), ["Wait long"]);
  assert.equal(await answers().count(), 0);
});

test("a follow-up is asked with everything that was said before, until a new conversation begins", async () => {
  await add(RECEIPT);
  await text().fill("What is the total?");
  await press("Send");
  await answers().getByText("$9.77").waitFor();
  await idle();
  await text().fill("And what was bought?");
  await press("Send");
  await answers().getByText("Bread, cheese and a newspaper.").waitFor();
  await page.getByText(/^2 answers, \$0\.00\d+ together$/).waitFor();
  const [, second] = await server.requests();
  assert.deepEqual(
    second.messages.map(({ role, text, images }) => [role, text, images.length]),
    [["user", "What is the total?", 1], ["assistant", "The total is $50.23, and the change given is $9.77.", 0], ["user", "And what was bought?", 0]],
  );
  await press("New conversation");
  await text().fill("Hello");
  await press("Send");
  await answers().getByText("Hello from the script.").waitFor();
  const [third] = await server.requests();
  assert.equal(third.messages.length, 1);
});

test("every setting is sent, and an answer by a schema is shown as JSON over several lines", async () => {
  await page.getByLabel("Model").selectOption("grok-2-vision-latest");
  await page.getByLabel("Temperature").fill("0.3");
  await page.getByLabel("Answer as").selectOption("json_schema");
  await page.getByText("More", { exact: true }).click();
  await page.getByLabel("System message").fill("Be brief.");
  await page.getByLabel("Most completion tokens").fill("500");
  await page.getByLabel("Seed").fill("7");
  await page.getByLabel("Stream the answer").uncheck();
  await text().fill("Say it as an object");
  await press("Send");
  await answers().locator("pre").waitFor();
  const shown = await answers().locator("pre").textContent();
  assert.ok(shown.includes('\n  "answer": ') && Array.isArray(JSON.parse(shown).numbers));
  assert.equal((await facts())["First chunk"], undefined); // nothing was streamed
  const [{ model, sampling, schema, messages }] = await server.requests();
  assert.equal(model, "grok-2-vision-1212");
  assert.deepEqual([sampling.temperature, sampling.max_tokens, sampling.seed], [0.3, 500, 7]);
  assert.deepEqual(JSON.parse(schema).required, ["answer", "numbers"]);
  assert.equal(messages[0].text, "Be brief.");
  await assertAccessible(page);
});

test("a schema that is no JSON, or a temperature out of range, is not sent but pointed at", async () => {
  await text().fill("Hello");
  await page.getByLabel("Answer as").selectOption("json_schema");
  await page.getByLabel("JSON Schema").fill("{");
  await press("Send");
  assert.equal(await page.evaluate(() => document.activeElement.validationMessage.startsWith("This is no JSON")), true);
  await page.getByLabel("Answer as").selectOption("text");
  await page.getByLabel("Temperature").fill("3");
  await press("Send");
  assert.equal(await page.evaluate(() => document.activeElement.validity.rangeOverflow), true);
  assert.deepEqual(await server.requests(), []);
});

test("a refusal is shown with status, time to wait and request id, and the message is there to be sent again", async () => {
  page.expected = ["status of 429"];
  await add(square);
  await text().fill("Too often");
  await press("Send");
  const alert = page.getByRole("alert");
  await alert.getByText("Too many requests for team 0.").waitFor();
  assert.match(await alert.textContent(), /Some resource has been exhausted.*status 429 · request [0-9a-f-]{36} · try again in 7 s/);
  assert.deepEqual(await order(), ["square.png", "Too often"]);
  assert.equal(await answers().count(), 0);
  await assertAccessible(page);
});

test("an answer that breaks off keeps what came, and says why", async () => {
  await text().fill("Break off");
  await press("Send");
  await page.getByRole("alert").getByText("The service is currently unavailable").first().waitFor();
  assert.equal(await answers().locator(".words").last().textContent(), "This is as far as it goes.");
  assert.equal((await facts()).Ended, "failed");
});

test("a server that is gone is a sentence, not silence", async () => {
  page.expected = ["Failed to load resource"];
  await page.route("**/v1/chat/completions", (route) => route.abort());
  await text().fill("Hello");
  await press("Send");
  await page.getByRole("alert").getByText("The server does not answer.").waitFor();
});

test("pictures that cannot be used say so beside them", async () => {
  page.expected = ["status of 412", "status of 404", "status of 400"];
  await page.getByLabel("Address of a picture").fill(server.imageUrl.replace("receipt", "missing"));
  await press("Add address");
  await page.getByText("The host of the image URL answered with status 404.", { exact: true }).waitFor();
  const words = join(server.folder, "words.png");
  writeFileSync(words, "This is no picture.");
  await add(words);
  await page.getByText("words.png is no picture that can be read here. Use a JPEG or PNG.").waitFor();
  await page.getByLabel("Model").selectOption("words-only");
  await add(square);
  await text().fill("What is this?");
  await press("Remove missing.jpg");
  await press("Send");
  await page.getByText("The model expects a single `text` element per message.").waitFor();
});

test("a WebP is turned into a PNG, since the API takes JPEG and PNG", async () => {
  await add(webp);
  await page.getByText("Turned into a PNG: the API takes JPEG and PNG, this was image/webp.").waitFor();
  await page.getByText("PNG 640 × 420 px · landscape · 2 × 1 tiles + overview · 768 tokens").waitFor();
});

test("reasoning is folded away, and markup in an answer stays text", async () => {
  await text().fill("Think");
  await press("Send");
  await page.getByText("Reasoning", { exact: true }).click();
  await answers().getByText("I count the windows once more.").waitFor();
  await idle();
  await text().fill("Show me markup");
  await press("Send");
  await answers().last().getByText('<img src=x onerror="alert(1)"> **bold**').waitFor();
  assert.equal(await answers().last().locator("img").count(), 0);
});

test("a conversation is still there after a look at another page", async () => {
  await text().fill("Hello");
  await press("Send");
  await answers().getByText("Hello from the script.").waitFor();
  await page.getByRole("link", { name: "Models and prices" }).click();
  await page.getByRole("link", { name: "Try words-only" }).click();
  await answers().getByText("Hello from the script.").waitFor();
  await page.waitForFunction(() => document.querySelector(".settings select").value === "words-only");
});

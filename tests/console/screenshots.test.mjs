// docs/console.md shows exactly the pictures that the script takes, and they are small.

import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { takeScreenshots } from "./screenshots.mjs";
import { ROOT } from "./server.mjs";

const MOST_BYTES = 100_000;

test("every screenshot of the page is made by the script, and no other is kept", async () => {
  const folder = await mkdtemp(join(tmpdir(), "vitrail-shots-"));
  const taken = (await takeScreenshots(folder)).sort();
  for (const name of taken) {
    const png = await readFile(join(folder, name));
    assert.deepEqual([...png.subarray(1, 4)], [...Buffer.from("PNG")], name);
  }
  const page = await readFile(join(ROOT, "docs/console.md"), "utf8");
  assert.deepEqual([...page.matchAll(/\]\(console\/([\w-]+\.png)\)/g)].map((found) => found[1]).sort(), taken);
  assert.deepEqual((await readdir(join(ROOT, "docs/console"))).sort(), taken);
  for (const name of taken) assert.ok((await stat(join(ROOT, "docs/console", name))).size < MOST_BYTES, name);
  await rm(folder, { recursive: true });
});

// A real `vitrail serve` in a process of its own, with the scripted engine, and an image host beside it.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

export const ROOT = resolve(import.meta.dirname, "../..");
export const PYTHON = join(ROOT, ".venv/bin/python");
export const RECEIPT = join(ROOT, "docs/receipt.jpg");

const SCRIPT = `
rules:
  - when: {text: "slowly"}
    chunks: ["One ", "two ", {text: "three.", delay_seconds: 30}]
  - when: {text: "wait long"}
    text: "At last."
    first_delay_seconds: 30
  - when: {text: "what was bought"}
    text: Bread, cheese and a newspaper.
  - when: {text: "too often"}
    error: {kind: RateLimited, text: "Too many requests for team 0.", retry_after_seconds: 7}
  - when: {text: "break off"}
    chunks: ["This is ", "as far as it goes."]
    error: {kind: Unavailable, after_chunks: 2}
  - when: {text: "think"}
    reasoning: I count the windows once more.
    text: There are twelve.
  - when: {text: "as an object"}
  - when: {text: "refuse it"}
    error: {kind: InvalidArgument, text: "I would rather not."}
  - when: {text: "markup"}
    text: '<img src=x onerror="alert(1)"> **bold**'
  - when: {images: 1}
    chunks: ["The total is $50.23, ", "and the change given is $9.77."]
  - when: {images: {min: 2}}
    text: "You sent {images}. The sizes are {sizes}."
  - text: "Hello from the script."
`;

const CONFIG = (host) => `
[[models]]
id = "grok-2-vision-1212"
engine = "scripted"
script = "script.yaml"
aliases = ["grok-2-vision", "grok-2-vision-latest"]
prices = { prompt_text = 20000, prompt_image = 20000, cached_prompt_text = 5000, completion_text = 100000 }

[[models]]
id = "words-only"
engine = "scripted"
script = "script.yaml"
input = ["text"]

[fetch]
allow_hosts = ["${host}"]
`;

// Start everything; returns { url, key, imageUrl, folder, log(), requests(), close() }.
export async function startServer() {
  const folder = await mkdtemp(join(tmpdir(), "vitrail-console-"));
  const host = await startImageHost();
  const imageHost = `127.0.0.1:${host.address().port}`;
  await writeFile(join(folder, "script.yaml"), SCRIPT);
  await writeFile(join(folder, "vitrail.toml"), CONFIG(imageHost));
  const server = await spawnServer(["-m", "vitrail", "serve", "--port", "0", "--data-dir", "data"], folder);
  return {
    ...server,
    imageUrl: `http://${imageHost}/receipt.jpg`,
    // Return what the scripted models were asked since the last call, oldest first.
    async requests() {
      const options = { headers: { authorization: `Bearer ${server.key}` } };
      const { data } = await (await fetch(`${server.url}/v1/scripted/requests`, options)).json();
      await fetch(`${server.url}/v1/scripted/requests`, { ...options, method: "DELETE" });
      return data;
    },
    async close() {
      host.closeAllConnections();
      host.close();
      await server.close();
    },
  };
}

// Start facts-1: its own perception, and a tiny random language model in place of the weights.
export async function startFacts() {
  const folder = await mkdtemp(join(tmpdir(), "vitrail-facts-"));
  return spawnServer(["-m", "tests.console.serve_facts", folder], ROOT, folder);
}

async function spawnServer(command, cwd, folder = cwd) {
  const env = { ...process.env, OMP_WAIT_POLICY: "passive" };
  const child = spawn(PYTHON, command, { cwd, env, stdio: ["ignore", "pipe", "pipe"] });
  const { url, key, log } = await readAnnouncement(child);
  return {
    url,
    key,
    folder,
    log,
    async close() {
      const ended = once(child, "exit");
      child.kill("SIGTERM");
      await ended;
      await rm(folder, { recursive: true });
    },
  };
}

async function startImageHost() {
  const receipt = await readFile(RECEIPT);
  const host = createServer((request, response) => {
    const isThere = request.url === "/receipt.jpg";
    response.writeHead(isThere ? 200 : 404, { "content-type": isThere ? "image/jpeg" : "text/html" });
    response.end(isThere ? receipt : "no");
  });
  host.listen(0, "127.0.0.1");
  await once(host, "listening");
  return host;
}

// Read what `serve` prints for its user: the address and the first key.
async function readAnnouncement(child) {
  let log = "";
  let text = "";
  child.stderr.on("data", (data) => (log += data));
  const ended = once(child, "exit").then(() => Promise.reject(new Error(`The server ended: ${log}`)));
  const said = new Promise((resolve) => {
    child.stdout.on("data", (data) => {
      text += data;
      if (text.includes("curl")) resolve();
    });
  });
  await Promise.race([said, ended]);
  ended.catch(() => {});
  const base = /Vitrail serves (\S+)/.exec(text)[1];
  return { url: base.replace(/\/v1$/, ""), key: /export XAI_API_KEY=(\S+)/.exec(text)[1], log: () => log };
}

// Ask a model about pictures: write, see what it will count, send, follow up, and take the same request as code.

import { baseUrl, call, read, readEvents, send } from "../api.js";
import { failureBox, h, say } from "../dom.js";
import { addJob } from "../jobs.js";
import { Answer } from "../playground/answer.js";
import { createCodePanel } from "../playground/code_panel.js";
import { Composer } from "../playground/composer.js";
import { countPicture } from "../playground/counting.js";
import { listPerceivers, perceive } from "../playground/facts.js";
import { createPictureView } from "../playground/picture_view.js";
import { buildBody } from "../playground/request.js";
import { Settings } from "../playground/settings.js";
import { count, dollars, plural, priceTicks } from "../words.js";

const GRPC_PORT = 50051;
const SHOW = "Show what is perceived";
const HIDE = "Hide what is perceived";

export function create() {
  const playground = new Playground();
  return { element: playground.element, open: (query) => playground.open(query) };
}

class Playground {
  #turns = []; // { role, parts } and { role, text, answer }, as request.js reads them
  #running = null; // the AbortController of the answer that is coming
  #shown = []; // { part, view } of the pictures in the conversation
  #perceivers = []; // ids of the models that tell what they perceive
  #perceived = null; // the views that show it, a Set; null while it is not to be shown
  #server = {};

  constructor() {
    this.settings = new Settings();
    this.composer = new Composer();
    this.code = createCodePanel();
    this.trouble = h("div");
    this.turns = h("ol", { class: "turns", "aria-label": "Conversation" });
    this.total = h("p", { class: "total", role: "status" });
    this.sum = h("p", { class: "hint" });
    this.send = button("Send", () => this.#ask(), "primary");
    this.stop = button("Stop", () => this.#running?.abort());
    this.defer = button("Send deferred", () => this.#askLater());
    this.look = button(SHOW, () => this.#togglePerceived());
    this.again = button("New conversation", () => this.#begin());
    const actions = h("div", { class: "row" }, this.send, this.stop, this.defer, this.look, this.again);
    const left = h("div", { class: "talk" }, this.turns, this.sum, this.trouble, this.composer.element, this.total, actions, this.code.element);
    this.element = h("div", { class: "playground" }, h("h1", {}, "Playground"), left, this.settings.element);
    this.settings.addEventListener("change", () => this.#update());
    this.composer.addEventListener("change", () => this.#update());
    this.element.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) this.#ask();
    });
    this.#update();
  }

  async open(query) {
    this.settings.choose(query.get("model")); // at once where the models are known from before
    try {
      const { models } = await read("v1/language-models");
      this.settings.offer(models);
      this.settings.choose(query.get("model"));
      [this.#perceivers, this.#server] = await Promise.all([listPerceivers(), read("./")]);
      this.#update();
    } catch (failure) {
      this.#complain(failure);
    }
  }

  // Bring everything that depends on message and settings up to date.
  #update() {
    const parts = this.composer.parts;
    this.send.disabled = this.defer.disabled = Boolean(this.#running) || !parts.length;
    this.stop.hidden = !this.#running;
    this.again.hidden = !this.#turns.length;
    this.look.hidden = !this.#perceivers.includes(this.settings.chosen?.id) || !this.#pictures.length;
    this.#count();
    this.#perceive();
    this.#showCode(parts);
  }

  // Return every picture on the page with its view.
  get #pictures() {
    return [...this.#shown, ...this.composer.pictures];
  }

  async #count() {
    const { chosen, detail } = this.settings;
    const pictures = this.composer.pictures;
    this.total.textContent = "";
    if (!chosen || !pictures.length) return;
    const rows = await Promise.all(
      pictures.map(async ({ part, view }) => {
        try {
          const row = await countPicture(chosen.id, part.picture, part.detail ?? detail.value);
          view.showPlan(row);
          return row;
        } catch (failure) {
          view.showTrouble(failure);
          return null;
        }
      }),
    );
    if (this.composer.pictures.length !== pictures.length) return; // counted again meanwhile
    const tokens = rows.reduce((sum, row) => sum + (row?.image_tokens ?? 0), 0);
    const cost = dollars(priceTicks(tokens, chosen.prompt_image_token_price));
    this.total.textContent = `${plural(pictures.length, "picture")} · ${count(tokens)} image tokens · ${cost} before any text`;
  }

  #showCode(parts) {
    const values = this.settings.values;
    const asked = parts.length ? [...this.#turns, { role: "user", parts }] : this.#turns.slice(0, this.#turns.findLastIndex((turn) => turn.role === "user") + 1);
    if (!values || !asked.length) return this.code.show(null);
    this.code.show({ settings: values, turns: asked, baseUrl, ...grpcAddress(this.#server) });
  }

  async #ask() {
    const parts = this.composer.parts;
    const values = this.settings.values;
    if (this.#running || !parts.length) return;
    if (!values) return this.settings.complain();
    this.trouble.replaceChildren();
    const turn = { role: "user", parts };
    const answer = new Answer();
    const body = buildBody(values, [...this.#turns, turn]);
    const { element: asked, pictures } = showParts(turn, values);
    const pair = [asked, h("li", { class: "turn assistant" }, h("h2", {}, "Answer"), answer.element)];
    this.turns.append(...pair);
    this.composer.clear();
    this.#running = new AbortController();
    this.#turns.push(turn);
    this.#shown.push(...pictures);
    this.#update();
    pair[1].scrollIntoView({ block: "nearest" });
    const { isWhole, failure } = await this.#run(body, answer);
    this.#running = null;
    if (isWhole || answer.text) {
      this.#turns.push({ role: "assistant", text: answer.text, usage: answer.usage });
    } else {
      this.#turns.pop(); // nothing came: the message is there again, to be changed or sent once more
      this.#shown = this.#shown.filter((one) => !pictures.includes(one));
      pair.forEach((element) => element.remove());
      this.composer.restore(parts);
    }
    if (failure) this.#complain(failure);
    this.#sumUp();
    this.#update();
    this.composer.focus();
  }

  // Send the body and fill the answer; return whether it came whole, and what went wrong if it did.
  async #run(body, answer) {
    const begun = performance.now();
    const ending = { reason: "stopped" };
    let failure = null;
    try {
      const response = await call("POST", "v1/chat/completions", { body, signal: this.#running.signal });
      ending.requestId = response.headers.get("x-request-id");
      ending.serverFirstMs = Number(response.headers.get("x-metrics-ttft-ms"));
      for await (const chunk of body.stream ? readEvents(response) : wholeAnswer(response)) {
        const [choice] = chunk.choices;
        const { content, reasoning_content: reasoning } = choice?.delta ?? choice?.message ?? {};
        if (body.stream && (content || reasoning)) ending.firstMs ??= performance.now() - begun;
        answer.add({ content, reasoning, usage: chunk.usage });
        Object.assign(ending, { model: chunk.model, id: chunk.id });
        if (choice?.finish_reason) ending.reason = choice.finish_reason;
      }
      say(`The answer is complete: ${answer.text}`);
    } catch (error) {
      if (error.name === "AbortError") say("Stopped.");
      else [failure, ending.reason] = [error, "failed"];
    }
    answer.end({ ...ending, totalMs: performance.now() - begun });
    return { isWhole: ending.reason !== "stopped" && !failure, failure };
  }

  async #askLater() {
    const parts = this.composer.parts;
    const values = this.settings.values;
    if (!values) return this.settings.complain();
    this.trouble.replaceChildren();
    this.defer.disabled = true;
    try {
      const body = { ...buildBody(values, [...this.#turns, { role: "user", parts }], { stream: false }), deferred: true };
      const { request_id: id } = await send("v1/chat/completions", body);
      addJob({ id, model: values.model, question: summary(parts) });
      this.composer.clear();
      this.trouble.replaceChildren(
        h("p", { class: "done", role: "status" }, "Accepted. See it on the page ", h("a", { href: "#/deferred" }, "Deferred"), "."),
      );
    } catch (failure) {
      this.#complain(failure);
    }
    this.#update();
  }

  #togglePerceived() {
    for (const view of this.#perceived ?? []) view.showFacts(null);
    this.#perceived = this.#perceived ? null : new Set();
    this.look.textContent = this.#perceived ? HIDE : SHOW;
    this.trouble.replaceChildren();
    this.#perceive();
  }

  // Where it is wanted, show what is perceived in each picture that does not show it yet.
  async #perceive() {
    if (!this.#perceived || this.look.hidden) return;
    const { chosen, detail } = this.settings;
    const views = this.#perceived;
    for (const { part, view } of this.#pictures.filter((one) => !views.has(one.view))) {
      views.add(view);
      try {
        const sheet = await perceive(chosen.id, part.picture, part.detail ?? detail.value);
        if (views !== this.#perceived) return; // hidden meanwhile
        view.showFacts(sheet);
        say(`What was perceived in ${part.picture.name} is shown under it.`);
      } catch (failure) {
        views.delete(view);
        return this.#complain(failure);
      }
    }
  }

  #sumUp() {
    const costs = this.#turns.map((turn) => turn.usage?.cost_in_usd_ticks ?? 0);
    const answers = this.#turns.filter((turn) => turn.role === "assistant").length;
    this.sum.textContent = answers > 1 ? `${plural(answers, "answer")}, ${dollars(costs.reduce((a, b) => a + b, 0))} together` : "";
  }

  #begin() {
    this.#running?.abort();
    this.#turns = [];
    this.#shown = [];
    this.turns.replaceChildren();
    this.trouble.replaceChildren();
    this.#sumUp();
    this.#update();
    this.composer.focus();
  }

  #complain(failure) {
    this.trouble.replaceChildren(failureBox(failure));
  }
}

async function* wholeAnswer(response) {
  yield await response.json();
}

// Return a turn of the user as it is shown in the conversation, and its pictures with their views.
function showParts(turn, { model, detail }) {
  const pictures = [];
  const shown = turn.parts.map((part) => {
    if (part.kind === "text") return h("p", { class: "words" }, part.text);
    const view = createPictureView(part.picture);
    countPicture(model, part.picture, part.detail ?? detail).then(view.showPlan, view.showTrouble);
    pictures.push({ part, view });
    return view.element;
  });
  return { element: h("li", { class: "turn user" }, h("h2", {}, "You"), h("div", { class: "shown" }, shown)), pictures };
}

function summary(parts) {
  const text = parts.filter((part) => part.kind === "text").map((part) => part.text).join(" ");
  const pictures = parts.filter((part) => part.kind === "image").length;
  return [text.slice(0, 120), pictures && plural(pictures, "picture")].filter(Boolean).join(" · ");
}

// Return where the xAI SDK finds this server: what the server says of gRPC, else a guess that the note tells of.
function grpcAddress(server) {
  const { hostname, protocol } = location;
  const host = ["localhost", "127.0.0.1", "[::1]"].includes(hostname) ? "localhost" : hostname;
  const port = server.grpc?.split(":").pop() ?? GRPC_PORT;
  const install = "Put your key into XAI_API_KEY first. pip install xai-sdk";
  const grpcNote = server.grpc
    ? install
    : `${install}. It speaks gRPC, and this server names no gRPC address: the code assumes port ${port}.`;
  return { grpcHost: `${host}:${port}`, grpcIsPlain: protocol === "http:", grpcNote };
}

const button = (text, act, kind = "") => h("button", { type: "button", class: kind, onclick: act }, text);

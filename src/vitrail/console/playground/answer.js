// One answer while it comes and after: its text, what it cost, how long it took, and its ids.

import { copyButton, h } from "../dom.js";
import { count, dollars, duration } from "../words.js";

export class Answer {
  #text = "";
  #usage = null;

  constructor() {
    this.words = h("div", { class: "words" }, h("span", { class: "waiting" }, "Waiting for the first words …"));
    this.thoughts = h("div", { class: "words" });
    this.thinking = h("details", { class: "thinking", hidden: true }, h("summary", {}, "Reasoning"), this.thoughts);
    this.facts = h("dl", { class: "facts-line" });
    this.tools = h("div", { class: "row" });
    this.element = h("div", { class: "answer", "aria-busy": "true" }, this.thinking, this.words, this.facts, this.tools);
  }

  get text() {
    return this.#text;
  }

  get usage() {
    return this.#usage;
  }

  // Add a chunk of the stream, or a whole completion's message as one.
  add({ content = "", reasoning = "", usage = null }) {
    if (reasoning) {
      this.thinking.hidden = false;
      this.thoughts.append(reasoning);
    }
    if (content) {
      if (!this.#text) this.words.replaceChildren();
      this.#text += content;
      this.words.append(content);
    }
    if (usage) this.#usage = usage;
  }

  // Show how it ended: { model, id, requestId, reason, firstMs, totalMs, serverFirstMs, trouble }.
  end(ending) {
    this.element.removeAttribute("aria-busy");
    if (!this.#text) this.words.replaceChildren(h("span", { class: "waiting" }, "No text."));
    this.#indent();
    this.facts.replaceChildren(...this.#rows(ending).map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))));
    this.tools.prepend(copyButton(() => this.#text, "Copy the answer"));
  }

  // Show JSON over several lines; what is copied and sent back stays as it came.
  #indent() {
    if (!/^\s*[{[]/.test(this.#text)) return;
    try {
      this.words.replaceChildren(h("pre", { tabIndex: 0 }, JSON.stringify(JSON.parse(this.#text), null, 2)));
    } catch {
      // not JSON after all: it stays as text
    }
  }

  #rows({ model, id, requestId, reason, firstMs, totalMs, serverFirstMs }) {
    const usage = this.#usage;
    const prompt = usage?.prompt_tokens_details;
    const server = serverFirstMs ? ` (server ${duration(serverFirstMs)})` : "";
    const rows = [
      ["Model", model],
      ["Ended", reason],
      ["First chunk", firstMs && duration(firstMs) + server],
      ["Whole answer", totalMs && duration(totalMs)],
      ["Text tokens", prompt && count(prompt.text_tokens) + (prompt.cached_tokens ? ` (${count(prompt.cached_tokens)} cached)` : "")],
      ["Image tokens", prompt && count(prompt.image_tokens)],
      ["Completion tokens", usage && count(usage.completion_tokens)],
      ["Reasoning tokens", usage?.completion_tokens_details?.reasoning_tokens && count(usage.completion_tokens_details.reasoning_tokens)],
      ["Total tokens", usage && count(usage.total_tokens)],
      ["Cost", usage && dollars(usage.cost_in_usd_ticks ?? 0)],
      ["Request", requestId && h("code", {}, requestId)],
      ["Completion", id && h("code", {}, id)],
    ];
    return rows.filter(([, value]) => value);
  }
}

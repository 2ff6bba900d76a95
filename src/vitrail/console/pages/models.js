// The models that the key may use, with their prices.

import { read } from "../api.js";
import { failureBox, h } from "../dom.js";
import { count, day, fromCents, perMillion } from "../words.js";

export function create() {
  const body = h("div", { "aria-live": "polite" });
  const again = h("button", { type: "button", onclick: () => fill(body) }, "Load again");
  const head = h("div", { class: "heading" }, h("h1", {}, "Models and prices"), again);
  return { element: h("div", { class: "page" }, head, body), open: () => fill(body) };
}

async function fill(body) {
  if (!body.firstChild) body.replaceChildren(h("p", { class: "hint" }, "Loading the models …"));
  try {
    const [language, images] = await Promise.all([read("v1/language-models"), read("v1/image-generation-models")]);
    body.replaceChildren(languageModels(language.models), imageModels(images.models));
  } catch (failure) {
    body.replaceChildren(failureBox(failure));
  }
}

function languageModels(models) {
  if (!models.length) return h("p", { class: "empty" }, "This key may use no language model.");
  const rows = models.map((model) =>
    h(
      "tr",
      {},
      h("th", { scope: "row" }, name(model)),
      h("td", {}, model.input_modalities.join(", ")),
      h("td", { class: "number" }, perMillion(model.prompt_text_token_price)),
      h("td", { class: "number" }, perMillion(model.cached_prompt_text_token_price)),
      h("td", { class: "number" }, perMillion(model.prompt_image_token_price)),
      h("td", { class: "number" }, perMillion(model.completion_text_token_price)),
      h("td", {}, h("code", {}, model.fingerprint), h("div", { class: "hint" }, `${model.owned_by}, ${day(model.created)}`)),
      h("td", {}, h("a", { href: `#/playground?model=${encodeURIComponent(model.id)}` }, `Try ${model.id}`)),
    ),
  );
  const columns = ["Model", "Takes", "Text", "Cached text", "Images", "Completion", "Fingerprint", "Playground"];
  return h(
    "section",
    {},
    h("h2", {}, "Language models"),
    h("p", {}, "Prices in US dollars for a million tokens. An image has (tiles + 1) × 256 tokens, 1,792 at most."),
    table("Language models and their prices", columns, rows),
  );
}

function imageModels(models) {
  if (!models.length) return h("p", { class: "hint" }, "No model of this server generates images.");
  const rows = models.map((model) =>
    h(
      "tr",
      {},
      h("th", { scope: "row" }, name(model)),
      h("td", { class: "number" }, fromCents(model.image_price)),
      h("td", { class: "number" }, count(model.max_prompt_length)),
      h("td", {}, h("code", {}, model.fingerprint)),
    ),
  );
  const columns = ["Model", "An image", "Longest prompt", "Fingerprint"];
  return h("section", {}, h("h2", {}, "Image models"), table("Image models and their prices", columns, rows));
}

function name(model) {
  const aliases = model.aliases.length > 0 && h("div", { class: "hint" }, `also ${model.aliases.join(", ")}`);
  return [h("code", {}, model.id), aliases];
}

function table(caption, columns, rows) {
  const head = h("tr", {}, columns.map((column) => h("th", { scope: "col" }, column)));
  const inside = h("table", {}, h("caption", { class: "unseen" }, caption), h("thead", {}, head), h("tbody", {}, rows));
  return h("div", { class: "wide", role: "region", "aria-label": caption, tabIndex: 0 }, inside);
}

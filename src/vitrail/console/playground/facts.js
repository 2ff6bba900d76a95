// What the embedded engine perceived in a picture: boxes over it, and the same as a list. Asks /v1/perception.

import { read, send } from "../api.js";
import { h, svg } from "../dom.js";
import { imageTokensBody } from "./request.js";

const KINDS = {
  text: "Text",
  object: "Objects",
  face: "Faces",
  code: "Codes",
  label: "Looks like",
  shape: "Shapes",
  bar: "Bars of a chart",
  colour: "Colours",
};

// Return the ids of the models that tell what they perceive; none where the server does not offer it.
export async function listPerceivers() {
  const { models } = await read("v1/perception").catch(() => ({ models: [] }));
  return models;
}

// Return the fact sheet of one picture, as the model would answer from it.
export async function perceive(model, picture, detail) {
  const { data } = await send("v1/perception", imageTokensBody(model, picture, detail));
  return data[0];
}

// Return boxes to lay over the picture; the list next to it says the same in words.
export function drawFacts(sheet) {
  const boxes = sheet.facts.filter((fact) => fact.box);
  const drawn = boxes.flatMap((fact) => {
    const [left, top, right, bottom] = fact.box;
    const place = { x: left, y: top, width: right - left, height: bottom - top };
    const title = svg("title");
    title.textContent = sentence(fact);
    return svg("rect", { class: `fact of-${fact.kind}`, ...place }, title);
  });
  const box = { class: "facts", viewBox: `0 0 ${sheet.width} ${sheet.height}`, preserveAspectRatio: "none", "aria-hidden": "true" };
  return svg("svg", box, ...drawn);
}

export function listFacts(sheet) {
  const groups = Object.entries(KINDS).map(([kind, title]) => {
    const facts = sheet.facts.filter((fact) => fact.kind === kind);
    if (!facts.length) return null;
    const rows = facts.map((fact) => h("li", {}, sentence(fact)));
    return [h("p", { class: "kind" }, h("span", { class: `swatch of-${kind}`, "aria-hidden": "true" }), title), h("ul", {}, rows)];
  });
  const made = sheet.medium === "photo" ? "Taken for a photo." : "Taken for a drawn picture or a document.";
  const empty = !sheet.facts.length && h("p", { class: "hint" }, "Nothing was sure enough to be used.");
  const summary = h("summary", {}, `What was perceived: ${sheet.facts.length}`);
  const inside = [h("p", { class: "hint" }, made), empty, groups];
  const list = h("div", { class: "scroll", role: "group", "aria-label": "What was perceived", tabIndex: 0 }, inside);
  return h("details", { class: "sheet", open: true }, summary, list);
}

const sentence = ({ text, confidence }) => (confidence === null ? text : `${text} (${Math.round(100 * confidence)} %)`);

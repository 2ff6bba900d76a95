// The rate limits that were set for a team, by model: as a table, and as the form that sets those of one.

import { choice, field, h, table } from "../dom.js";
import { limitFields } from "../limits.js";
import { count } from "../words.js";

const OTHERS = "*";

// Return the limits; where none were set, a model's own hold. `change` is what changes them, or nothing.
export function ratesTable(rateLimits, change) {
  const cell = (number) => h("td", { class: "number" }, number ? count(Number(number)) : "");
  const rows = rateLimits.map(({ model, qps, qpm, tpm }) =>
    h("tr", {}, h("th", { scope: "row" }, model === OTHERS ? "All other models" : model), cell(qps), cell(qpm), cell(tpm)),
  );
  const columns = ["Model", "#Requests a second", "#Requests a minute", "#Tokens a minute"];
  const none = h("p", { class: "empty card" }, "None were set for this team: each model's own limits hold.");
  const head = h("div", { class: "heading" }, h("h2", {}, "Rate limits"), change);
  return h("section", {}, head, rows.length ? table("Rate limits", columns, rows) : none);
}

// Return { element, read() }; `models` are those of the server. Limits of one that is gone can be taken away.
export function createRatesForm(models, rateLimits) {
  const served = models.map(({ name }) => name);
  const gone = rateLimits.map(({ model }) => model).filter((name) => name !== OTHERS && !served.includes(name));
  const named = [...served.map((name) => [name, name]), ...gone.map((name) => [name, `${name} (no longer served)`])];
  const limits = limitFields("Limits for each of these models");
  const show = () => limits.show(rateLimits.find((each) => each.model === model.value));
  const model = choice({ [OTHERS]: "All other models", ...Object.fromEntries(named) }, { onchange: show });
  show();
  const hint = "For the whole team, all its keys together. What is left empty is as the model has it.";
  const element = h("div", {}, field("Model", model, hint), limits.element);
  return { element, read: () => ({ model: model.value, ...limits.read() }) };
}

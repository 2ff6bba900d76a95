// The filters of a view: those that hold as chips, and a form for one more whose values are those that occurred.

import { choice, failureBox, field, h } from "../dom.js";
import { nameGroup } from "./report.js";
import { FIELDS, NUMBERS, readFilter, writeFilter } from "./view.js";

const NAMED = { is: "is", "is not": "is not" };
const COMPARED = { ">=": "at least", "<=": "at most" };

export class Filters {
  #view = null;
  #names = new Map(); // "apiKeyId:id" -> the key's name, as far as it was heard of
  #offered = 0; // how often values were asked for; an answer to an earlier question comes too late

  // `onchange` gets the new filters; `ask(field)` returns the series of the range grouped by a field.
  constructor({ onchange, ask }) {
    this.onchange = onchange;
    this.ask = ask;
    this.chips = h("ul", { class: "chips", "aria-label": "Filters" });
    this.of = choice(FIELDS, { onchange: () => this.#offer() });
    this.op = choice(NAMED);
    this.name = h("select", { required: true });
    this.number = h("input", { inputMode: "decimal", required: true, pattern: "\\d+(\\.\\d+)?" });
    this.trouble = h("div");
    const add = h("button", { type: "submit" }, "Add");
    this.nameField = field("Value", this.name);
    this.numberField = field("Number", this.number);
    const fields = h("div", { class: "controls" }, field("Field", this.of), field("Comparison", this.op), this.nameField, this.numberField, add);
    this.form = h("form", {}, fields, this.trouble);
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      const value = this.#isNumber ? this.number.value : this.name.value;
      this.more.open = false;
      this.onchange([...this.#view.filters, writeFilter({ field: this.of.value, op: this.op.value, value })]);
    });
    this.more = h("details", {}, h("summary", {}, "Add a filter"), this.form);
    this.more.addEventListener("toggle", () => this.more.open && this.#offer());
    this.element = h("div", { class: "filters" }, this.chips, this.more);
  }

  show(view) {
    this.#view = view;
    this.chips.hidden = !view.filters.length;
    this.chips.replaceChildren(...view.filters.map((text) => this.#chip(text)));
    const isUnknown = ({ field: of, value } = {}) => of === "apiKeyId" && !this.#names.has(`apiKeyId:${value}`);
    if (view.filters.some((text) => isUnknown(readFilter(text) ?? undefined))) this.#readNames("apiKeyId").catch(() => {});
  }

  get #isNumber() {
    return NUMBERS.includes(this.of.value);
  }

  #chip(text) {
    const said = this.#say(text);
    const drop = () => {
      this.onchange(this.#view.filters.filter((other) => other !== text));
      this.more.querySelector("summary").focus();
    };
    return h("li", { class: "chip" }, said, h("button", { type: "button", class: "icon", "aria-label": `Remove the filter: ${said}`, onclick: drop }, "✕"));
  }

  #say(text) {
    const parts = readFilter(text);
    if (!parts) return text;
    const { field: of, op, value } = parts;
    return `${FIELDS[of]} ${COMPARED[op] ?? op} ${this.#names.get(`${of}:${value}`) ?? nameGroup(of, value, value)}`;
  }

  // Fill in what the chosen field can be compared with.
  async #offer() {
    const of = this.of.value;
    this.nameField.hidden = this.name.disabled = this.#isNumber;
    this.numberField.hidden = this.number.disabled = !this.#isNumber;
    const ops = this.#isNumber ? COMPARED : NAMED;
    if (!(this.op.value in ops)) this.op.replaceChildren(...Object.entries(ops).map(([value, text]) => h("option", { value }, text)));
    this.trouble.replaceChildren();
    if (this.#isNumber) return;
    this.name.replaceChildren(h("option", { value: "", disabled: true, selected: true }, "Loading …"));
    const turn = ++this.#offered;
    try {
      const names = await this.#readNames(of);
      if (turn !== this.#offered) return;
      const options = [...names].map(([value, label]) => h("option", { value }, label));
      this.name.replaceChildren(...(options.length ? options : [h("option", { value: "", disabled: true, selected: true }, "Nothing in this range")]));
    } catch (failure) {
      if (turn === this.#offered) this.trouble.replaceChildren(failureBox(failure));
    }
  }

  // Return value -> name of everything that occurred in a field; the names of keys on chips become known by it.
  async #readNames(of) {
    const series = await this.ask(of);
    const names = new Map(series.map(({ group: [id], groupLabels: [label] }) => [id, nameGroup(of, id, label)]));
    let isNews = false;
    for (const [id, label] of names) {
      isNews ||= !this.#names.has(`${of}:${id}`);
      this.#names.set(`${of}:${id}`, label);
    }
    if (isNews && this.#view.filters.length) this.chips.replaceChildren(...this.#view.filters.map((text) => this.#chip(text)));
    return names;
  }
}

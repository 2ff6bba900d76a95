// How to ask: model, detail, temperature, format and the rest, as a form. Sends `change`.

import { field, h } from "../dom.js";

const NARROW = "(max-width: 60rem)"; // as in style.css
const EXAMPLE = {
  type: "object",
  properties: { answer: { type: "string" }, numbers: { type: "array", items: { type: "number" } } },
  required: ["answer", "numbers"],
  additionalProperties: false,
};

export class Settings extends EventTarget {
  #names = new Map(); // name or alias -> model

  constructor() {
    super();
    this.model = h("select", { required: true });
    this.detail = select({ auto: "auto (as high)", high: "high: up to 6 tiles", low: "low: overview only" });
    this.temperature = h("input", { type: "number", min: 0, max: 2, step: 0.1, placeholder: "1" });
    this.format = select({ text: "Text", json_object: "A JSON object", json_schema: "JSON of a schema" });
    this.schemaName = h("input", { value: "answer", pattern: "[\\w\\-]{1,64}", required: true });
    this.schema = h("textarea", { rows: 10, class: "mono", value: JSON.stringify(EXAMPLE, null, 2), required: true });
    this.stream = h("input", { type: "checkbox", checked: true });
    this.system = h("textarea", { rows: 3, placeholder: "Instructions before the conversation" });
    this.maxTokens = h("input", { type: "number", min: 1, step: 1, placeholder: "the model's own limit" });
    this.seed = h("input", { type: "number", step: 1, placeholder: "random" });
    this.ofSchema = h("div", {}, field("Name of the schema", this.schemaName), field("JSON Schema", this.schema));
    const more = h(
      "details",
      {},
      h("summary", {}, "More"),
      field("System message", this.system),
      field("Most completion tokens", this.maxTokens),
      field("Seed", this.seed, "The same seed asks for the same answer, as far as the engine can."),
    );
    const fields = [
      field("Model", this.model),
      field("Detail of pictures", this.detail, "Each picture can have its own."),
      field("Temperature", this.temperature, "0 to 2. Not sent when empty."),
      field("Answer as", this.format),
      this.ofSchema,
      h("label", { class: "check" }, this.stream, " Stream the answer"),
      more,
    ];
    const isOpen = !matchMedia(NARROW).matches; // a phone shows the message first
    const inside = h("details", { open: isOpen }, h("summary", {}, h("h2", {}, "Settings")), fields);
    this.element = h("form", { class: "settings card", "aria-label": "Settings" }, inside);
    this.element.addEventListener("input", () => this.#changed());
    this.element.addEventListener("submit", (event) => event.preventDefault());
    this.#changed();
  }

  // Offer the models of /v1/language-models under their ids and aliases.
  offer(models) {
    const chosen = this.model.value;
    this.#names = new Map(models.flatMap((model) => [model.id, ...model.aliases].map((name) => [name, model])));
    const groups = models.map((model) => {
      const names = [model.id, ...model.aliases].map((name) => h("option", { value: name }, name));
      const takes = model.input_modalities.includes("image") ? "" : " (text only)";
      return h("optgroup", { label: model.id + takes }, names);
    });
    this.model.replaceChildren(...groups);
    this.choose(chosen);
  }

  // Choose a model by a name that is offered; another name changes nothing.
  choose(name) {
    if (this.#names.has(name)) this.model.value = name;
    this.#changed();
  }

  // Return the row of the chosen model, or undefined while there is none.
  get chosen() {
    return this.#names.get(this.model.value);
  }

  // Return the settings as request.js reads them, or null when a field has something that cannot be sent.
  get values() {
    if (!this.element.checkValidity()) return null;
    return {
      model: this.model.value,
      detail: this.detail.value,
      temperature: number(this.temperature),
      format: this.format.value,
      schemaName: this.schemaName.value,
      schema: this.format.value === "json_schema" ? JSON.parse(this.schema.value) : null,
      stream: this.stream.checked,
      system: this.system.value.trim(),
      maxTokens: number(this.maxTokens),
      seed: number(this.seed),
    };
  }

  // Show what is wrong, where it is wrong.
  complain() {
    for (const part of this.element.querySelectorAll("details:has(:invalid)")) part.open = true;
    this.element.reportValidity();
  }

  #changed() {
    const hasSchema = this.format.value === "json_schema";
    this.ofSchema.hidden = !hasSchema;
    this.schemaName.disabled = this.schema.disabled = !hasSchema;
    this.schema.setCustomValidity(hasSchema ? schemaTrouble(this.schema.value) : "");
    this.dispatchEvent(new Event("change"));
  }
}

function schemaTrouble(text) {
  try {
    const schema = JSON.parse(text);
    return schema && typeof schema === "object" && !Array.isArray(schema) ? "" : "The schema must be a JSON object.";
  } catch (error) {
    return `This is no JSON: ${error.message}`;
  }
}

const number = (input) => (input.value === "" ? null : input.valueAsNumber);

const select = (names) => h("select", {}, Object.entries(names).map(([value, text]) => h("option", { value }, text)));

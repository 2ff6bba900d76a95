// Rate limits in a form, as keys and teams have them; a field that is left empty is no limit.

import { field, h } from "./dom.js";

// Return { element, show(limits), read() }; limits are { qps, qpm, tpm } of the API.
export function limitFields(title) {
  const input = () => h("input", { type: "number", min: 1, max: 2 ** 31 - 1, step: 1, placeholder: "none" });
  const [qps, qpm, tpm] = [input(), input(), input()];
  const fields = [field("Requests a second", qps), field("Requests a minute", qpm), field("Tokens a minute", tpm)];
  const number = ({ value, valueAsNumber }) => (value === "" ? null : valueAsNumber);
  return {
    element: h("fieldset", {}, h("legend", {}, title), h("div", { class: "controls" }, fields)),
    show: (limits) => [qps.value, qpm.value, tpm.value] = [limits?.qps ?? "", limits?.qpm ?? "", limits?.tpm ?? ""],
    read: () => ({ qps: number(qps), qpm: number(qpm), tpm: tpm.value || null }), // a 64-bit number goes as text
  };
}

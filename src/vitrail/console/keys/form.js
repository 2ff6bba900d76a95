// What a key is to be, as a form: its name, which models and endpoints it may use, its limits and its end.

import { field, h, newId } from "../dom.js";
import { limitFields } from "../limits.js";

const ANY = { model: "api-key:model:*", endpoint: "api-key:endpoint:*" };
const FIELD_MASK = "name,acls,qps,qpm,tpm,expireTime";

// Return { element, read() }; `targets` are { models, endpoints } that ACLs can name, `key` is a key as it is now or null.
export function createKeyForm(targets, key) {
  const name = h("input", { required: true, maxLength: 200, value: key?.name ?? "", autocomplete: "off" });
  const models = chooseTargets("Models", ANY.model, "All models, also those to come", targets.models, key?.aclStrings);
  const endpoints = chooseTargets("Endpoints", ANY.endpoint, "All endpoints", targets.endpoints, key?.aclStrings);
  const limits = limitFields("Limits");
  limits.show(key);
  const expires = h("input", { type: "datetime-local", value: key?.expireTime ? toLocal(key.expireTime) : "" });
  const element = h(
    "div",
    {},
    field("Name", name, "What the key is for."),
    models.element,
    endpoints.element,
    limits.element,
    field("Works until", expires, "In your own time zone. Left empty, the key does not expire."),
  );
  return {
    element,
    read: () => ({
      name: name.value.trim(),
      acls: [...models.read(), ...endpoints.read()],
      ...limits.read(),
      expireTime: expires.value ? new Date(expires.value).toISOString() : null,
    }),
  };
}

// Return the body of the request that changes a key to what a form says.
export const changeBody = (values) => ({ apiKey: values, fieldMask: FIELD_MASK });

// Return a group of check boxes: all, or some of them. ACLs that name nothing known are kept and shown as they are.
function chooseTargets(title, any, anyTitle, targets, acls) {
  const kind = any.slice(0, -1);
  const held = (acls ?? [any]).filter((acl) => acl.startsWith(kind));
  const known = new Set([any, ...targets.map((target) => target.acl)]);
  const others = held.filter((acl) => !known.has(acl)).map((acl) => ({ name: acl.slice(kind.length), acl, aliases: [], isOdd: true }));
  const all = h("input", { type: "checkbox", checked: held.includes(any) });
  const boxes = [...targets, ...others].map((target) => ({ target, box: h("input", { type: "checkbox", checked: held.includes(target.acl) }) }));
  const trouble = h("p", { class: "trouble", id: newId("trouble") });
  const check = () => {
    for (const { box } of boxes) box.disabled = all.checked;
    const isNone = !all.checked && !boxes.some(({ box }) => box.checked);
    all.setCustomValidity(isNone ? `Choose at least one: without it the key can do nothing.` : "");
    trouble.textContent = isNone ? "Choose at least one." : "";
  };
  const lines = boxes.map(({ target, box }) => h("label", { class: "check" }, box, h("span", {}, target.name, hint(target))));
  const element = h("fieldset", { onchange: check }, h("legend", {}, title), h("label", { class: "check" }, all, anyTitle), lines, trouble);
  check();
  return { element, read: () => (all.checked ? [any] : boxes.filter(({ box }) => box.checked).map(({ target }) => target.acl)) };
}

function hint({ aliases, isOdd }) {
  const said = isOdd ? "an alias, or nothing of this server" : aliases.length > 0 && `also ${aliases.join(", ")}`;
  return said && h("span", { class: "hint" }, ` ${said}`);
}

// Return an instant as a datetime-local field has it.
function toLocal(instant) {
  const time = new Date(instant);
  return new Date(time - time.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

// A question in front of the page: a form with what it asks, which closes once its work was done.

import { failureBox, h, newId } from "./dom.js";

// Open a dialog; resolves with what `act()` returned, or with undefined if it was left. A failure is shown in it.
// `canLeave: false` offers no other way than the button.
export function openDialog({ title, body = [], confirm, act = () => true, isDanger = false, canLeave = true }) {
  const heading = h("h2", { id: newId("dialog") }, title);
  const trouble = h("div");
  const go = h("button", { type: "submit", class: isDanger ? "danger" : "primary" }, confirm);
  const leave = canLeave && h("button", { type: "button", onclick: () => dialog.close() }, "Cancel");
  const form = h("form", {}, heading, body, trouble, h("div", { class: "row" }, go, leave));
  const dialog = h("dialog", { class: "card", "aria-labelledby": heading.id }, form);
  if (!canLeave) dialog.setAttribute("closedby", "none");
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((resolve) => {
    let result;
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      trouble.replaceChildren();
      go.disabled = true;
      try {
        result = await act();
        dialog.close();
      } catch (failure) {
        trouble.replaceChildren(failureBox(failure));
      } finally {
        go.disabled = false;
      }
    });
    dialog.addEventListener("close", () => {
      dialog.remove(); // and with it whatever was shown or typed there
      resolve(result);
    });
  });
}

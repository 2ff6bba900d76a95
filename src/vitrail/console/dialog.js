// A question in front of the page: a form with what it asks, which closes once its work was done.

import { failureBox, h, newId } from "./dom.js";

// Open a dialog; resolves with what `act()` returned, or with undefined if it was left. A failure is shown in it.
// `canLeave: false` offers no other way than the button.
export function openDialog({ title, body = [], confirm, act = () => true, isDanger = false, canLeave = true }) {
  const heading = h("h2", { id: newId("dialog") }, title);
  const trouble = h("div");
  const go = h("button", { type: "submit", class: isDanger ? "danger" : "primary" }, confirm);
  const leave = h("button", { type: "button", hidden: !canLeave, onclick: () => shut() }, "Cancel");
  const form = h("form", {}, heading, body, trouble, h("div", { class: "row" }, go, leave));
  const dialog = h("dialog", { class: "card", "aria-labelledby": heading.id }, form);
  const shut = () => {
    dialog.close();
    dialog.remove(); // and with it whatever was shown or typed there
  };
  const hold = (isHeld) => {
    go.disabled = leave.disabled = isHeld;
    dialog.setAttribute("closedby", isHeld || !canLeave ? "none" : "closerequest");
  };
  dialog.addEventListener("cancel", (event) => {
    if (!canLeave || go.disabled) event.preventDefault(); // where browsers know nothing of closedby
  });
  hold(false);
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((resolve) => {
    let result;
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      trouble.replaceChildren();
      hold(true); // what was sent may be done: whoever left now would not see the secret of a key
      try {
        result = await act();
        shut();
      } catch (failure) {
        trouble.replaceChildren(failureBox(failure));
      } finally {
        hold(false);
      }
    });
    dialog.addEventListener("close", () => {
      dialog.remove(); // left with Escape
      resolve(result);
    });
  });
}

// Every change of the prepaid credits, newest first, a page at a time.

import { h, say, table } from "../dom.js";
import { readManaged } from "../management.js";
import { moment, plural } from "../words.js";
import { show } from "./amounts.js";

const PAGE_ROWS = 20;
const ORIGINS = { PURCHASE: "Top-up", SPEND: "Spent", REFUND: "Refund", MANUAL: "Correction" };

export class Changes {
  #money = "";
  #rows = [];
  #next = null;

  constructor(onfailure) {
    this.body = h("div");
    this.more = h("button", { type: "button", onclick: () => this.#readOn().catch(onfailure) }, "Older changes");
    this.element = h("section", {}, h("h2", {}, "Changes of the prepaid credits"), this.body, this.more);
  }

  // Read the balance of a team with its newest changes; `money` is the team's path.
  async read(money, after) {
    const query = new URLSearchParams({ pageSize: PAGE_ROWS, ...(after && { paginationToken: after }) });
    return { money, ...(await readManaged(`${money}/prepaid/balance?${query}`)) };
  }

  show({ money, changes, paginationToken = null }) {
    this.#money = money;
    this.#rows = changes;
    this.#next = paginationToken;
    this.#draw();
  }

  async #readOn() {
    const page = await this.read(this.#money, this.#next);
    if (page.money !== this.#money) return; // another team meanwhile
    this.#rows = [...this.#rows, ...page.changes];
    this.#next = page.paginationToken ?? null;
    this.#draw();
    say(`${plural(page.changes.length, "older change")}.`);
    if (!this.#next) this.body.querySelector(".wide").focus(); // the button that had the focus is gone
  }

  #draw() {
    this.more.hidden = !this.#next;
    const rows = this.#rows.map((change) =>
      h(
        "tr",
        {},
        h("th", { scope: "row" }, moment(change.createTime)),
        h("td", {}, ORIGINS[change.changeOrigin] ?? change.changeOrigin),
        h("td", { class: "number" }, show(change.amount, -1)),
        h("td", {}, change.note),
        h("td", {}, change.requestId && h("code", {}, change.requestId)),
      ),
    );
    const empty = h("p", { class: "empty card" }, "There are no prepaid credits, and there never were.");
    this.body.replaceChildren(rows.length ? table("Changes of the prepaid credits", ["When", "What", "#Amount", "Note", "Request"], rows) : empty);
  }
}

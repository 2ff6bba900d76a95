// Cost, tokens or requests of a team over time. The address is the whole view: every control changes it, and it is drawn from it.

import { choice, copyButton, failureBox, field, h, newId, say, table } from "../dom.js";
import { NO_TEAM, TeamChooser, changeManaged, moneyOf } from "../management.js";
import { Chart } from "../usage/chart.js";
import { Filters } from "../usage/filters.js";
import { readReport, stack, writeCsv } from "../usage/report.js";
import { SPANS, UNITS, fittingUnits, isDay, listZones, namer, rangeOf, shiftDay } from "../usage/times.js";
import { GROUPS, MEASURES, askFor, parseView, writeView } from "../usage/view.js";
import { count, plural } from "../words.js";

const titles = (names) => Object.fromEntries(Object.entries(names).map(([name, { title }]) => [name, title]));

export function create() {
  const page = new UsagePage();
  return { element: page.element, open: (query) => page.open(query) };
}

class UsagePage {
  #view = null;
  #loading = null; // the AbortController of the questions that are on their way
  #report = null;

  constructor() {
    const change = () => this.#change();
    this.team = new TeamChooser((team) => this.#go({ ...this.#view, team, filters: [] }));
    this.show = choice(titles(MEASURES), { onchange: change });
    this.by = choice(GROUPS, { onchange: change });
    this.per = choice(titles(UNITS), { onchange: change });
    this.last = choice(SPANS, { onchange: change });
    this.from = h("input", { type: "date", required: true, onchange: () => this.#changeDays() });
    this.to = h("input", { type: "date", required: true, onchange: () => this.#changeDays() });
    const zones = h("datalist", { id: newId("zones") }, listZones().map((name) => h("option", { value: name })));
    this.zone = h("input", { required: true, spellcheck: false, autocomplete: "off", onchange: change });
    this.zone.setAttribute("list", zones.id);
    this.filters = new Filters({ onchange: (filters) => this.#go({ ...this.#view, filters }), ask: (by) => this.#askNames(by) });
    const what = [field("Show", this.show), field("Stacked by", this.by), field("A bar for each", this.per), field("Range", this.last)];
    const fields = [this.team.element, ...what, field("From", this.from), field("To, with this day", this.to), field("Time zone", this.zone), zones];
    this.controls = h("form", { class: "controls", "aria-label": "View", onsubmit: (event) => event.preventDefault() }, fields);
    this.chart = new Chart();
    this.state = h("div", { "aria-live": "polite" });
    this.totals = h("dl", { class: "totals" });
    this.tables = h("div");
    this.csv = h("button", { type: "button", class: "small", onclick: () => this.#download() }, "Download CSV");
    this.tools = h("div", { class: "row" }, copyButton(() => location.href, "Copy the link to this view"), this.csv);
    this.body = h("section", { "aria-label": "Usage of this view", hidden: true }, this.totals, this.chart.element, this.tables);
    const head = h("div", { class: "heading" }, h("h1", {}, "Usage"), this.tools);
    this.element = h("div", { class: "page" }, head, h("div", { class: "card" }, this.controls, this.filters.element), this.state, this.body);
  }

  // Draw the view of an address; one without a view is the one that was last seen here.
  async open(query) {
    if (!query.size && this.#view) return this.#go(this.#view, { isSame: true });
    const view = parseView(query);
    const address = location.hash;
    this.#loading?.abort();
    const { signal } = (this.#loading = new AbortController());
    // Controls that say so already are left alone: somebody may be writing in one.
    if (this.#view && writeView(view) === writeView(this.#view)) this.#view = view;
    else this.#fill(view); // before anything is waited for: what is changed meanwhile must not be undone
    this.#busy(true);
    try {
      const team = await this.team.load(view.team);
      if (signal.aborted || location.hash !== address) return; // another view was asked for: its address stays
      view.team ??= team?.teamId ?? null;
      history.replaceState(null, "", `#/usage?${writeView(view)}`); // as it is understood
      if (!team) throw NO_TEAM;
      const path = `${moneyOf(team)}/usage`;
      const ask = (options) => changeManaged("POST", path, askFor(view, options), { signal });
      const all = ask({ by: "none" });
      const [grouped, whole] = await Promise.all([view.by === "none" ? all : ask(), all]);
      this.#draw(view, readReport(view, grouped, whole));
    } catch (failure) {
      if (failure.name === "AbortError") return; // another view was asked for
      this.body.hidden = true;
      this.csv.disabled = true;
      const again = h("button", { type: "button", onclick: () => this.open(new URLSearchParams(writeView(view))) }, "Try again");
      this.state.replaceChildren(failureBox(failure), again);
    }
    this.#busy(false);
  }

  #busy(isBusy) {
    this.element.ariaBusy = String(isBusy);
    this.body.classList.toggle("stale", isBusy);
    if (isBusy && this.body.hidden) this.state.replaceChildren(h("p", { class: "hint" }, "Loading the usage …"));
  }

  // Go to the address of a view.
  #go(view, { isSame = false } = {}) {
    this.#fill(view);
    this.#busy(true);
    const address = `#/usage?${writeView(view)}`;
    if (isSame) history.replaceState(null, "", address);
    if (isSame || location.hash === address) this.open(new URLSearchParams(writeView(view)));
    else location.hash = address;
  }

  #change() {
    const { start, end } = rangeOf(this.#view);
    const days = this.last.value === "days" && { from: start.slice(0, 10), to: lastDay(end) };
    const [show, by, per, last] = [this.show, this.by, this.per, this.last].map((select) => select.value);
    this.#go({ ...this.#view, show, by, per, last, zone: this.zone.value.trim(), ...days });
  }

  #changeDays() {
    const [from, to] = [this.from.value, this.to.value];
    this.to.setCustomValidity(isDay(from) && isDay(to) && from > to ? "The last day is before the first." : "");
    if (this.controls.reportValidity()) this.#go({ ...this.#view, last: "days", from, to });
  }

  // Set every control to what the view says.
  #fill(view) {
    this.#view = view;
    for (const name of ["show", "by", "per", "last", "zone"]) this[name].value = view[name];
    const range = rangeOf(view);
    this.from.value = range.start.slice(0, 10);
    this.to.value = lastDay(range.end);
    this.to.setCustomValidity("");
    const units = fittingUnits(range);
    for (const option of this.per.options) option.disabled = !units.includes(option.value);
    this.filters.show(view);
  }

  // Return the series of the range by another field and without filters, for the values of a filter.
  async #askNames(by) {
    const view = this.#view;
    const body = askFor(view, { by, unit: "TIME_UNIT_NONE", filters: [] });
    return (await changeManaged("POST", `${moneyOf({ teamId: view.team })}/usage`, body)).timeSeries;
  }

  #draw(view, report) {
    this.#report = report;
    const measure = MEASURES[view.show];
    const { sum, points } = report.total;
    const isEmpty = !Object.values(sum).some(Boolean);
    this.csv.disabled = isEmpty;
    this.body.hidden = false; // before the chart asks for its width
    this.totals.replaceChildren(...Object.entries(MEASURES).map(([name, { title, show }]) => h("div", {}, h("dt", {}, title), h("dd", {}, show(sum[name])))));
    const layers = stack(report, view.show);
    const names = namer(view.per, view.zone);
    this.chart.element.hidden = !layers.length;
    this.state.replaceChildren();
    this.tables.replaceChildren();
    if (isEmpty) {
      this.state.append(h("p", { class: "empty card" }, emptyWords(view)));
      return say("No usage in this view.");
    }
    const highest = points.reduce((best, point, at) => (point[view.show] > points[best][view.show] ? at : best), 0);
    const summary =
      `${measure.title} by ${view.per}${view.by === "none" ? "" : `, stacked by ${inSentence(GROUPS[view.by])}`}: ${measure.show(sum[view.show])} in all, ` +
      `most with ${measure.show(points[highest][view.show])} at ${names.long(report.starts[highest])}. The tables below have every number.`;
    if (layers.length) this.chart.show({ starts: report.starts, layers, names, measure, summary });
    this.tables.append(...notes(view, report), groupTable(view, report), timeTable(view, report, layers, names));
    say(`${measure.title}: ${measure.show(sum[view.show])} in all.`);
  }

  #download() {
    const { start, end } = rangeOf(this.#view);
    const href = URL.createObjectURL(new Blob([writeCsv(this.#view, this.#report)], { type: "text/csv" }));
    h("a", { href, download: `usage-${start.slice(0, 10)}-${lastDay(end)}.csv` }).click();
    setTimeout(() => URL.revokeObjectURL(href), 10_000);
  }
}

const inSentence = (title) => title.replace(/^[A-Z](?=[a-z])/, (letter) => letter.toLowerCase());

// The day that an end which is not part of the range is in, or ends.
const lastDay = (end) => (end.endsWith("00:00:00") ? shiftDay(end.slice(0, 10), -1) : end.slice(0, 10));

function emptyWords({ filters }) {
  const what = "Nothing was used in this range";
  return filters.length ? `${what} that all filters let through.` : `${what}. Ask for a longer one, or ask a model something first.`;
}

function notes(view, { limitReached }) {
  const said = [
    limitReached && "There are more groups than an answer holds: the smallest are left out of bars and tables, the totals have them.",
    view.by === "tokenType" && view.show === "requests" && "A request has several token types, so the bars are higher than the number of requests.",
  ];
  return said.filter(Boolean).map((text) => h("p", { class: "hint" }, text));
}

function groupTable(view, { series, total }) {
  const caption = view.by === "none" ? "Totals of the range" : `Totals of the range by ${inSentence(GROUPS[view.by])}`;
  const row = ({ label, sum }, kind) =>
    h("tr", { class: kind }, h("th", { scope: "row" }, label), Object.entries(MEASURES).map(([name, { show }]) => h("td", { class: "number" }, show(sum[name]))));
  const rows = [...(view.by === "none" ? [] : series.map((one) => row(one))), row(total, "sum")];
  const columns = [GROUPS[view.by === "none" ? "model" : view.by], ...Object.values(MEASURES).map(({ title }) => `#${title}`)];
  if (view.by === "none") columns[0] = "Of";
  return h("section", {}, h("h2", {}, caption), table(caption, columns, rows));
}

function timeTable(view, { starts, total }, layers, names) {
  const { title, show } = MEASURES[view.show];
  const caption = `${title} by ${view.per}`;
  const used = starts.map((start, at) => [start, at]).filter(([, at]) => Object.values(total.points[at]).some(Boolean));
  const rows = used.map(([start, at]) => {
    const cells = [...layers.map(({ values }) => values[at]), total.points[at][view.show]];
    return h("tr", {}, h("th", { scope: "row" }, names.long(start)), cells.map((value) => h("td", { class: "number" }, show(value))));
  });
  const left = starts.length - used.length;
  const hint = left > 0 && h("p", { class: "hint" }, `${plural(left, view.per)} of ${count(starts.length)} without usage: not in this table.`);
  const columns = [UNITS[view.per].title, ...layers.map(({ label }) => `#${label}`), "#Total"];
  return h("section", { class: "tall" }, h("h2", {}, caption), hint, table(caption, columns, rows));
}

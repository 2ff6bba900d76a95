// Two answers of the usage route, one by groups and one of all together, become what the chart, the tables and the CSV show.
//
// A point is { cost, tokens, requests }. Sums of groups are not taken for totals: a request has several token types, and
// the smallest groups of a long answer are left out of it.

import { MEASURES, TYPES } from "./view.js";

const MOST_STACKED = 7;
const NAMES = Object.keys(MEASURES);

// Return { starts, series, total, limitReached }; a series is { id, label, points, sum }, and so is the total.
export function readReport(view, grouped, whole) {
  const order = [view.show, ...NAMES.filter((name) => name !== view.show)]; // as askFor has them
  const read = (series, id, label) => {
    const points = series.dataPoints.map(({ values }) => Object.fromEntries(order.map((name, at) => [name, values[at]])));
    const sum = Object.fromEntries(NAMES.map((name) => [name, points.reduce((total, point) => total + point[name], 0)]));
    return { id, label, points, sum };
  };
  const [all] = whole.timeSeries;
  return {
    starts: all.dataPoints.map((point) => new Date(point.timestamp)),
    series: withOwnLabels(grouped.timeSeries.map((one) => read(one, one.group[0] ?? "", nameGroup(view.by, one.group[0], one.groupLabels[0])))),
    total: read(all, "", "Total"),
    limitReached: grouped.limitReached,
  };
}

// Return the bars' layers from the ground up: [{ label, values }], the largest first and the rest as one.
export function stack({ series }, measure) {
  const shown = series.filter((one) => one.sum[measure] > 0);
  const layers = shown.slice(0, MOST_STACKED).map((one) => ({ label: one.label, values: one.points.map((point) => point[measure]) }));
  const rest = shown.slice(MOST_STACKED);
  if (!rest.length) return layers;
  const values = layers[0].values.map((_, at) => rest.reduce((sum, one) => sum + one.points[at][measure], 0));
  return [...layers, { label: `${rest.length} more`, values }];
}

export const nameGroup = (by, id, label) => (by === "none" ? "All" : (by === "tokenType" ? TYPES[id] : label) || id || "unknown");

// Return the report as CSV: a line for every bar and group, with times in UTC and plain numbers.
export function writeCsv(view, { starts, series }) {
  const head = ["start", view.by === "none" ? "group" : view.by, "name", "cost_usd", "tokens", "requests"];
  const lines = starts.flatMap((start, at) =>
    series.map(({ id, label, points: { [at]: point } }) => [
      ...[start.toISOString(), word(id), word(label)],
      ...[plain(point.cost), point.tokens, point.requests],
    ]),
  );
  return [head, ...lines].map((line) => `${line.join(",")}\r\n`).join("");
}

// A name that a spreadsheet would take for a formula is made text.
const word = (text) => `"${text.replace(/^[=+\-@\t\r]/, "'$&").replaceAll('"', '""')}"`;
const plain = (usd) => usd.toFixed(10).replace(/\.?0+$/, "");

// Keys may have one name; then their ids tell them apart.
function withOwnLabels(series) {
  const times = Map.groupBy(series, (one) => one.label);
  return series.map((one) => (times.get(one.label).length > 1 ? { ...one, label: `${one.label} (${one.id.slice(0, 8)})` } : one));
}

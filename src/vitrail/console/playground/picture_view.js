// One picture as the model gets it: upright, its tile grid over it, its size and tokens under it; and, where the server
// tells, what was perceived.

import { h, svg } from "../dom.js";
import { count } from "../words.js";
import { drawFacts, listFacts } from "./facts.js";

const TILE = 448;
const ORIENTATIONS = {
  2: "stored mirrored",
  3: "stored upside down",
  4: "stored mirrored and upside down",
  5: "stored mirrored and on its side",
  6: "stored on its side",
  7: "stored mirrored and on its side",
  8: "stored on its side",
};

// Return { element, showPlan(row), showTrouble(failure), showFacts(sheet or null) }; a row is one of /v1/image-tokens.
export function createPictureView(picture) {
  const image = h("img", { src: picture.shown, alt: picture.name, referrerPolicy: "no-referrer" });
  const stage = h("div", { class: "stage" }, image);
  const frame = h("div", { class: "frame" }, stage);
  const plan = h("p", { class: "hint plan" }, "Counting …");
  const perceived = h("div");
  const note = picture.note && h("p", { class: "hint" }, picture.note);
  const caption = h("figcaption", {}, h("strong", { class: "name" }, picture.name), plan, note, perceived);
  image.addEventListener("error", () => {
    frame.classList.add("unshown");
    image.alt = `${picture.name} cannot be loaded by this browser; the server fetches it by itself`;
  });
  return {
    element: h("figure", { class: "picture" }, frame, caption),
    showPlan(row) {
      plan.className = "hint plan";
      plan.textContent = describe(row);
      fit(frame, stage, row);
      frame.querySelector(".grid")?.remove();
      frame.append(drawGrid(row));
    },
    showTrouble(failure) {
      plan.className = "plan trouble";
      plan.textContent = failure.message.replace(/ \(at messages\S+\)/, ""); // the place in a request made to ask
      frame.querySelector(".grid")?.remove();
    },
    showFacts(sheet) {
      stage.querySelector(".facts")?.remove();
      frame.classList.toggle("perceived", Boolean(sheet));
      if (sheet) stage.append(drawFacts(sheet));
      perceived.replaceChildren(...(sheet ? [listFacts(sheet)] : []));
    },
  };
}

function describe({ format, width, height, orientation, columns, rows, tiles, image_tokens: tokens }) {
  const shape = width === height ? "square" : width > height ? "landscape" : "portrait";
  const turned = orientation > 1 && `${ORIENTATIONS[orientation]} (EXIF ${orientation}), counted upright`;
  const grid = tiles ? `${columns} × ${rows} ${tiles === 1 ? "tile" : "tiles"} + overview` : "overview only";
  const facts = [`${format.toUpperCase()} ${width} × ${height} px`, shape, turned, grid, `${count(tokens)} tokens`];
  return facts.filter(Boolean).join(" · ");
}

// Give the frame the shape of the grid, and the picture its share of it: what is left over is paid for and empty.
function fit(frame, stage, row) {
  const [across, down] = gridSize(row);
  frame.style.setProperty("--across", across);
  frame.style.setProperty("--down", down);
  stage.style.setProperty("width", `${(100 * row.fitted_width) / across}%`);
  stage.style.setProperty("height", `${(100 * row.fitted_height) / down}%`);
  frame.classList.add("fitted");
}

const gridSize = ({ columns, rows, fitted_width: width, fitted_height: height }) =>
  columns ? [columns * TILE, rows * TILE] : [width, height];

// Every line is drawn dark and then light, so that it is seen on any picture.
function drawGrid(row) {
  const [across, down] = gridSize(row);
  const draw = (kind) => {
    const lines = [svg("rect", { class: kind, x: 0, y: 0, width: across, height: down })];
    const add = (x1, y1, x2, y2) => lines.push(svg("line", { class: kind, x1, y1, x2, y2 }));
    for (let column = 1; column < row.columns; column++) add(column * TILE, 0, column * TILE, down);
    for (let at = 1; at < row.rows; at++) add(0, at * TILE, across, at * TILE);
    return lines;
  };
  const box = { class: "grid", viewBox: `0 0 ${across} ${down}`, preserveAspectRatio: "none", "aria-hidden": "true" };
  return svg("svg", box, ...draw("dark"), ...draw("light"));
}

// Beside the views: the legend of statuses, the histogram with its brush, and what is known of a point.

import { writeCommand } from "./base.js";
import { MAPS, greyImage } from "./colours.js";
import { savePng } from "./view-png.js";
import { shown } from "./view-words.js";

const byId = (id) => document.getElementById(id);
const make = (name, facts = {}) => Object.assign(document.createElement(name), facts);

export class Panel {
  constructor(page) {
    this.page = page;
    byId("step").addEventListener("input", () => page.toStep(Number(byId("step").value)));
    byId("field").addEventListener("change", () => page.toField(byId("field").value));
    for (const id of ["map", "under"]) byId(id).addEventListener("change", () => page.set({ [id]: byId(id).value }));
    byId("opacity").addEventListener("input", () => page.set({ opacity: Number(byId("opacity").value) }));
    byId("share").addEventListener("change", () => page.set({ share: byId("share").value, hand: page.range() }));
    for (const id of ["low", "high"]) byId(id).addEventListener("change", () => this.byHand());
    for (const id of ["from", "to"]) byId(id).addEventListener("change", () => this.typedBrush());
    byId("all").addEventListener("click", () => page.set({ brush: null }));
    byId("png").addEventListener("click", () => savePng(page));
    byId("copy").addEventListener("click", () => navigator.clipboard && navigator.clipboard.writeText(byId("paraview").textContent));
    for (const id of ["help", "close-keys"]) byId(id).addEventListener("click", () => page.help());
    this.listen();
    new ResizeObserver(() => this.histogram()).observe(byId("histogram"));
  }

  byHand() {
    const values = ["low", "high"].map((id) => Number(byId(id).value));
    if (values.every(Number.isFinite) && values[0] < values[1]) this.page.set({ share: "hand", hand: values });
    else this.page.say("colours begin below where they end");
  }

  typedBrush() {
    const values = ["from", "to"].map((id, k) => (byId(id).value === "" ? [-Infinity, Infinity][k] : Number(byId(id).value)));
    this.page.set({ brush: values.some(Number.isFinite) ? values : null });
  }

  /** What a step has: fields, statuses, files. */
  takeStep() {
    const { told: step, state } = this.page;
    byId("name").textContent = step.name;
    byId("what").textContent = step.what;
    byId("series").hidden = state.steps.length < 2;
    Object.assign(byId("step"), { max: state.steps.length - 1, value: this.page.step });
    byId("step-name").textContent = `${this.page.step + 1} of ${state.steps.length}: ${step.name}`;
    const options = step.fields.map((one) => make("option", { value: one.key, textContent: one.unit ? `${one.title}, ${one.unit}` : one.title }));
    options.push(make("option", { value: "returnStatus", textContent: "returnStatus: how the points ended" }));
    byId("field").replaceChildren(...options);
    byId("field").value = this.page.field;
    writeCommand(byId("command"), step.command);
    byId("images").textContent = [step.images.filter(Boolean).join(", "), step.labels && `labels ${step.labels}`, step.why]
      .filter(Boolean).join("; ");
    byId("paraview").textContent = state.paths.join(" ");
    this.legend();
  }

  legend() {
    const { told: step, hidden } = this.page;
    const rows = step.statuses.map((one) => {
      const row = make("tr");
      row.dataset.code = one.code;
      const box = make("input", { type: "checkbox", checked: !hidden.has(one.code) });
      box.setAttribute("aria-label", `show status ${one.code}`);
      box.addEventListener("change", () => this.page.hide(one.code, !box.checked));
      const swatch = make("span", { className: "swatch" });
      swatch.style.background = one.colour;
      const first = make("td"), words = make("td", { textContent: one.reason });
      first.append(box, swatch);
      if (one.advice) words.append(make("span", { className: "advice", textContent: `try: ${one.advice}` }));
      const share = one.percent === null ? "" : `${one.percent.toFixed(2)} %`;
      row.append(first, make("td", { textContent: one.code === -128 ? "" : one.code, className: "code" }),
        make("td", { textContent: one.count, className: "count" }), make("td", { textContent: share, className: "count" }), words);
      return row;
    });
    byId("legend").replaceChildren(...rows);
    if (!rows.length) byId("legend").append(make("caption", { textContent: "the result does not say it" }));
    const { progress } = step;
    const all = progress && progress[1] ? ` of ${progress[1]}` : "";
    byId("progress").textContent = !progress ? "" : step.at_work ? `the run goes on: ${progress[0]}${all} points so far`
      : `the run has stopped: ${progress[0]}${all} points so far; the same command with --resume goes on`;
  }

  show() {
    const { page } = this;
    for (const id of ["field", "map", "under", "share"]) if (document.activeElement !== byId(id)) byId(id).value = page[id];
    byId("opacity").value = page.opacity;
    const categorical = page.field === "returnStatus";
    byId("range-box").hidden = categorical;
    if (!categorical) this.numbers();
    this.histogram();
  }

  numbers() {
    const { page } = this;
    const [low, high] = page.range();
    const put = (id, value) => { if (document.activeElement !== byId(id)) byId(id).value = value; };
    put("low", shown(low));
    put("high", shown(high));
    const [from, to] = page.brush || [NaN, NaN];
    put("from", Number.isFinite(from) ? shown(from) : "");
    put("to", Number.isFinite(to) ? shown(to) : "");
    const { distribution } = page;
    const ends = distribution && distribution.points
      ? [shown(distribution.edges[0]), `${distribution.points} points${distribution.all ? "" : ", spread evenly"}`, shown(distribution.edges[1])]
      : ["nothing was measured"];
    byId("ends").replaceChildren(...ends.map((text) => make("span", { textContent: text })));
  }

  histogram() {
    const canvas = byId("histogram"), { page } = this;
    Object.assign(canvas, { width: canvas.clientWidth, height: canvas.clientHeight });
    const found = page.distribution;
    if (!found || !found.points || !canvas.width) return;
    const context = canvas.getContext("2d"), most = Math.max(...found.counts), wide = canvas.width / found.counts.length;
    const [low, high] = page.range(), [from, to] = page.brush || [-Infinity, Infinity], table = MAPS[page.mapName()];
    found.counts.forEach((count, k) => {
      const value = this.valueAt((k + 0.5) / found.counts.length);
      const at = 3 * Math.round(Math.min(Math.max(((value - low) / (high - low || 1)) * 255, 0), 255));
      const tall = (canvas.height - 14) * Math.sqrt(count / most);
      const colour = `rgb(${table[at]} ${table[at + 1]} ${table[at + 2]})`;
      context.fillStyle = value >= from && value <= to ? colour : "#3a424a";
      context.fillRect(k * wide, canvas.height - 12 - tall, wide + 0.5, tall);
      context.fillStyle = colour;
      context.fillRect(k * wide, canvas.height - 10, wide + 0.5, 10);
    });
    if (!page.brush) return;
    context.strokeStyle = "#ffd166";
    const [a, b] = [from, to].map((value) => Math.min(Math.max(this.shareOf(value), 0), 1) * canvas.width);
    context.strokeRect(a, 1, Math.max(b - a, 1), canvas.height - 2);
  }

  valueAt(share) {
    const [low, high] = this.page.distribution.edges;
    return low + share * (high - low);
  }

  shareOf(value) {
    const [low, high] = this.page.distribution.edges;
    return (value - low) / (high - low || 1);
  }

  listen() {
    const canvas = byId("histogram"), { page } = this;
    const at = (event) => {
      const box = canvas.getBoundingClientRect();
      return this.valueAt(Math.min(Math.max((event.clientX - box.left) / box.width, 0), 1));
    };
    let start = null;
    canvas.addEventListener("pointerdown", (event) => {
      if (!page.distribution || !page.distribution.points) return;
      canvas.setPointerCapture(event.pointerId);
      start = at(event);
    });
    canvas.addEventListener("pointermove", (event) => {
      if (start !== null) page.set({ brush: [Math.min(start, at(event)), Math.max(start, at(event))] });
    });
    canvas.addEventListener("pointerup", (event) => {
      if (start !== null && start === at(event)) page.set({ brush: null });
      start = null;
    });
    canvas.addEventListener("pointercancel", () => (start = null));
  }

  /** All that the server knows of a point. */
  takePoint(found, planes) {
    const place = byId("point");
    byId("pair").hidden = !planes.after;
    if (found.row === null) {
      place.replaceChildren(make("p", { textContent: found.text }));
      return;
    }
    const parts = [make("p", { textContent: `row ${found.row} at ZYX ${found.position.map(shown).join(" ")}` })];
    if (found.status) {
      const { code, reason, advice } = found.status;
      parts.push(make("p", { id: "point-status", textContent: `returnStatus ${code}: ${reason}${advice ? `; try: ${advice}` : ""}` }));
    }
    if (found.pair.why) parts.push(make("p", { className: "weak", textContent: `no windows: ${found.pair.why}` }));
    parts.push(rowsOf(found.values.map(([name, numbers, unit]) => [
      name, `${numbers.map(([end, text]) => (end ? `${end} ${text}` : text)).join(", ")} ${unit === "1" ? "" : unit.includes(",") ? `(${unit})` : unit}`])));
    if (found.neighbours.length) parts.push(make("h3", { textContent: "Neighbours" }));
    parts.push(rowsOf(found.neighbours.map((one) => [
      one.position.map(shown).join(" "), `${one.status === null ? "" : `status ${one.status}, `}${one.name} ${one.numbers.map(shown).join(" ")}`])));
    place.replaceChildren(...parts);
    if (planes.after) this.windows(found.pair, planes);
  }

  windows(pair, planes) {
    for (const name of ["im1", "before", "after"]) {
      const { shape, data } = planes[name], canvas = byId(`pair-${name}`);
      Object.assign(canvas, { width: shape[1], height: shape[0] });
      canvas.getContext("2d").putImageData(greyImage(data, shape), 0, 0);
    }
    const size = pair.half.map((half) => 2 * half + 1).join(" x ");
    byId("pair").title = `windows of ${size} voxels`;
    byId("ncc-before").textContent = `im2 before: NCC ${pair.before === null ? "none" : pair.before.toFixed(4)}`;
    byId("ncc-after").textContent = `im2 after: NCC ${pair.after === null ? "none" : pair.after.toFixed(4)}`;
  }
}

function rowsOf(rows) {
  const table = make("table");
  for (const words of rows) {
    const row = make("tr");
    row.append(...words.map((text) => make("td", { textContent: text })));
    table.append(row);
  }
  return table;
}

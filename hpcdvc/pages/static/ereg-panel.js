// The boxes beside the views: they show the state, and say what is typed into them. And the plots.

import { writeCommand } from "./base.js";

const PARTS = [
  ["t", "displacement", 0.1, "voxel", 50],
  ["r", "rotation", 0.1, "degree", 45],
  ["z", "stretch", 0.001, "", 0.2],
];

const byId = (id) => document.getElementById(id);

export class Panel {
  constructor(page) {
    this.page = page;
    this.parts = {};
    for (const part of PARTS) this.addPart(...part);
    this.buttons();
    const shown = { mode: String, turning: String, blend: Number, tiles: Number, step: Number, finest: Number };
    for (const [id, convert] of Object.entries(shown)) {
      byId(id).addEventListener("input", () => page.push({ do: "show", [id]: convert(byId(id).value) }));
    }
    for (const id of ["rigid", "swapped", "flicker"]) {
      byId(id).addEventListener("change", () => page.push({ do: "show", [id]: byId(id).checked }));
    }
    new ResizeObserver(() => this.plot()).observe(byId("plot"));
  }

  buttons() {
    const { page } = this;
    for (const name of ["auto", "refine", "cancel", "undo", "redo", "save"]) {
      byId(name).addEventListener("click", () => page.push({ do: name }));
    }
    byId("take-over").addEventListener("click", () => page.takeOver());
    byId("help").addEventListener("click", () => page.help());
    byId("close-keys").addEventListener("click", () => page.help());
    byId("take").addEventListener("click", () => this.takePhi());
    byId("marking").addEventListener("change", () => (page.marking = byId("marking").checked));
    byId("mark").addEventListener("click", () => page.push({ key: "p" }));
    byId("fit").addEventListener("click", () => page.push({ do: "fit-landmarks" }));
  }

  addPart(name, words, step, unit, reach) {
    const box = document.createElement("div");
    box.className = "part";
    box.append(Object.assign(document.createElement("span"), { textContent: unit ? `${words}, ${unit}` : words }));
    this.parts[name] = { boxes: [], sliders: [] };
    const add = (kind, axis) => {
      const input = Object.assign(document.createElement("input"), { type: kind, step });
      input.setAttribute("aria-label", `${words} ${"ZYX"[axis]}${kind === "range" ? ", slider" : ""}`);
      if (kind === "range") Object.assign(input, { min: (name === "z") - reach, max: (name === "z") + reach });
      input.addEventListener(kind === "range" ? "input" : "change", () => this.setPart(name, kind, axis, input));
      input.addEventListener("pointerdown", () => (this.stroke = `${performance.now()}`));
      box.append(input);
      return input;
    };
    for (let axis = 0; axis < 3; axis++) this.parts[name].boxes.push(add("number", axis));
    for (let axis = 0; axis < 3; axis++) this.parts[name].sliders.push(add("range", axis));
    byId("parts").append(box);
  }

  setPart(name, kind, axis, input) {
    const values = [...this.page.state[name]];
    values[axis] = Number(input.value);
    const stroke = kind === "range" ? { stroke: `${name}${axis} ${this.stroke}` } : {};
    if (input.value !== "" && Number.isFinite(values[axis])) this.page.push({ do: name, values, ...stroke });
  }

  takePhi() {
    const text = byId("phi").value;
    const values = text.trim().split(/\s+/).map(Number);
    const plain = values.length === 12 && values.every(Number.isFinite);
    this.page.push(plain ? { do: "phi", phi: values } : { do: "paste", text });
    byId("phi").blur();
  }

  show() {
    const { state, figures } = this.page;
    for (const [name, { boxes, sliders }] of Object.entries(this.parts)) {
      [boxes, sliders].forEach((inputs) => inputs.forEach((input, axis) => {
        if (document.activeElement !== input || input.type === "range") input.value = state[name][axis].toFixed(4);
        input.disabled = state.views.length === 1 && (name === "r" ? axis > 0 : axis === 0);
      }));
    }
    for (const input of ["mode", "turning", "blend", "tiles"].map(byId)) {
      if (document.activeElement !== input) input.value = state[input.id];
    }
    for (const id of ["step", "finest"]) byId(id).value = String(state[id]);
    for (const id of ["rigid", "swapped", "flicker"]) byId(id).checked = state[id];
    byId("undo").disabled = !state.undo;
    byId("redo").disabled = !state.redo;
    if (document.activeElement !== byId("phi")) {
      byId("phi").value = state.phi.slice(0, 3).map((row) => row.map((v) => v.toFixed(4).padStart(10)).join(" ")).join("\n");
    }
    byId("names").textContent = `${state.images.map(nameOf).join(" on ")}, ${state.shape.join(" x ")} voxels (ZYX)`;
    byId("mask").textContent = state.mask ? `inside ${nameOf(state.mask)}` : "";
    byId("table").textContent = state.table;
    if (String(state.commands) !== this.commands) byId("commands").replaceChildren(...state.commands.map(codeItem));
    this.commands = String(state.commands);
    this.showLandmarks();
    this.showJob();
    if (figures) {
      const text = (value, digits) => (value === null ? "-" : value.toFixed(digits));
      const rms = this.page.alike ? `RMS ${text(figures.rms, 2)} grey   ` : "";
      byId("figures").textContent =
        `${this.page.measure} ${text(figures.match, 4)}   ${rms}overlap ${text(100 * figures.overlap, 1)} %`;
    }
    this.plot();
  }

  showJob() {
    const { job } = this.page.state;
    byId("loading").textContent = this.page.state.loading;
    byId("cancel").disabled = !job.running;
    byId("said").textContent = this.page.said || job.text;
  }

  showLandmarks() {
    const { landmarks, residuals, pending } = this.page.state;
    const items = landmarks.map(([, two], k) => {
      const item = document.createElement("li");
      item.textContent = `${two.map((v) => v.toFixed(1)).join(" ")}  left ${residuals[k].toFixed(2)} voxel `;
      const button = Object.assign(document.createElement("button"), { textContent: "remove" });
      button.setAttribute("aria-label", `remove landmark ${k + 1}`);
      button.addEventListener("click", () => this.page.push({ do: "remove-landmark", number: k }));
      item.append(button);
      return item;
    });
    if (pending) items.push(Object.assign(document.createElement("li"), { textContent: "now the same point in im2" }));
    byId("landmarks").replaceChildren(...items);
  }

  plot() {
    const canvas = byId("plot");
    const { histograms, history } = this.page;
    Object.assign(canvas, { width: canvas.clientWidth, height: canvas.clientHeight });
    if (!histograms || !canvas.width) return;
    const context = canvas.getContext("2d");
    const half = canvas.height / 2;
    const most = Math.max(1, ...histograms.flat());
    histograms.forEach((counts, k) => {
      const line = counts.map((count, n) => [(n + 0.5) / counts.length, (count / most) ** 0.5]);
      this.curve(context, line, k ? "#63f263" : "#ff7bff", 46, half - 50);
    });
    const line = history.map((value, n) => [history.length > 1 ? n / (history.length - 1) : 0.5, Math.max(value, 0)]);
    this.curve(context, line, "#ffd166", half + 4, half - 24);
    context.fillStyle = "#aeb6bd";
    context.fillText("1", 2, half + 12);
    context.fillText("0", 2, canvas.height - 14);
  }

  curve(context, line, colour, top, height) {
    const { width } = context.canvas;
    context.strokeStyle = context.fillStyle = colour;
    context.beginPath();
    line.forEach(([x, y], k) => {
      const at = [12 + x * (width - 24), top + (1 - y) * height];
      if (k) context.lineTo(...at);
      else context.moveTo(...at);
    });
    context.stroke();
    const [x, y] = line[line.length - 1] || [-1, 0];
    context.fillRect(10 + x * (width - 24), top + (1 - y) * height - 2, 4, 4);
  }
}

/** The name of a file or folder. */
export function nameOf(path) {
  return path.replace(/\/+$/, "").split("/").pop();
}

function codeItem(text) {
  const item = document.createElement("li");
  const code = document.createElement("code");
  writeCommand(code, text);
  const button = Object.assign(document.createElement("button"), { textContent: "copy" });
  button.addEventListener("click", () => navigator.clipboard && navigator.clipboard.writeText(text));
  item.append(code, " ", button);
  return item;
}

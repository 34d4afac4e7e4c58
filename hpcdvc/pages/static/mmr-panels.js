// The boxes beside slices and joint histogram: they show the state, and say what is typed into them.

import { writeCommand } from "./base.js";
import { css, phaseColour, short } from "./mmr-joint.js";

const AXES = "ZYX";
const MOST_PHASES = 16;

const byId = (id) => document.getElementById(id);

export class Panels {
  constructor(page) {
    this.page = page;
    this.makeBox();
    this.makePeaks();
    this.makeRanges();
    const coverage = byId("coverage");
    coverage.addEventListener("pointerdown", () => (this.stroke = `${performance.now()}`));
    coverage.addEventListener("input", () => page.push({ do: "set", coverage: Number(coverage.value), stroke: `coverage ${this.stroke}` }));
    byId("run").addEventListener("click", () => page.push({ do: "run" }));
    byId("take-found").addEventListener("click", () => page.push({ do: "take-found" }));
    byId("with-found").addEventListener("change", () => page.refresh());
    byId("crop-mode").addEventListener("change", () => page.slices.crop.redraw());
    byId("result-mode").addEventListener("change", () => {
      page.slices.result.redraw();
      this.show();
    });
  }

  makeBox() {
    this.ends = [0, 1, 2].map((axis) => {
      const add = (words, end) => {
        const input = Object.assign(document.createElement("input"), { type: "number", step: 1, min: 0 });
        input.setAttribute("aria-label", `${words} ${AXES[axis]}`);
        input.addEventListener("change", () => this.setBox(axis, end, input.value));
        return input;
      };
      const inputs = [add("first", 0), add("last + 1,", 1)];
      byId("box").append(Object.assign(document.createElement("span"), { textContent: AXES[axis] }), ...inputs);
      return inputs;
    });
    byId("whole-box").addEventListener("click", () => this.page.push({ do: "whole-box" }));
  }

  setBox(axis, end, text) {
    const values = this.page.state.picked.box.map((pair) => [...pair]);
    values[axis][end] = Number(text);
    if (text !== "" && Number.isFinite(values[axis][end])) this.page.push({ do: "box", values });
  }

  makePeaks() {
    const { page } = this;
    for (let n = 1; n <= MOST_PHASES; n++) byId("count").append(new Option(n));
    const find = () => {
      const { value } = byId("count");
      page.push({ do: "find-peaks", count: value === "auto" ? value : Number(value) });
    };
    byId("find").addEventListener("click", find);
    byId("count").addEventListener("change", find);
    byId("remove").addEventListener("click", () => page.push({ do: "remove-peak", number: page.chosen }));
    byId("reach").addEventListener("change", () => {
      const to = Number(byId("reach").value);
      if (to > 0) page.push({ do: "reach", number: page.chosen, to });
    });
  }

  makeRanges() {
    const { page } = this;
    for (const bins of page.state.choice) byId("bins").append(new Option(bins));
    byId("bins").addEventListener("change", () => page.push({ do: "set", bins: Number(byId("bins").value) }));
    for (const [image, end, id] of [[0, 0, "low1"], [0, 1, "high1"], [1, 0, "low2"], [1, 1, "high2"]]) {
      byId(id).addEventListener("change", () => {
        const ranges = page.state.picked.ranges.map((pair) => [...pair]);
        const { value } = byId(id);
        ranges[image][end] = value === "" || !Number.isFinite(Number(value)) ? null : Number(value);
        page.push({ do: "set", ranges });
      });
    }
  }

  // what is shown

  show() {
    const { state, joint } = this.page;
    const { picked } = state;
    this.ends.forEach((inputs, axis) => inputs.forEach((input, end) => this.set(input, picked.box[axis][end])));
    this.ends.forEach((inputs) => inputs.forEach((input) => (input.disabled = state.views.length === 1 && inputs === this.ends[0])));
    this.set(byId("coverage"), picked.coverage);
    byId("covered").textContent = `${(100 * picked.coverage).toFixed(0)} %`;
    this.showBins();
    if (joint) this.showJoint();
    this.showFound();
    byId("file").textContent = state.table;
    writeCommand(byId("line"), state.commands[0]);
    byId("scale").textContent = byId("result-mode").value === "residual" ? "blue to red: -4 to 4 standard deviations" : "";
  }

  set(input, value) {
    if (document.activeElement !== input || input.type === "range") input.value = value;
  }

  showBins() {
    const { picked } = this.page.state;
    const bins = byId("bins");
    if (![...bins.options].some((option) => Number(option.value) === picked.bins)) bins.append(new Option(picked.bins));
    this.set(bins, String(picked.bins));
    this.set(byId("count"), String(picked.n_phases));
    const found = this.page.joint ? this.page.joint.ranges : [["", ""], ["", ""]];
    for (const [image, end, id] of [[0, 0, "low1"], [0, 1, "high1"], [1, 0, "low2"], [1, 1, "high2"]]) {
      const given = picked.ranges[image][end];
      this.set(byId(id), given === null ? "" : given);
      byId(id).placeholder = given === null && found[image][end] !== "" ? short(found[image][end]) : "";
    }
  }

  showJoint() {
    const { joint, chosen, state } = this.page;
    const words = joint.fresh ? `${joint.voxels} voxels; im1 explains ${joint.explained.toFixed(4)} of the variance of im2` : "of another Phi or box: it is counted anew";
    for (const place of document.querySelectorAll(".facts")) place.textContent = words;
    if (joint.peaks[chosen]) this.set(byId("reach"), Number(joint.peaks[chosen][2].toFixed(1)));
    byId("remove").disabled = joint.peaks.length < 2;
    const kept = joint.kept || [];
    const lone = joint.peaks.map((_, number) => number + 1).filter((number) => !kept.includes(number - 1));
    byId("lone").textContent = state.picked.peaks && lone.length && kept.length ? `no phase of its own: peak ${lone.join(", ")}` : "";
    byId("fits").tBodies[0].replaceChildren(...joint.phases.map((phase, number) => this.row(phase, number, kept[number] === chosen)));
    const part = (value) => `${(100 * value).toFixed(1)} %`;
    byId("between").textContent = joint.phases.length ? `between two phases ${part(joint.between)}, in none ${part(joint.background)}` : "";
  }

  row({ mean, covariance, weight }, number, isChosen) {
    const row = document.createElement("tr");
    row.classList.toggle("chosen", isChosen);
    const chip = Object.assign(document.createElement("span"), { className: "chip" });
    chip.style.background = css(phaseColour(number));
    const plane = this.page.planes.peaks;
    const per = [0, 1].map((image) => (plane.grey(image, 1) - plane.grey(image, 0)));
    const cells = [
      `${number + 1}`,
      mean.map((bin, image) => short(plane.grey(image, bin))).join(", "),
      per.map((step, image) => short(Math.sqrt(covariance[image][image]) * step)).join(", "),
      [covariance[0][0], covariance[0][1], covariance[1][1]].map((value) => value.toFixed(1)).join(" "),
      `${(100 * weight).toFixed(1)} %`,
    ].map((text) => Object.assign(document.createElement("td"), { textContent: text }));
    cells[0].prepend(chip);
    row.append(...cells);
    return row;
  }

  showFound() {
    const { found, job } = this.page.state;
    byId("run").disabled = job.running;
    byId("take-found").disabled = !found;
    if (!found) {
      byId("found").textContent = "Not run yet.";
      return;
    }
    const t = found.Phi.slice(0, 3).map((row) => row[3].toFixed(4)).join(" ");
    const std = found.std ? `; standard deviation ${found.std.map((value) => value.toPrecision(2)).join(" ")}` : "";
    const explained = `im1 explains ${found.explained.toFixed(4)} of the variance of im2, ${found.explained_before.toFixed(4)} at the start`;
    const now = found.now ? "" : " This is of other phases, another box or start: run again.";
    byId("found").textContent =
      `${found.reason} (status ${found.return_status}), iterations: ${found.iterations}. Displacement of the centre ${t} voxel${std}. ${explained}.${now}`;
  }
}

// hpcdvc-ereg-discrete: the page of hpcdvc-ereg for one label after the other, with a list and a map of all.

import { greyOf, numbersOf } from "./base.js";
import { LabelList } from "./discrete-list.js";
import { LabelView, MapView } from "./discrete-views.js";
import { EregPage, eregPage } from "./ereg-page.js";

// keys of this page; those that go on to another label say which comes next in the list
const GO_ON = { n: "accept", s: "skip", x: "reject", j: "next" };
const KEYS = new Set([...Object.keys(GO_ON), "u", "b", "g", "k", "c"]);
const HELP = [
  ["Enter", "refine the label as hpcdvc-ddic does; once more: accept"],
  ["n, s, x", "accept, skip, reject, and go on to the next label of the list"],
  ["j, b", "next label of the list, back to the one before"],
  ["u", "take the decision back: the row as it was"],
  ["a", "look for the label, and refine it where it is found"],
  ["g", "another start: own, neighbours, global, none"],
  ["k", "im1 with its surroundings, the label alone, without those that converged"],
  ["c", "centre the views on where the label is now"],
];
const DECIDED = { accept: ": accepted", skip: ": skipped", reject: ": rejected" };
const STARTS = ["own", "neighbours", "global", "identity"];
// colours of the map: measured, placed or refined by eye, too small, rejected, not measured
const GOOD = [60, 150, 70], BY_EYE = [70, 130, 235], SMALL = [120, 120, 120], REJECTED = [170, 80, 190], BAD = [225, 60, 45];
const HERE = [255, 209, 102];
const TOO_SMALL = -5, REJECTION = 6;

const byId = (id) => document.getElementById(id);

class DiscretePage extends EregPage {
  take(state) {
    const first = !this.panel;
    super.take(state);
    if (first) this.furnish(state);
    this.showLabel();
  }

  furnish(state) {
    this.list = new LabelList(this);
    this.map = new MapView(this, state.views[0].slice(1));
    byId("views").append(this.map.box);
    byId("panel").append(byId("plots"));
    for (const name of ["accept", "skip", "reject", "next"]) byId(name).addEventListener("click", () => this.goOn(name));
    for (const name of ["back", "restore", "centre"]) byId(name).addEventListener("click", () => this.push({ do: name }));
    for (const name of STARTS) byId(name).addEventListener("click", () => this.push({ do: "guess", name }));
    byId("masking").addEventListener("change", () => {
      this.push({ do: "mask", mask: byId("masking").value });
      byId("masking").blur();
    });
    byId("auto").textContent = "Search";
    document.querySelector("#parts legend").textContent = "Motion of the label (Z Y X)";
    byId("phi").parentNode.querySelector("legend").textContent = "Phi at its centre of mass, or a line of a table";
  }

  newView(number, axes) {
    return new LabelView(this, number, axes);
  }

  hello(message) {
    if (this.list) this.list.revision = 0;
    super.hello(message);
  }

  async answered(answer) {
    await super.answered(answer);
    this.list.update(answer.state.counts.revision || 0);
  }

  /** What is known of this label, and where the map is to be. */
  showLabel() {
    const { label, counts, view, views } = this.state;
    if (!label || !this.list) return;
    byId("label").textContent = `label ${label.number}${DECIDED[label.decision] || ""}`;
    const [low, high] = label.box;
    const now = label.refined ? "refined" : label.how === "identity" ? byId("identity").textContent : label.how;
    byId("about").textContent = `status ${label.status}: ${label.reason}. ${label.volume} voxels, ` +
      `${high.map((value, axis) => value - low[axis] + 1).join(" x ")}. Now: ${now}.`;
    for (const name of STARTS) {
      byId(name).disabled = !label.guesses.includes(name);
      byId(name).classList.toggle("taken", label.how === name);
    }
    byId("accept").classList.toggle("taken", label.refined);
    if (document.activeElement !== byId("masking")) byId("masking").value = label.mask;
    byId("counts").textContent = `${counts.left} to be repaired, ${counts.accept} accepted, ${counts.skip} skipped, ` +
      `${counts.reject} rejected, of ${counts.labels} labels`;
    const key = `${label.number} ${view}`;
    if (key === this.seen) return;
    this.seen = key;
    this.list.show();
    const axes = views.find(([number]) => number === view).slice(1);
    this.map.look(axes, Math.round(label.about[axes[0]]));
  }

  /** Where the centre of mass is now. */
  moved() {
    return this.state.label.about.map((value, axis) => value + this.state.phi[axis][3]);
  }

  /** Where it was. */
  place() {
    return this.state.label.about;
  }

  /** Voxels that a view shows along the axis across it. */
  depth(view) {
    const other = [...this.views.values()].find(({ planes, down, right }) => planes && [down, right].includes(view.across));
    if (!other) return 1;
    return other.planes.shape[other.down === view.across ? 0 : 1] * this.size[view.across];
  }

  // the map

  async askMap(axis, place) {
    try {
      const answer = await this.link.newest({ type: "map", axis, place });
      if (!answer) return;
      const [grey, labels] = answer.planes;
      this.map.take(await greyOf(grey), await numbersOf(labels), grey.shape, answer);
    } catch {
      this.seen = ""; // the link was lost: asked for again when it is there
    }
  }

  colourOf(label) {
    const row = this.list.rows.get(label);
    if (label === this.state.label.number) return HERE;
    if (!row || row.status === TOO_SMALL) return SMALL;
    if (row.manual === REJECTION) return REJECTED;
    if (row.bad) return BAD;
    return row.manual ? BY_EYE : GOOD;
  }

  // keys

  goOn(name) {
    this.push({ do: name, next: this.list.following() });
  }

  key(event) {
    const { key, target } = event;
    const typing = target.matches("textarea, select, input:not([type=checkbox])");
    if (!this.state || typing || event.ctrlKey || event.altKey || event.metaKey || key === "r") {
      if (key !== "r" || typing) super.key(event);
      return;
    }
    if (key === "Enter" ? target.matches("button, input, summary") : !KEYS.has(key)) super.key(event);
    else {
      event.preventDefault();
      if (key === "Enter") this.push({ key, next: this.list.following() });
      else if (key in GO_ON) this.goOn(GO_ON[key]);
      else this.push({ key });
    }
  }
}

// the controls of hpcdvc-ereg, and its keys
const of = await eregPage();
document.querySelector("main").append(of.getElementById("views"), of.getElementById("panel"));
document.body.append(of.getElementById("keys"));
const lines = HELP.map((words) => {
  const line = document.createElement("tr");
  line.append(...words.map((text) => Object.assign(document.createElement("td"), { textContent: text })));
  return line;
});
document.querySelector("#keys tbody").prepend(...lines);
window.ereg = new DiscretePage();

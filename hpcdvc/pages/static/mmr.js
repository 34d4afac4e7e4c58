// hpcdvc-mmr-graphical: the first tab is the page of hpcdvc-ereg; the others show slices or the joint histogram.

import { numbersOf } from "./base.js";
import { EregPage, eregPage } from "./ereg-page.js";
import { JointView } from "./mmr-joint.js";
import { Panels } from "./mmr-panels.js";
import { Slices } from "./mmr-slices.js";

const TABS = ["align", "crop", "peaks", "phases", "result"];
// Down or up the rows (1) or columns (2) of a view, or across it (0)
const ARROWS = { ArrowUp: [1, -1], ArrowDown: [1, 1], ArrowLeft: [2, -1], ArrowRight: [2, 1], PageUp: [0, 1], PageDown: [0, -1] };
// ms until slices are asked for as they are
const EXACT = 300;

const byId = (id) => document.getElementById(id);

class MmrPage extends EregPage {
  constructor() {
    super();
    Object.assign(this, { measure: "explained", alike: false, tab: "align", chosen: 0, joint: null, seen: "", busy: false, more: false });
  }

  take(state) {
    super.take(state);
    if (this.panels) return;
    const words = (id) => () => byId(id).value;
    this.slices = {
      crop: new Slices(this, document.querySelector("#crop .views"), { isBox: true, mode: words("crop-mode"), asks: () => ({}) }),
      result: new Slices(this, document.querySelector("#result .views"), {
        isBox: false,
        mode: words("result-mode"),
        asks: () => ({ phases: true, found: byId("with-found").checked }),
      }),
    };
    this.planes = {
      peaks: new JointView(this, document.querySelector("#peaks .plane"), "counts"),
      phases: new JointView(this, document.querySelector("#phases .plane"), "diagram"),
      result: new JointView(this, document.querySelector("#result .plane"), "diagram"),
    };
    this.panels = new Panels(this);
    for (const tab of TABS) byId(`tab-${tab}`).addEventListener("click", () => this.open(tab));
    this.open(this.tab);
  }

  async answered(answer) {
    await super.answered(answer);
    this.refresh();
  }

  told(message) {
    super.told(message);
    if (!this.panels) return;
    const isDone = message.type === "job" && !message.job.running;
    if (isDone || (message.type === "loading" && !message.text)) this.refresh(true);
  }

  // tabs

  open(tab) {
    this.tab = tab;
    for (const one of TABS) {
      byId(one).hidden = one !== tab;
      byId(`tab-${one}`).setAttribute("aria-selected", String(one === tab));
      byId(`tab-${one}`).tabIndex = one === tab ? 0 : -1;
    }
    document.body.dataset.tab = tab;
    this.refresh(true);
  }

  turn(by) {
    const onTab = document.activeElement.matches("[role=tab]");
    this.open(TABS[(TABS.indexOf(this.tab) + by + TABS.length) % TABS.length]);
    if (onTab) byId(`tab-${this.tab}`).focus();
  }

  /** Ask for what the open tab shows, where that is new. */
  async refresh(always = false) {
    if (this.tab === "align") return; // has none of it: nothing is to be done while im1 is moved
    this.panels.show();
    const { point, phi, picked, found } = this.state;
    const wanted = JSON.stringify([this.tab, point, phi, picked, found, byId("with-found").checked]);
    if (!always && wanted === this.seen) {
      if (this.slices[this.tab]) this.slices[this.tab].draw();
      return;
    }
    this.seen = wanted;
    this.more = true;
    if (this.busy) return;
    this.busy = true;
    try {
      while (this.more) {
        this.more = false;
        if (this.tab !== "crop" && this.tab !== "align") await this.loadJoint();
        if (this.slices[this.tab]) await this.loadSlices();
      }
    } catch (error) {
      this.seen = "";
      if (this.link.known) this.say(error.message);
    }
    this.busy = false;
  }

  async loadJoint() {
    const answer = await this.link.newest({ type: "joint" });
    if (!answer) return;
    if (answer.said) this.say(answer.said);
    if (!answer.bins) return;
    const arrays = await Promise.all(answer.planes.map(numbersOf));
    answer.planes.forEach((plane, k) => (answer[plane.name] = arrays[k]));
    this.joint = answer;
    this.state.found = answer.found;
    const last = answer.peaks.length - 1;
    this.chosen = this.added ? last : Math.min(this.chosen, last);
    this.added = false;
    for (const plane of Object.values(this.planes)) plane.take(answer);
    this.panels.show();
  }

  async loadSlices() {
    clearTimeout(this.sharpening);
    const { tab } = this;
    await this.slices[tab].load(false);
    this.panels.show();
    this.sharpening = setTimeout(() => this.tab === tab && this.slices[tab].load(true).catch(() => {}), EXACT);
  }

  choose(number) {
    this.chosen = number;
    this.planes.peaks.draw();
    this.panels.show();
  }

  // keys

  key(event) {
    const { key, target } = event;
    if (!this.state) return;
    const typing = target.matches("textarea, select, input:not([type=checkbox])");
    const plain = !typing && !event.ctrlKey && !event.metaKey;
    if (plain && target.matches("[role=tab]") && (key === "ArrowLeft" || key === "ArrowRight")) {
      event.preventDefault();
      this.turn(key === "ArrowLeft" ? -1 : 1);
    } else if (plain && (key === "n" || key === "b")) {
      event.preventDefault();
      this.turn(key === "n" ? 1 : -1);
    } else if (this.tab === "align" || event.ctrlKey || key === "Escape" || key === "?") super.key(event);
    else if (plain && !(target.matches("button, input") && (key === "Enter" || key === " "))) {
      const done = key === "Enter" ? this.push({ do: "run" }) : this[`${this.tab}Key`](event);
      if (done !== false) event.preventDefault();
    }
  }

  /** Of both tabs with slices. */
  sliceKey({ key }) {
    const view = this.slices[this.tab].views.get(this.state.view);
    if (["1", "2", "3", ",", ".", "[", "]"].includes(key)) this.push({ key });
    else if (key === "+" || key === "=") view.zoomBy(1.25);
    else if (key === "-") view.zoomBy(0.8);
    else if (key === "0") view.fit();
    else return false;
  }

  cropKey(event) {
    const { key, shiftKey, altKey } = event;
    if (key === "w") this.push({ do: "whole-box" });
    else if (!(key in ARROWS)) return this.sliceKey(event);
    else {
      const [which, sign] = ARROWS[key];
      const view = this.slices.crop.views.get(this.state.view);
      const axis = [view.across, view.down, view.right][which];
      const ends = [[0, 0], [0, 0], [0, 0]];
      ends[axis] = [shiftKey ? 0 : sign, altKey ? 0 : sign];
      this.push({ do: "move-box", ends });
    }
  }

  peaksKey({ key, shiftKey }) {
    if (!this.joint) return false;
    const { peaks, bins } = this.joint;
    const number = this.chosen;
    const by = shiftKey ? 5 : 1;
    if (key === "," || key === ".") this.choose((number + (key === "." ? 1 : -1) + peaks.length) % peaks.length);
    else if (key >= "1" && key <= String(Math.min(peaks.length, 9))) this.choose(Number(key) - 1);
    else if (key === "PageUp" || key === "PageDown") this.push({ do: "reach", number, more: key === "PageUp" ? by : -by });
    else if (key in ARROWS) {
      const [which, sign] = ARROWS[key];
      this.push({ do: "move-peak", number, by: which === 2 ? [sign * by, 0] : [0, -sign * by] });
    } else if (key === "Delete" || key === "Backspace") this.push({ do: "remove-peak", number });
    else if (key === "Insert" || key === "p") {
      this.added = true;
      const [f, g] = peaks[number] || [bins / 2, bins / 2];
      this.push({ do: "add-peak", at: [f + (f < bins / 2 ? bins / 10 : -bins / 10), g] });
    } else if (key === "a") byId("find").click();
    else return false;
  }

  phasesKey({ key, shiftKey }) {
    if (!(key in ARROWS)) return false;
    const up = ["ArrowUp", "ArrowRight", "PageUp"].includes(key);
    this.push({ do: "set", more: (up ? 1 : -1) * (shiftKey ? 0.1 : 0.01) });
  }

  resultKey(event) {
    const { key } = event;
    const mode = byId("result-mode");
    if (key === "m") {
      mode.selectedIndex = (mode.selectedIndex + 1) % mode.options.length;
      this.slices.result.redraw();
      this.panels.show();
    } else if (key === "v") byId("with-found").click();
    else return this.sliceKey(event);
  }
}

/** The views, boxes and buttons of hpcdvc-ereg into the first tab; what all tabs need into the bar. */
async function borrow() {
  const other = await eregPage();
  byId("align").append(other.querySelector("main"));
  document.body.append(other.querySelector("dialog"));
  byId("turning").hidden = true; // across modalities a start is looked for about all axes
  byId("common").append(byId("undo").parentElement, byId("cancel"), byId("said"));
}

await borrow();
window.mmr = new MmrPage();

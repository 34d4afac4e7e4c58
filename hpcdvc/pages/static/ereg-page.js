// The page of hpcdvc-ereg: keys and mouse become actions, which the server does in turn; it answers with the state and
// the planes.

import { Actions } from "./actions.js";
import { Link, numbersOfAll } from "./base.js";
import { Panel } from "./ereg-panel.js";
import { View } from "./ereg-views.js";

const KEYS = new Set(["ArrowUp", "ArrowDown", "ArrowLeft", "ArrowRight", "PageUp", "PageDown", "1", "2", "3", "[", "]", ",", ".",
  "m", "o", "r", "p", "f", "l", "a", " ", "Enter", "Escape", "Backspace", "+", "-", "=", "0", "?"]);
// keys that a slider with the focus needs itself
const SLIDE = /^(Arrow|Page)/;
const WITH_CONTROL = new Set(["z", "y", "s"]);
// ms after the last change until the planes are asked for as they are; ms of each image when they flicker; ms between looks
const EXACT = 300, FLICKER = 450, LOOK = 1000;

const byId = (id) => document.getElementById(id);

/** The page of hpcdvc-ereg, for those that have its controls and keys, too. */
export async function eregPage() {
  const answer = await fetch("ereg.html");
  return new DOMParser().parseFromString(await answer.text(), "text/html");
}

export class EregPage {
  constructor() {
    Object.assign(this, { measure: "NCC", alike: true, marking: false, said: "", views: new Map() });
    document.addEventListener("keydown", (event) => this.key(event));
    document.addEventListener("pointerup", () => {
      if (document.activeElement.matches("button, input[type=range], input[type=checkbox]")) document.activeElement.blur();
    });
    this.link = new Link({
      hello: (message) => this.hello(message),
      message: (message) => this.told(message),
      lost: (text) => this.lost(text),
    });
    this.actions = new Actions(this.link, {
      have: () => this.have(),
      answered: (answer) => this.answered(answer),
      refused: (text) => this.say(text),
      idle: () => this.rest(),
    });
    setInterval(() => this.flicker(), FLICKER);
    setInterval(() => !this.actions.writer && this.actions.look(), LOOK);
  }

  // what the server says

  hello(message) {
    this.setWriter(message.writer);
    this.take(message.state);
    this.picture = null;
    this.actions.restart();
    this.actions.look();
  }

  lost(text) {
    byId("lost").textContent = text;
    if (this.actions) this.actions.restart();
  }

  setWriter(writer) {
    this.actions.writer = writer;
    byId("take-over").hidden = writer;
  }

  told(message) {
    if (!this.state) return; // what the server tells all may come before what it says first
    if (message.type === "role") this.setWriter(message.writer);
    else if (message.type === "state") {
      this.take(message.state);
      this.actions.look();
    } else if (message.type === "loading") {
      this.state.loading = message.text;
      this.panel.showJob();
      if (!message.text) this.actions.look();
    } else if (message.type === "job") {
      this.state.job = message.job;
      this.say("");
      if (!message.job.running) this.actions.look(); // an answer that is on its way may say that it still runs
    } else if (message.type === "error") this.say(message.text);
  }

  say(text) {
    this.said = text;
    this.panel.showJob();
  }

  takeOver() {
    this.link.send({ type: "take over" }).then((answer) => this.told(answer), () => {});
  }

  take(state) {
    this.state = state;
    this.shape = state.shape;
    if (this.panel) return;
    this.panel = new Panel(this);
    const place = byId("views");
    place.classList.toggle("flat", state.views.length === 1);
    for (const [number, ...axes] of state.views) {
      const view = this.newView(number, axes);
      this.views.set(number, view);
      place.insertBefore(view.box, byId("plots"));
    }
  }

  newView(number, axes) {
    return new View(this, number, axes);
  }

  /** Where the centre of im1 is now. */
  moved() {
    return this.shape.map((n, axis) => (n - 1) / 2 + this.state.phi[axis][3]);
  }

  // actions and planes

  push(action) {
    this.said = "";
    this.actions.push(action);
  }

  have() {
    const slices = {};
    for (const [number, view] of this.views) if (view.slice !== null) slices[number] = [view.slice, view.exact];
    return { key: this.picture, exact: this.isExact, whole: this.whole, slices };
  }

  async answered(answer) {
    if (answer.said) this.said = answer.said;
    this.take(answer.state);
    if (answer.key) {
      const { size, first, figures, history, windows, histograms } = answer;
      Object.assign(this, { size, first, figures, history, greys: { windows }, histograms });
      if (String(answer.key) !== String(this.picture)) this.views.forEach((view) => view.forget());
      await this.takePlanes(answer);
      this.picture = answer.key;
      this.whole = answer.whole;
      if (answer.planes.length) this.isExact = answer.exact;
      this.draw();
    }
    this.panel.show();
  }

  /** Nothing moves any more: when that lasts, ask for the planes as they are, and for finer ones of what is seen. */
  rest() {
    clearTimeout(this.timer);
    if (!this.picture || this.actions.busy) return;
    this.timer = setTimeout(() => (this.isExact ? this.refine() : this.actions.look(true)), EXACT);
  }

  /** Ask for what is seen as the images themselves have it, of the view that is chosen first. */
  async refine() {
    const key = String(this.picture);
    const chosen = this.views.get(this.state.view);
    for (const view of [chosen, ...[...this.views.values()].filter((other) => other !== chosen)]) {
      const part = view.wanted();
      if (!part) continue;
      const answer = await this.link.send({ type: "detail", ...part }).catch(() => null);
      if (!answer || String(answer.key) !== key || String(this.picture) !== key || this.actions.busy) return view.forget();
      if (!answer.planes.length) continue;
      const numbers = await numbersOfAll(answer);
      const arrays = Object.fromEntries(answer.planes.map((plane, k) => [plane.name, numbers[k]]));
      view.detail = { ...arrays, shape: answer.planes[0].shape, corner: answer.corner, size: answer.size };
      view.compose();
      view.draw();
    }
  }

  async takePlanes(answer) {
    const numbers = await numbersOfAll(answer);
    answer.planes.forEach((plane, k) => {
      const [image, number] = plane.name.split(" ");
      const view = this.views.get(Number(number));
      const place = (values) => [values[view.down], values[view.right]];
      view.take({ [image]: numbers[k] }, { shape: plane.shape, corner: place(answer.first), size: place(answer.size) });
      if (image === "im2") Object.assign(view, { slice: answer.slices[number], exact: answer.exact });
    });
  }

  draw() {
    const { state, figures } = this;
    for (const [number, view] of this.views) {
      view.compose();
      view.draw();
      view.box.classList.toggle("chosen", number === state.view);
      const { match } = figures.views[number];
      const at = state.point[view.across].toFixed(0);
      view.label.textContent = `${number}  ${"ZYX"[view.across]} ${at}  ${this.measure} ${match === null ? "-" : match.toFixed(4)}`;
      if (document.activeElement !== view.slider) view.slider.value = state.point[view.across];
    }
    document.body.dataset.revision = this.picture[0];
  }

  flicker() {
    if (!this.state || !this.state.flicker || !this.figures) return;
    this.phase = !this.phase;
    this.draw();
  }

  // keys

  key(event) {
    const { target } = event;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key; // also with caps lock
    const sliding = target.matches("input[type=range]");
    const typing = target.matches("textarea, select, input:not([type=checkbox])") && (!sliding || SLIDE.test(key));
    if ((typing || sliding) && key === "Escape") target.blur();
    if (typing || event.metaKey) return;
    if (event.ctrlKey ? !WITH_CONTROL.has(key) : !KEYS.has(key)) return;
    if (target.matches("button, input[type=checkbox], summary") && (key === "Enter" || key === " ")) return;
    event.preventDefault();
    const chosen = this.state && this.views.get(this.state.view);
    if (chosen && !event.ctrlKey) {
      if (key === "+" || key === "=") chosen.zoomBy(1.25);
      else if (key === "-") chosen.zoomBy(0.8);
      else if (key === "0") chosen.fit();
      else if (key === "?" || (key === "Escape" && byId("keys").open)) this.help();
      else if (key === "l") this.marking = byId("marking").checked = !this.marking;
    }
    this.push({ key, shift: event.shiftKey, alt: event.altKey, ctrl: event.ctrlKey });
  }

  help() {
    const keys = byId("keys");
    if (keys.open) keys.close();
    else keys.show();
  }
}

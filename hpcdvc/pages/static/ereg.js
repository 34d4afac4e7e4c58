// hpcdvc-ereg: keys and mouse become actions, which the server does in turn; it answers with the state and the planes.
// Actions wait here while the link is lost. Each has a number, so that none is done twice.

import { Link, greyOf, numbersOf } from "./base.js";
import { Panel } from "./ereg-panel.js";
import { View } from "./ereg-views.js";

const KEYS = new Set(["ArrowUp", "ArrowDown", "ArrowLeft", "ArrowRight", "PageUp", "PageDown", "1", "2", "3", "[", "]", ",", ".",
  "m", "o", "r", "p", "f", "l", "a", " ", "Enter", "Escape", "Backspace", "+", "-", "=", "0", "?"]);
const WITH_CONTROL = new Set(["z", "y", "s", "Z"]);
// ms after the last change until the planes are asked for as they are; ms of each image when they flicker; ms between looks
const EXACT = 300, FLICKER = 450, LOOK = 1000;

class Page {
  constructor() {
    Object.assign(this, { queue: [], number: 0, sent: 0, busy: false, exact: false, again: false, marking: false, said: "" });
    this.browser = [...crypto.getRandomValues(new Uint8Array(12))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
    this.views = new Map();
    document.addEventListener("keydown", (event) => this.key(event));
    document.addEventListener("pointerup", () => {
      if (document.activeElement.matches("button, input[type=range], input[type=checkbox]")) document.activeElement.blur();
    });
    this.link = new Link({
      hello: (message) => this.hello(message),
      message: (message) => this.told(message),
      lost: (text) => this.lost(text),
    });
    setInterval(() => this.flicker(), FLICKER);
    setInterval(() => !this.writer && this.look(), LOOK);
  }

  hello(message) {
    this.writer = message.writer;
    this.take(message.state);
    document.getElementById("take-over").hidden = this.writer;
    this.busy = false;
    this.sent = 0;
    this.picture = null;
    this.look();
  }

  lost(text) {
    document.getElementById("lost").textContent = text;
    this.busy = false;
    this.sent = 0;
  }

  told(message) {
    if (!this.state) return; // what the server tells all may come before what it says first
    if (message.type === "role") {
      this.writer = message.writer;
      document.getElementById("take-over").hidden = this.writer;
    } else if (message.type === "state") {
      this.take(message.state);
      this.look();
    } else if (message.type === "loading") {
      this.state.loading = message.text;
      this.panel.showJob();
      if (!message.text) this.look();
    } else if (message.type === "job") {
      this.state.job = message.job;
      this.said = "";
      this.panel.showJob();
    } else if (message.type === "error") {
      this.said = message.text;
      this.panel.showJob();
    }
  }

  takeOver() {
    this.link.send({ type: "take over" }).then((answer) => this.told(answer), () => {});
  }

  take(state) {
    this.state = state;
    this.shape = state.shape;
    if (this.panel) return;
    this.panel = new Panel(this);
    const place = document.getElementById("views");
    place.classList.toggle("flat", state.views.length === 1);
    for (const [number, across, down, right] of state.views) {
      const view = new View(this, number, across, down, right);
      this.views.set(number, view);
      place.insertBefore(view.box, document.getElementById("plots"));
    }
  }

  /** Where the centre of im1 is now. */
  moved() {
    return this.shape.map((n, axis) => (n - 1) / 2 + this.state.phi[axis][3]);
  }

  // actions

  push(action) {
    const last = this.queue[this.queue.length - 1];
    if (last && this.queue.length > this.sent && action.stroke && last.stroke === action.stroke && last.do === action.do) {
      if (action.by) last.by = last.by.map((value, k) => value + action.by[k]);
      else if (action.do === "turn") last.degrees += action.degrees;
      else Object.assign(last, action);
    } else {
      this.queue.push(action);
      this.number += 1;
    }
    this.said = "";
    this.go();
  }

  look(exact = false) {
    this.again = true;
    this.exact = exact;
    this.go();
  }

  /** Send what waits; one message is on its way at a time. */
  go() {
    if (this.busy || !this.link.known || !(this.queue.length || this.again)) return;
    const actions = this.writer ? this.queue.slice(0, 500) : [];
    if (!this.writer && this.queue.length) {
      this.queue = [];
      this.said = "another page writes; Take over makes it this one";
      this.panel.showJob();
    }
    const n = this.number - this.queue.length + actions.length;
    const exact = this.exact && !actions.length;
    Object.assign(this, { busy: true, again: false, sent: actions.length });
    const what = actions.length ? { type: "act", actions, n, browser: this.browser } : { type: "look" };
    const mine = (this.flight = {});
    this.link.send({ ...what, exact, have: this.have() }).then(
      (answer) => mine === this.flight && this.answered(answer, actions.length),
      (error) => mine === this.flight && this.refused(error, actions.length),
    );
  }

  have() {
    const slices = {};
    for (const [number, view] of this.views) if (view.slice !== null) slices[number] = [view.slice, view.exact];
    return { key: this.picture, exact: this.isExact, whole: this.whole, slices };
  }

  refused(error, count) {
    if (!this.link.known) return; // what was on its way is sent again
    this.queue.splice(0, count);
    this.said = error.message;
    this.panel.showJob();
    this.next();
  }

  async answered(answer, count) {
    this.queue.splice(0, count);
    this.sent = 0;
    if (answer.said) this.said = answer.said;
    this.take(answer.state);
    if (answer.key) {
      const { size, first, figures, history, window, histograms } = answer;
      Object.assign(this, { size, first, figures, history, greys: { window }, histograms });
      await this.takePlanes(answer);
      this.picture = answer.key;
      this.whole = answer.whole;
      if (answer.planes.length) this.isExact = answer.exact;
      this.draw();
    }
    this.panel.show();
    this.next();
  }

  next() {
    this.busy = false;
    this.sent = 0;
    clearTimeout(this.timer);
    if (this.picture && !this.isExact) this.timer = setTimeout(() => this.look(true), EXACT);
    this.go();
  }

  async takePlanes(answer) {
    const numbers = await Promise.all(answer.planes.map((plane) => (plane.dtype === "u1" ? greyOf(plane) : numbersOf(plane))));
    answer.planes.forEach((plane, k) => {
      const [image, view] = plane.name.split(" ");
      this.views.get(Number(view)).take(image, plane.shape, numbers[k], answer.slices[view], answer.exact);
    });
  }

  draw() {
    const { state, figures } = this;
    for (const [number, view] of this.views) {
      view.compose();
      view.draw();
      view.box.classList.toggle("chosen", number === state.view);
      const { ncc } = figures.views[number];
      const at = state.point[view.across].toFixed(0);
      view.label.textContent = `${number}  ${"ZYX"[view.across]} ${at}  NCC ${ncc === null ? "-" : ncc.toFixed(4)}`;
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
    const { key, target } = event;
    if (!this.state) return;
    const typing = target.matches("textarea, select, input:not([type=checkbox])");
    if (typing && key === "Escape") target.blur();
    if (typing || event.metaKey) return;
    if (event.ctrlKey ? !WITH_CONTROL.has(key) : !KEYS.has(key)) return;
    if (target.matches("button, input, summary") && (key === "Enter" || key === " ")) return;
    event.preventDefault();
    const chosen = this.views.get(this.state.view);
    if (!event.ctrlKey) {
      if (key === "+" || key === "=") chosen.zoomBy(1.25);
      else if (key === "-") chosen.zoomBy(0.8);
      else if (key === "0") chosen.fit();
      else if (key === "?" || (key === "Escape" && document.getElementById("keys").open)) this.help();
      else if (key === "l") this.marking = document.getElementById("marking").checked = !this.marking;
    }
    this.push({ key, shift: event.shiftKey, alt: event.altKey, ctrl: event.ctrlKey });
  }

  help() {
    const keys = document.getElementById("keys");
    if (keys.open) keys.close();
    else keys.show();
  }
}

window.ereg = new Page();

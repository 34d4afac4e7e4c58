// hpcdvc-view: what is wanted is compared with what is there, and asked for; one request is on its way at a time.

import { Link, numbersOf } from "./base.js";
import { MAPS } from "./colours.js";
import { Panel } from "./view-panel.js";
import { listenToKeys } from "./view-keys.js";
import { View } from "./view-planes.js";
import { shown } from "./view-words.js";

const CLASSES = 96;
const byId = (id) => document.getElementById(id);

class Page {
  constructor() {
    Object.assign(this, { step: 0, field: null, point: null, view: 1, opacity: 0.75, under: "im1", map: "auto", share: "1 99",
      hand: [0, 1], brush: null, hidden: new Set(), busy: false, told: null, rows: null, distribution: null, before: null });
    this.keys = { step: "", rows: "", distribution: "" };
    this.views = new Map();
    listenToKeys(this);
    this.link = new Link({
      hello: (message) => {
        this.keys = { step: "", rows: "", distribution: "" };
        for (const view of this.views.values()) view.keys = { field: "", grey: "" };
        this.take(message.state);
      },
      message: (message) => {
        if (message.type === "state") this.take(message.state);
        else if (message.type === "loading") byId("loading").textContent = message.text;
        else if (message.type === "error") this.say(message.text);
      },
      lost: (text) => {
        byId("lost").textContent = text;
        this.busy = false;
      },
    });
  }

  say(text) {
    byId("said").textContent = text;
  }

  take(state) {
    this.state = state;
    byId("loading").textContent = state.loading;
    this.panel = this.panel || new Panel(this);
    this.step = Math.min(this.step, Math.max(state.steps.length - 1, 0));
    this.refresh();
  }

  // what is there and what is wanted

  /** Ask for what is missing, and draw; again until nothing is. */
  async refresh() {
    this.say("");
    if (this.busy || !this.link.known || !this.state || !this.state.steps.length) return;
    this.busy = true;
    try {
      while (await this.askOnce());
    } catch (error) {
      if (this.link.known) this.say(error.message);
    }
    this.busy = false;
  }

  /** Whether something was missing. */
  async askOnce() {
    const { step, state } = this, of = `${state.revision} ${step}`;
    if (this.keys.step !== of) {
      this.takeStep(await this.link.send({ type: "step", step }));
      this.keys.step = of;
      return true;
    }
    const { field, point, under } = this, wanted = [];
    for (const [number, view] of this.views) {
      const place = point[view.across];
      const keys = { field: `${of} ${field} ${place}`, grey: `${of} ${under} ${place}` };
      const missing = ["field", "grey"].map((name) => view.keys[name] !== keys[name]);
      if (missing.some(Boolean)) wanted.push({ view, keys, ask: [number, ...missing] });
    }
    const others = [];
    if (this.keys.distribution !== `${of} ${field}`) others.push(this.askDistribution(`${of} ${field}`));
    if (this.told.rows && this.keys.rows !== `${of} ${field}`) others.push(this.askRows(`${of} ${field}`));
    if (!wanted.length && !others.length) return false;
    const views = wanted.map(({ ask }) => ask);
    const [answer] = await Promise.all([views.length && this.link.send({ type: "look", step, field, point, under, views }), ...others]);
    if (answer) {
      const arrays = await arraysOf(answer);
      for (const { view, keys } of wanted) this.takePlane(view, keys, answer, arrays);
    }
    if (this.isResidual()) this.distribution = this.ofViews();
    this.draw();
    return true;
  }

  takePlane(view, keys, answer, arrays) {
    const content = answer.views[view.number], mine = {};
    for (const [name, { shape, data }] of Object.entries(arrays)) {
      const at = name.lastIndexOf(" ");
      if (name.slice(at + 1) !== String(view.number)) continue;
      mine[name.slice(0, at)] = data;
      if (content.field && name.startsWith("labels")) content.field.shape = shape;
      if (content.grey && name.includes("grey")) content.grey.shape = shape;
    }
    view.take(content, mine);
    Object.assign(view.keys, keys);
  }

  async askDistribution(key) {
    const { step, field } = this;
    this.distribution = await this.link.send({ type: "distribution", step, field });
    this.keys.distribution = key;
  }

  async askRows(key) {
    const { step, field } = this;
    const arrays = await arraysOf(await this.link.send({ type: "rows", step, field }));
    this.rows = Object.fromEntries(Object.entries(arrays).map(([name, { data }]) => [name, data]));
    if (this.rows.label) this.rows.rowOf = new Map(Array.from(this.rows.label, (label, row) => [label, row]));
    this.keys.rows = key;
  }

  takeStep(told) {
    const old = this.told;
    this.told = told;
    this.box = told.box;
    const fields = [...told.fields.map((one) => one.key), "returnStatus"];
    if (!fields.includes(this.field)) this.field = fields[0];
    if (!old || JSON.stringify(old.box) !== JSON.stringify(told.box)) this.lay();
    this.panel.takeStep();
  }

  /** The views of a box, from its middle. */
  lay() {
    const { low, high, views } = this.box;
    this.point = this.point && this.inside(this.point) ? this.point : low.map((value, axis) => this.snap(axis, (value + high[axis]) / 2));
    this.views = new Map(views.map(([number, ...axes]) => [number, new View(this, number, ...axes)]));
    if (!this.views.has(this.view)) this.view = 1;
    byId("views").replaceChildren(...[...this.views.values()].map((view) => view.box), byId("beside"));
    byId("views").classList.toggle("flat", this.views.size === 1);
  }

  inside(point) {
    return point.every((value, axis) => value >= this.box.low[axis] && value <= this.box.high[axis]);
  }

  /** The slice that is nearest: a node's plane, a voxel's. */
  snap(axis, value) {
    const { low, high, step, first } = this.box;
    const number = (place, round) => round((place - first[axis]) / step[axis]);
    const [least, most] = [number(low[axis], Math.ceil), number(high[axis], Math.floor)];
    return first[axis] + Math.min(Math.max(number(value, Math.round), least), most) * step[axis];
  }

  draw() {
    for (const view of this.views.values()) {
      view.compose();
      view.stack();
      view.draw();
      view.box.classList.toggle("chosen", view.number === this.view);
      const place = view.field && view.field.place !== undefined ? view.field.place : this.point[view.across];
      const none = view.field && view.field.kind === "none" ? ", nothing there" : "";
      view.label.textContent = `${view.number}  ${"ZYX"[view.across]} ${shown(Number(place.toFixed(1)))}${none}`;
      view.slider.value = this.point[view.across];
    }
    this.panel.show();
    document.body.dataset.drawn = `${this.keys.step} ${this.field} ${this.point.join(" ")}`;
  }

  // what it shows

  isResidual() {
    return this.field.startsWith("im2 - im1");
  }

  facts() {
    return this.told.fields.find((one) => one.key === this.field) || { colours: "viridis", title: "returnStatus", unit: "" };
  }

  mapName() {
    return MAPS[this.map] ? this.map : MAPS[this.facts().colours] ? this.facts().colours : "viridis";
  }

  /** Values at the ends of the colours. */
  range() {
    if (this.share === "hand") return this.hand;
    const found = this.distribution;
    if (!found || !found.points) return [0, 1];
    let [low, high] = this.share.split(" ").map((share) => found.shares[share]);
    if (this.mapName() === "RdBu_r") {
      high = Math.max(Math.abs(low), Math.abs(high));
      low = -high;
    }
    return high > low ? [low, high] : [low - 0.5, low + 0.5];
  }

  /** The distribution of what the views show, of differences, which are made for them alone. */
  ofViews() {
    const known = [];
    for (const { raster } of this.views.values()) if (raster) for (const value of raster.values) if (!Number.isNaN(value)) known.push(value);
    if (!known.length) return { points: 0 };
    const sorted = Float32Array.from(known).sort();
    const at = (share) => sorted[Math.round((share / 100) * (sorted.length - 1))];
    const edges = [at(0), at(100) > at(0) ? at(100) : at(0) + 1e-6], counts = new Array(CLASSES).fill(0);
    for (const value of sorted) counts[Math.min(Math.floor(((value - edges[0]) / (edges[1] - edges[0])) * CLASSES), CLASSES - 1)] += 1;
    const shares = Object.fromEntries([0, 1, 5, 95, 99, 100].map((share) => [share, at(share)]));
    return { points: sorted.length, all: true, shares, edges, counts };
  }

  /** A value in its unit, a length also in that of the size of a voxel. */
  inWords(value) {
    const { unit, edge } = this.facts();
    return edge ? `${shown(value)} ${unit.split(" ")[0]}, ${shown(value * edge[0])} ${edge[1]}` : `${shown(value)} ${unit}`;
  }

  words(raster, k) {
    const words = [], value = raster.values[k], status = raster.status ? raster.status[k] : null;
    if (this.field !== "returnStatus") words.push(Number.isNaN(value) ? "not measured" : this.inWords(value));
    const known = status === null ? null : this.told.statuses.find((one) => one.code === status);
    if (known && (this.field === "returnStatus" || Number.isNaN(value))) words.push(`${status}: ${known.reason}`);
    return words;
  }

  // what people do

  set(facts) {
    Object.assign(this, facts);
    if (this.told && this.views.size) this.draw();
    this.refresh();
  }

  hide(code, hidden) {
    if (hidden) this.hidden.add(code);
    else this.hidden.delete(code);
    this.draw();
  }

  toStep(step) {
    this.step = Math.min(Math.max(step, 0), this.state.steps.length - 1);
    this.refresh();
  }

  toField(field) {
    this.field = field;
    this.brush = null;
    if (this.share === "hand") this.share = "1 99";
    this.refresh();
  }

  choose(number) {
    if (!this.views.has(number)) return;
    this.view = number;
    for (const view of this.views.values()) view.box.classList.toggle("chosen", view.number === number);
  }

  move(axis, value, snapped = false) {
    const point = [...this.point];
    point[axis] = snapped ? this.snap(axis, value) : Math.min(Math.max(value, this.box.low[axis]), this.box.high[axis]);
    this.toPoint(point);
  }

  toPoint(point) {
    this.point = point;
    if (this.views.size === 1) this.draw(); // no plane is new, so that nothing is asked for
    this.refresh();
  }

  slice(way) {
    const { across } = this.views.get(this.view);
    this.move(across, this.point[across] + way * this.box.step[across], true);
  }

  /** Move the cross-hair to a point, and write what is known there. */
  async ask(point) {
    const view = this.views.get(this.view), k = view.pixel(point);
    const owner = k >= 0 && view.raster.owner ? view.raster.owner[k] : -1;
    this.toPoint(point.map((value, axis) => Math.min(Math.max(value, this.box.low[axis]), this.box.high[axis])));
    try {
      const row = owner >= 0 ? { row: owner } : {};
      const answer = await this.link.send({ type: "point", step: this.step, point: this.point, across: view.across, ...row });
      this.panel.takePoint(answer, await arraysOf(answer));
    } catch (error) {
      this.say(error.message);
    }
  }

  help() {
    const keys = byId("keys");
    if (keys.open) keys.close();
    else keys.show();
  }
}

/** Arrays of an answer by name: shape and numbers. */
async function arraysOf(answer) {
  const numbers = await Promise.all(answer.planes.map(numbersOf));
  return Object.fromEntries(answer.planes.map(({ name, shape }, k) => [name, { shape, data: numbers[k] }]));
}

window.view = new Page();

// Slices of im1 with the box, the phases or the residual.

import { numbersOfAll } from "./base.js";
import { table } from "./colours.js";
import { greyText } from "./ereg-views.js";
import { phaseColour } from "./mmr-joint.js";
import { SliceView } from "./views.js";

const TILES = 8;
// of residuals from -127 to 127
const BLUE_TO_RED = table("RdBu_r", 255);
// screen pixels from an edge of the box that still take it
const NEAR = 9;

/** How the planes of a pixel become a colour: sets r, g, b of `pixel`. */
const MODES = {
  im1(at, k, pixel) {
    pixel.fill(at.im1[k]);
  },
  im2(at, k, pixel) {
    pixel.fill(at.inside[k] ? at.im2[k] : 0);
  },
  colours(at, k, pixel) {
    const b = at.inside[k] ? at.im2[k] : 0;
    [pixel[0], pixel[1], pixel[2]] = [at.im1[k], b, at.im1[k]];
  },
  checkerboard(at, k, pixel, odd) {
    pixel.fill(odd ? at.im1[k] : 0);
    if (!odd && at.inside[k]) [pixel[0], pixel[1], pixel[2]] = [at.im2[k] * 0.55, at.im2[k] * 0.85, at.im2[k]];
  },
  phase(at, k, pixel) {
    const number = at.phase ? at.phase[k] : 0;
    pixel.fill(at.im1[k]);
    if (!number) return;
    const colour = phaseColour(number - 1);
    for (let c = 0; c < 3; c++) pixel[c] = 0.45 * at.im1[k] + 0.55 * colour[c];
  },
  residual(at, k, pixel) {
    if (!at.residual || !at.inside[k]) return void pixel.fill(0);
    for (let c = 0; c < 3; c++) pixel[c] = BLUE_TO_RED[3 * (at.residual[k] + 127) + c];
  },
};

class BoxedView extends SliceView {
  // slices: page, mode(), isBox
  constructor(slices, number, axes) {
    super(number, axes, slices.page.shape);
    Object.assign(this, { slices, page: slices.page, planes: {} });
  }

  compose() {
    const { planes } = this;
    if (!planes.im1) return;
    const [rows, columns] = planes.shape;
    const picture = new OffscreenCanvas(columns, rows);
    const context = picture.getContext("2d");
    const image = context.createImageData(columns, rows);
    const tile = Math.max(rows, columns) / TILES;
    const colour = MODES[this.slices.mode()];
    const pixel = [0, 0, 0];
    for (let i = 0, k = 0; i < rows; i++) {
      for (let j = 0; j < columns; j++, k++) {
        colour(planes, k, pixel, (Math.floor(i / tile) + Math.floor(j / tile)) % 2 === 0);
        image.data.set(pixel, 4 * k);
        image.data[4 * k + 3] = 255;
      }
    }
    context.putImageData(image, 0, 0);
    this.setLayers([{ picture, corner: planes.corner, size: planes.size }]);
  }

  crossHair() {
    return this.page.state.point;
  }

  /** The box: left, top, right, bottom on the canvas. */
  edges() {
    const { box } = this.page.state.picked;
    const corner = (end) => this.screen(box.map((ends) => ends[end] - 0.5));
    return [...corner(0), ...corner(1)];
  }

  decorate(context) {
    const [left, top, right, bottom] = this.edges();
    const { width, height } = this.canvas;
    context.fillStyle = "rgba(0, 0, 0, 0.45)";
    context.beginPath();
    context.rect(0, 0, width, height);
    context.rect(left, top, right - left, bottom - top);
    context.fill("evenodd");
    const [first, stop] = this.page.state.picked.box[this.across];
    const at = this.page.state.point[this.across];
    context.setLineDash(at >= first && at < stop ? [] : [6, 6]);
    context.strokeStyle = "#00e5ff";
    context.lineWidth = 2;
    context.strokeRect(left, top, right - left, bottom - top);
    context.lineWidth = 1;
    context.setLineDash([]);
  }

  toSlice(value) {
    const point = [...this.page.state.point];
    point[this.across] = value;
    this.page.push({ do: "point", values: point });
  }

  choose() {
    if (this.page.state.view !== this.number) this.page.push({ do: "show", view: this.number });
    this.held = null;
  }

  turnWheel(sign) {
    this.choose();
    this.page.push({ key: sign > 0 ? "." : "," });
  }

  click(point) {
    this.page.push({ do: "point", values: point });
  }

  drag({ from, to, stroke }) {
    if (!this.slices.isBox) return;
    if (!this.held) this.held = { ends: this.taken(from), box: this.page.state.picked.box.map((ends) => [...ends]) };
    const { ends, box } = this.held;
    const values = box.map((pair, axis) => {
      const [low, high] = ends[axis];
      let by = Math.round(to[axis] - from[axis]);
      if (low && high) by = Math.min(Math.max(by, -pair[0]), this.shape[axis] - pair[1]);
      return [pair[0] + low * by, pair[1] + high * by];
    });
    if (!ends.flat().some(Boolean)) return;
    this.page.state.picked.box = values;
    this.slices.draw();
    this.page.push({ do: "box", values, stroke });
  }

  /** Which ends of the box, low and high along each axis, a point takes hold of. */
  taken(point) {
    const ends = [[0, 0], [0, 0], [0, 0]];
    const [x, y] = this.screen(point);
    const [left, top, right, bottom] = this.edges();
    const near = NEAR * (window.devicePixelRatio || 1);
    const inside = x > left - near && x < right + near && y > top - near && y < bottom + near;
    if (!inside) return ends;
    const pick = (place, low, high) => [Math.abs(place - low) <= near ? 1 : 0, Math.abs(place - high) <= near ? 1 : 0];
    ends[this.right] = pick(x, left, right);
    ends[this.down] = pick(y, top, bottom);
    if (!ends.flat().some(Boolean)) ends[this.right] = ends[this.down] = [1, 1];
    return ends;
  }

  under(point) {
    const { planes } = this;
    if (!planes.im1 || !this.holds(point)) return "";
    const k = this.cell(point, planes);
    if (k < 0) return "";
    const [one, two] = this.slices.windows;
    const words = [`ZYX ${point.map((value) => value.toFixed(1)).join(" ")}`, `im1 ${greyText(planes.im1[k], one)}`];
    words.push(`im2 ${planes.inside[k] ? greyText(planes.im2[k], two) : "-"}`);
    if (planes.phase && planes.inside[k]) {
      words.push(planes.phase[k] ? `phase ${planes.phase[k]}` : "no phase");
      words.push(`residual ${(planes.residual[k] / this.slices.deviation).toFixed(2)}`);
    }
    return words.join("  ");
  }
}

export class Slices {
  // page; place: element of the views; isBox: the box can be dragged; mode(): what is shown; asks(): more of the message
  constructor(page, place, { isBox, mode, asks }) {
    Object.assign(this, { page, isBox, mode, asks, views: new Map() });
    place.classList.toggle("flat", page.state.views.length === 1);
    for (const [number, ...axes] of page.state.views) {
      const view = new BoxedView(this, number, axes);
      this.views.set(number, view);
      place.insertBefore(view.box, place.querySelector(".plane"));
    }
  }

  async load(exact) {
    const answer = await this.page.link.newest({ type: "slices", exact, ...this.asks() });
    if (!answer || !answer.size) return;
    const arrays = await numbersOfAll(answer);
    for (const view of this.views.values()) {
      const place = (values) => [values[view.down], values[view.right]];
      view.planes = { corner: place(answer.first), size: place(answer.size) };
    }
    answer.planes.forEach((plane, k) => {
      const [name, number] = plane.name.split(" ");
      Object.assign(this.views.get(Number(number)).planes, { [name]: arrays[k], shape: plane.shape });
    });
    Object.assign(this, { windows: answer.windows, deviation: answer.deviation });
    for (const view of this.views.values()) view.compose();
    this.draw();
  }

  /** Draw what is there in another mode. */
  redraw() {
    for (const view of this.views.values()) view.compose();
    this.draw();
  }

  draw() {
    const { state } = this.page;
    for (const [number, view] of this.views) {
      view.draw();
      view.box.classList.toggle("chosen", number === state.view);
      view.label.textContent = `${number}  ${"ZYX"[view.across]} ${state.point[view.across].toFixed(0)}`;
      if (document.activeElement !== view.slider) view.slider.value = state.point[view.across];
    }
  }
}

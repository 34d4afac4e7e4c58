// The planes of both images laid over each other, with landmarks; the mouse moves im1.

import { table } from "./colours.js";
import { SliceView } from "./views.js";

// screen pixels of a pixel of the planes from which on finer ones are asked for
const FINER = 1.3;
// colours of canvas pixels, as one number
const packed = (r, g, b) => ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0;
const GREY = Uint32Array.from({ length: 256 }, (_, v) => packed(v, v, v));
// of differences from -255 to 255, as reports have them
const BLUE_TO_RED = table("RdBu_r", 511);
const DIFFERENCES = Uint32Array.from({ length: 511 }, (_, k) => packed(...BLUE_TO_RED.subarray(3 * k, 3 * k + 3)));
const NOTHING = GREY[90];

/** How two grey values become a colour, by mode; where im1 has no value, `outside`. */
const MODES = {
  colours: () => ({ inside: (a, b) => packed(a, b, a), outside: (b) => packed(0, b, 0) }),
  swapped: () => ({ inside: (a, b) => packed(a, (a + b) >> 1, b), outside: (b) => packed(0, b >> 1, b) }),
  blend: ({ blend }) => ({ inside: (a, b) => GREY[Math.round((1 - blend) * a + blend * b)], outside: (b) => GREY[b] }),
  difference: () => ({ inside: (a, b) => DIFFERENCES[b - a + 255], outside: () => NOTHING }),
  absolute: () => ({ inside: (a, b) => GREY[Math.abs(b - a)], outside: () => NOTHING }),
  im1: () => ({ inside: (a) => GREY[a], outside: () => GREY[0] }),
  im2: () => ({ inside: (a, b) => GREY[b], outside: (b) => GREY[b] }),
};

/** Fills the colours of a checkerboard of both images, squares of `tile` voxels. */
function checkerboard({ im1, inside, im2, shape, corner, size }, colours, tile) {
  const square = (k, axis) => Math.floor((corner[axis] + k * size[axis] + 0.5) / tile);
  for (let i = 0, k = 0; i < shape[0]; i++) {
    for (let j = 0; j < shape[1]; j++, k++) {
      const first = (square(i, 0) + square(j, 1)) % 2 === 0;
      colours[k] = GREY[first ? (inside[k] ? im1[k] : 0) : im2[k]];
    }
  }
}

/** A picture of planes { im1, inside, im2, shape, corner, size } in the mode of `state`; `tile`: edge of the squares of the
 * checkerboard, voxels; `before`: a picture that may be used again. */
export function compose(planes, state, tile, phase, before) {
  const [rows, columns] = planes.shape;
  const same = before && before.width === columns && before.height === rows;
  const picture = same ? before : new OffscreenCanvas(columns, rows);
  const context = picture.getContext("2d");
  const image = context.createImageData(columns, rows);
  const colours = new Uint32Array(image.data.buffer);
  let mode = state.mode === "colours" && state.swapped ? "swapped" : state.mode;
  if (state.flicker) mode = phase ? "im2" : "im1";
  if (mode === "checkerboard") checkerboard(planes, colours, tile);
  else {
    const { im1, im2, inside } = planes;
    const colour = MODES[mode](state);
    for (let k = 0; k < colours.length; k++) colours[k] = inside[k] ? colour.inside(im1[k], im2[k]) : colour.outside(im2[k]);
  }
  context.putImageData(image, 0, 0);
  return picture;
}

/** A grey value, of 0 to 255 of a window, as text. */
export function greyText(value, [low, high]) {
  return (low + ((high - low) * value) / 255).toPrecision(4);
}

export class View extends SliceView {
  // page: state, push(action), greys.windows, size, phase, marking, moved(), rest()
  constructor(page, number, axes) {
    super(number, axes, page.shape);
    Object.assign(this, { page, planes: null, detail: null, asked: "", slice: null, exact: false });
  }

  /** Take planes that the server has sent, { im1, inside, im2 } as far as they are new. */
  take(arrays, facts) {
    this.planes = { ...this.planes, ...arrays, ...facts };
  }

  compose() {
    if (!this.planes || !this.planes.im1 || !this.planes.im2) return;
    const tile = Math.max(this.shape[this.down], this.shape[this.right]) / this.page.state.tiles;
    const { state, phase } = this.page;
    this.setLayers([this.planes, this.detail].filter(Boolean).map((planes, k) => ({
      picture: compose(planes, state, tile, phase, this.layers[k] && this.layers[k].picture),
      corner: planes.corner,
      size: planes.size,
    })));
  }

  /** What is seen has changed: what was finer is of what was seen before. */
  forget() {
    Object.assign(this, { detail: null, asked: "" });
  }

  /** The part to ask for in voxels of the images, or null: pixels of the screen are not finer than those that are there. */
  wanted() {
    const { down, right, scale } = this.region();
    const finer = scale * Math.max(...this.page.size) > FINER && down[1] >= down[0] && right[1] >= right[0];
    const asked = JSON.stringify([down, right]);
    if (!finer || asked === this.asked) return null;
    this.asked = asked;
    return { view: this.number, down, right };
  }

  looked() {
    this.page.rest();
  }

  crossHair() {
    return this.page.state.point;
  }

  decorate(context) {
    context.fillStyle = context.strokeStyle = "#00e5ff";
    this.page.state.landmarks.forEach(([, point], k) => this.mark(context, point, String(k + 1)));
  }

  mark(context, point, text) {
    if (Math.abs(point[this.across] - this.page.state.point[this.across]) > 3 * this.page.size[this.across]) return;
    const [x, y] = this.screen(point);
    context.beginPath();
    context.arc(x, y, 6, 0, 2 * Math.PI);
    context.stroke();
    context.fillText(text, x + 8, y - 4);
  }

  toSlice(value) {
    const point = [...this.page.state.point];
    point[this.across] = value;
    this.page.push({ do: "point", values: point });
  }

  choose() {
    if (this.page.state.view !== this.number) this.page.push({ do: "show", view: this.number });
  }

  turnWheel(sign) {
    this.choose();
    this.page.push({ key: sign > 0 ? "." : "," });
  }

  click(point) {
    this.page.push({ do: this.page.marking ? "landmark" : "point", values: point });
  }

  drag({ by, last, to, event, stroke }) {
    const { page, down, right } = this;
    if (!event.shiftKey) {
      page.push({ do: "drag", view: this.number, by, stroke });
      return;
    }
    const middle = page.moved();
    const angle = (point) => Math.atan2(point[down] - middle[down], point[right] - middle[right]);
    const turned = ((angle(to) - angle(last)) * 180) / Math.PI;
    page.push({ do: "turn", view: this.number, degrees: ((((turned + 180) % 360) + 360) % 360) - 180, stroke });
  }

  /** Coordinates and grey values, of the finest planes that are there. */
  under(point) {
    if (!this.planes || !this.holds(point)) return "";
    const text = [this.detail, this.planes].filter(Boolean).map((planes) => this.greys(planes, point)).find(Boolean);
    return text ? `ZYX ${point.map((value) => value.toFixed(1)).join(" ")}  ${text}` : "";
  }

  greys(planes, point) {
    const k = this.cell(point, planes);
    if (k < 0) return "";
    const { im1, im2, inside } = planes;
    const [first, second] = this.page.greys.windows;
    return `im1 ${inside[k] ? greyText(im1[k], first) : "-"}  im2 ${greyText(im2[k], second)}`;
  }
}

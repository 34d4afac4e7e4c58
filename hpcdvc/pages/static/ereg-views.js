// The planes of both images laid over each other, with landmarks; the mouse moves im1.

import { SliceView } from "./views.js";

// ColorBrewer's RdBu from blue to red, as differences have it in reports
export const BLUE_TO_RED = [[5, 48, 97], [33, 102, 172], [67, 147, 195], [146, 197, 222], [209, 229, 240], [247, 247, 247],
  [253, 219, 199], [244, 165, 130], [214, 96, 77], [178, 24, 43], [103, 0, 31]];

/** How two grey values become a colour, by mode: sets r, g, b of `pixel`. */
const MODES = {
  colours(a, b, pixel, state) {
    if (state.swapped) [pixel[0], pixel[1], pixel[2]] = [a, (a + b) / 2, b];
    else [pixel[0], pixel[1], pixel[2]] = [a, b, a];
  },
  blend(a, b, pixel, state) {
    pixel.fill((1 - state.blend) * a + state.blend * b);
  },
  difference(a, b, pixel) {
    const place = ((b - a + 255) / 510) * (BLUE_TO_RED.length - 1);
    const low = Math.min(Math.floor(place), BLUE_TO_RED.length - 2);
    for (let k = 0; k < 3; k++) pixel[k] = BLUE_TO_RED[low][k] + (place - low) * (BLUE_TO_RED[low + 1][k] - BLUE_TO_RED[low][k]);
  },
  absolute(a, b, pixel) {
    pixel.fill(Math.abs(b - a));
  },
  im1(a, b, pixel) {
    pixel.fill(a);
  },
  im2(a, b, pixel) {
    pixel.fill(b);
  },
};

/** A picture of planes { im1, inside, im2, shape, corner, size } in the mode of `state`; `tile` is the edge of the squares of the checkerboard, voxels. */
export function compose(planes, state, tile, phase, before) {
  const [rows, columns] = planes.shape;
  const same = before && before.width === columns && before.height === rows;
  const picture = same ? before : new OffscreenCanvas(columns, rows);
  const context = picture.getContext("2d");
  const image = context.createImageData(columns, rows);
  let { mode } = state;
  if (state.flicker) mode = phase ? "im2" : "im1";
  const colour = MODES[mode];
  const pixel = [0, 0, 0];
  const black = mode === "colours" || mode === "im1";
  const square = (k, axis) => Math.floor((planes.corner[axis] + k * planes.size[axis] + 0.5) / tile);
  for (let i = 0, k = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++, k++) {
      const b = planes.im2[k];
      const inside = planes.inside[k];
      if (mode === "checkerboard") {
        const first = (square(i, 0) + square(j, 1)) % 2 === 0;
        pixel.fill(first && inside ? planes.im1[k] : first ? 0 : b);
      } else if (inside || black) colour(inside ? planes.im1[k] : 0, b, pixel, state);
      else if (mode === "difference" || mode === "absolute") pixel.fill(90);
      else pixel.fill(b);
      image.data[4 * k] = pixel[0];
      image.data[4 * k + 1] = pixel[1];
      image.data[4 * k + 2] = pixel[2];
      image.data[4 * k + 3] = 255;
    }
  }
  context.putImageData(image, 0, 0);
  return picture;
}

export class View extends SliceView {
  // page: state, push(action), greys.windows, size, phase, marking, moved()
  constructor(page, number, axes) {
    super(number, axes, page.shape);
    Object.assign(this, { page, planes: null, slice: null, exact: false });
  }

  /** Take planes that the server has sent, { im1, inside, im2 } as far as they are new. */
  take(arrays, facts) {
    this.planes = { ...this.planes, ...arrays, ...facts };
  }

  compose() {
    if (!this.planes || !this.planes.im1 || !this.planes.im2) return;
    const tile = Math.max(this.shape[this.down], this.shape[this.right]) / this.page.state.tiles;
    const before = this.layers.length ? this.layers[0].picture : null;
    const picture = compose(this.planes, this.page.state, tile, this.page.phase, before);
    this.setLayers([{ picture, corner: this.planes.corner, size: this.planes.size }]);
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

  /** Coordinates and grey values. */
  under(point) {
    if (!this.planes || !this.holds(point)) return "";
    const { corner, size, shape, im1, im2, inside } = this.planes;
    const cell = [this.down, this.right].map((axis, k) => Math.floor((point[axis] - corner[k]) / size[k] + 0.5));
    if (!cell.every((value, k) => value >= 0 && value < shape[k])) return "";
    const k = cell[0] * shape[1] + cell[1];
    const [first, second] = this.page.greys.windows;
    const grey = (value, [low, high]) => (low + ((high - low) * value) / 255).toPrecision(4);
    const place = point.map((value) => value.toFixed(1)).join(" ");
    return `ZYX ${place}  im1 ${inside[k] ? grey(im1[k], first) : "-"}  im2 ${grey(im2[k], second)}`;
  }
}

// The views of hpcdvc-view: the raster of a plane becomes a picture over the grey values; the mouse on it.

import { MAPS, greyImage, rgb } from "./colours.js";
import { BUILD } from "./view-raster.js";
import { SliceView } from "./views.js";

export class View extends SliceView {
  constructor(page, number, across, down, right) {
    super(number, [across, down, right], [1, 1, 1]);
    Object.assign(this, { page, raster: null, grey: null, keys: { field: "", grey: "" } });
    Object.assign(this.slider, { min: page.box.low[across], max: page.box.high[across], step: "any" });
  }

  crossHair() { return this.page.point; }
  toSlice(value) { this.page.move(this.across, value, true); }
  choose() { this.page.choose(this.number); }
  click(point) { this.page.ask(point); }

  turnWheel(sign) {
    this.choose();
    this.page.slice(sign);
  }

  drag({ by }) {
    const { scale } = this.frame();
    this.pan = [this.pan[0] + by[1] * scale, this.pan[1] + by[0] * scale];
    this.draw();
  }

  /** Coordinates, value and status below the mouse. */
  under(point) {
    const k = this.pixel(point), words = [`ZYX ${point.map((value) => value.toFixed(1)).join(" ")}`];
    if (k >= 0 && this.raster.covered[k]) words.push(...this.page.words(this.raster, k));
    return words.join("  ");
  }

  /** Take what the server has sent of the field of a plane, or of its grey values: arrays by name. */
  take(content, planes) {
    if (content.field) {
      this.field = { ...content.field, planes };
      this.build();
    }
    if (content.grey) this.grey = content.grey.kind === "none" ? null : { ...content.grey, values: planes.grey, picture: null };
  }

  build() {
    const { field, page } = this;
    this.raster = field && BUILD[field.kind] ? BUILD[field.kind](this, field, page.rows) : null;
  }

  /** The picture of the field, and of where nothing was measured. */
  compose() {
    const { raster, page } = this;
    this.picture = this.lost = null;
    if (!raster) return;
    const { rows, columns } = raster;
    const image = new ImageData(columns, rows), lost = new ImageData(columns, rows);
    const [low, high] = page.range();
    const table = MAPS[page.mapName()], scale = 255 / (high - low || 1), [from, to] = page.brush || [-Infinity, Infinity];
    const colours = new Map(page.told.statuses.map((one) => [one.code, rgb(one.colour)]));
    const categorical = page.field === "returnStatus";
    for (let k = 0; k < rows * columns; k++) {
      if (!raster.covered[k]) continue;
      const status = raster.status ? raster.status[k] : null;
      if (status !== null && page.hidden.has(status)) continue;
      const value = raster.values[k];
      if (categorical) {
        if (status !== null) image.data.set([...(colours.get(status) || [0, 0, 0]), 255], 4 * k);
      } else if (Number.isNaN(value)) lost.data.set([255, 255, 255, 255], 4 * k);
      else if (value >= from && value <= to) {
        const at = 3 * Math.round(Math.min(Math.max((value - low) * scale, 0), 255));
        image.data[4 * k] = table[at];
        image.data[4 * k + 1] = table[at + 1];
        image.data[4 * k + 2] = table[at + 2];
        image.data[4 * k + 3] = 255;
      }
    }
    this.picture = canvasOf(image);
    this.lost = canvasOf(lost);
  }

  /** See SliceView; what is seen is a box, which need not begin at voxel 0. */
  frame() {
    const { width, height } = this.canvas;
    const { low, high } = this.page.box;
    const [tall, wide] = [this.down, this.right].map((axis) => high[axis] - low[axis]);
    const scale = Math.min(width / wide, height / tall) * this.zoom;
    const [x, y] = [(width - scale * wide) / 2 + this.pan[0], (height - scale * tall) / 2 + this.pan[1]];
    return { scale, x: x - scale * (low[this.right] + 0.5), y: y - scale * (low[this.down] + 0.5) };
  }

  /** Number of the pixel of the raster at a point; -1 outside. */
  pixel(point) {
    const { raster } = this;
    return raster ? this.cell(point, { shape: [raster.rows, raster.columns], corner: raster.first, size: raster.step }) : -1;
  }

  /** The grey values and the field over them, for `draw`. */
  stack() {
    const layers = [], grey = this.greyPicture();
    if (grey) layers.push({ picture: grey, corner: this.grey.first, size: this.grey.step });
    if (this.picture) {
      const opacity = grey && !this.page.isResidual() ? this.page.opacity : 1;
      layers.push({ picture: this.picture, corner: this.raster.first, size: this.raster.step, opacity });
    }
    this.setLayers(layers);
  }

  cross() {} // drawn when all the rest is

  decorate(context) {
    const { width, height } = this.canvas;
    if (this.lost) context.drawImage(this.hatched(width, height), 0, 0);
    context.lineWidth = 3; // dark beside light: seen on every colour
    context.strokeStyle = "rgba(0, 0, 0, 0.6)";
    const [x, y] = this.screen(this.page.point);
    context.strokeRect(x, -9, 0, height + 18);
    context.strokeRect(-9, y, width + 18, 0);
    context.lineWidth = 1;
    super.cross(context, [x, y], width, height);
  }

  /** What was not measured: a hatch that no colour map has. */
  hatched(width, height) {
    const canvas = new OffscreenCanvas(width, height), context = canvas.getContext("2d");
    const { first, step } = this.raster, { scale, x, y } = this.frame();
    const place = [x + scale * (first[1] + 0.5 - step[1] / 2), y + scale * (first[0] + 0.5 - step[0] / 2)];
    context.imageSmoothingEnabled = scale * step[1] < 1;
    context.drawImage(this.lost, ...place, scale * step[1] * this.lost.width, scale * step[0] * this.lost.height);
    context.globalCompositeOperation = "source-in";
    context.fillStyle = context.createPattern(hatch(), "repeat");
    context.fillRect(0, 0, width, height);
    return canvas;
  }

  greyPicture() {
    if (!this.grey) return null;
    if (!this.grey.picture) this.grey.picture = canvasOf(greyImage(this.grey.values, this.grey.shape));
    return this.grey.picture;
  }
}

function canvasOf(image) {
  const canvas = new OffscreenCanvas(image.width, image.height);
  canvas.getContext("2d").putImageData(image, 0, 0);
  return canvas;
}

let pattern = null;

function hatch() {
  if (pattern) return pattern;
  pattern = new OffscreenCanvas(8, 8);
  const context = pattern.getContext("2d");
  context.fillStyle = "rgba(120, 120, 120, 0.75)";
  context.fillRect(0, 0, 8, 8);
  context.strokeStyle = "rgba(205, 205, 205, 0.9)";
  for (const x of [-8, 0, 8]) {
    context.beginPath();
    context.moveTo(x, 8);
    context.lineTo(x + 8, 0);
    context.stroke();
  }
  return pattern;
}

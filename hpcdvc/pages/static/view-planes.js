// The views of hpcdvc-view: the raster of a plane becomes a picture over the grey values; the mouse on it.

import { MAPS, rgb } from "./colours.js";
import { BUILD } from "./view-raster.js";

const AXES = "ZYX";
export class View {
  constructor(page, number, across, down, right) {
    Object.assign(this, { page, number, across, down, right, zoom: 1, pan: [0, 0], raster: null, grey: null });
    this.keys = { field: "", grey: "" };
    this.box = document.createElement("div");
    this.box.className = "view";
    this.label = Object.assign(document.createElement("p"), { className: "label" });
    this.under = Object.assign(document.createElement("p"), { className: "under" });
    this.canvas = document.createElement("canvas");
    this.canvas.setAttribute("role", "img");
    this.canvas.setAttribute("aria-label", `View ${number}, across ${AXES[across]}`);
    this.slider = Object.assign(document.createElement("input"), { type: "range", step: "any" });
    this.slider.setAttribute("aria-label", `slice of view ${number}, ${AXES[across]}`);
    this.slider.addEventListener("input", () => page.move(this.across, Number(this.slider.value), true));
    this.box.append(this.canvas, this.label, this.under, this.slider);
    new ResizeObserver(() => this.draw()).observe(this.canvas);
    this.listen();
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

  /** Screen pixels per voxel, and where the corner of the box lies. */
  frame() {
    const { width, height } = this.canvas;
    const { low, high } = this.page.box;
    const [tall, wide] = [this.down, this.right].map((axis) => high[axis] - low[axis]);
    const scale = Math.min(width / wide, height / tall) * this.zoom;
    return { scale, x: (width - scale * wide) / 2 + this.pan[0], y: (height - scale * tall) / 2 + this.pan[1] };
  }

  /** Place on the canvas of voxel coordinates down and right. */
  screen(down, right) {
    const { scale, x, y } = this.frame();
    const { low } = this.page.box;
    return [x + scale * (right - low[this.right]), y + scale * (down - low[this.down])];
  }

  /** Point (ZYX, voxels) below a place of the window. */
  point(event) {
    const box = this.canvas.getBoundingClientRect();
    const ratio = this.canvas.width / box.width;
    const { scale, x, y } = this.frame();
    const { low } = this.page.box;
    const point = [...this.page.point];
    point[this.down] = low[this.down] + ((event.clientY - box.top) * ratio - y) / scale;
    point[this.right] = low[this.right] + ((event.clientX - box.left) * ratio - x) / scale;
    return point;
  }

  /** Number of the pixel of the raster at a point; -1 outside. */
  pixel(point) {
    const { raster } = this;
    if (!raster) return -1;
    const i = Math.round((point[this.down] - raster.first[0]) / raster.step[0]);
    const j = Math.round((point[this.right] - raster.first[1]) / raster.step[1]);
    return i >= 0 && j >= 0 && i < raster.rows && j < raster.columns ? i * raster.columns + j : -1;
  }

  draw() {
    const box = this.canvas.getBoundingClientRect();
    const ratio = window.devicePixelRatio || 1;
    const [width, height] = [Math.max(1, Math.round(box.width * ratio)), Math.max(1, Math.round(box.height * ratio))];
    if (this.canvas.width !== width || this.canvas.height !== height) Object.assign(this.canvas, { width, height });
    const context = this.canvas.getContext("2d");
    context.fillStyle = "#000";
    context.fillRect(0, 0, width, height);
    if (!this.page.told) return;
    const grey = this.greyPicture();
    if (grey) this.lay(context, grey, this.grey.first, this.grey.step);
    if (this.picture) {
      context.globalAlpha = grey && !this.page.isResidual() ? this.page.opacity : 1;
      this.lay(context, this.picture, this.raster.first, this.raster.step);
      context.globalAlpha = 1;
      context.drawImage(this.hatched(width, height), 0, 0);
    }
    this.crossHair(context, width, height);
  }

  lay(context, picture, first, step) {
    const [x, y] = this.screen(first[0] - step[0] / 2, first[1] - step[1] / 2);
    const { scale } = this.frame();
    context.imageSmoothingEnabled = scale * step[1] < 1;
    context.drawImage(picture, x, y, scale * step[1] * picture.width, scale * step[0] * picture.height);
  }

  /** What was not measured: a hatch that no colour map has. */
  hatched(width, height) {
    const canvas = new OffscreenCanvas(width, height), context = canvas.getContext("2d");
    this.lay(context, this.lost, this.raster.first, this.raster.step);
    context.globalCompositeOperation = "source-in";
    context.fillStyle = context.createPattern(hatch(), "repeat");
    context.fillRect(0, 0, width, height);
    return canvas;
  }

  greyPicture() {
    if (!this.grey) return null;
    if (!this.grey.picture) {
      const { values } = this.grey;
      const [rows, columns] = this.grey.shape, image = new ImageData(columns, rows);
      for (let k = 0; k < values.length; k++) image.data.set([values[k], values[k], values[k], 255], 4 * k);
      this.grey.picture = canvasOf(image);
    }
    return this.grey.picture;
  }

  crossHair(context, width, height) {
    const [cx, cy] = this.screen(this.page.point[this.down], this.page.point[this.right]);
    for (const [colour, wide] of [["rgba(0, 0, 0, 0.6)", 3], ["rgba(255, 213, 74, 0.9)", 1]]) {
      context.strokeStyle = colour;
      context.lineWidth = wide;
      context.beginPath();
      context.moveTo(cx, 0);
      context.lineTo(cx, height);
      context.moveTo(0, cy);
      context.lineTo(width, cy);
      context.stroke();
    }
  }

  zoomBy(factor) {
    this.zoom = Math.min(Math.max(this.zoom * factor, 0.5), 40);
    this.pan = this.pan.map((value) => value * factor);
    this.draw();
  }

  fit() {
    Object.assign(this, { zoom: 1, pan: [0, 0] });
    this.draw();
  }

  listen() {
    const { canvas, page } = this;
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      page.choose(this.number);
      if (event.ctrlKey) this.zoomBy(event.deltaY < 0 ? 1.25 : 0.8);
      else page.slice(event.deltaY > 0 ? 1 : -1);
    }, { passive: false });
    canvas.addEventListener("pointerdown", (event) => {
      event.preventDefault();
      document.activeElement.blur();
      canvas.setPointerCapture(event.pointerId);
      this.grip = { x: event.clientX, y: event.clientY, moved: 0 };
      page.choose(this.number);
    });
    canvas.addEventListener("pointermove", (event) => (this.grip ? this.drag(event) : this.read(event)));
    canvas.addEventListener("pointerup", (event) => {
      const { grip } = this;
      this.grip = null;
      if (grip && grip.moved <= 3 && page.told) page.ask(this.point(event));
    });
    canvas.addEventListener("pointerleave", () => (this.under.textContent = ""));
  }

  drag(event) {
    const { grip } = this;
    const [dx, dy] = [event.clientX - grip.x, event.clientY - grip.y];
    grip.moved += Math.abs(dx) + Math.abs(dy);
    if (grip.moved <= 3) return;
    const ratio = this.canvas.width / this.canvas.getBoundingClientRect().width;
    this.pan = [this.pan[0] + dx * ratio, this.pan[1] + dy * ratio];
    Object.assign(grip, { x: event.clientX, y: event.clientY });
    this.draw();
  }

  /** Coordinates, value and status below the mouse. */
  read(event) {
    if (!this.page.told) return;
    const point = this.point(event), k = this.pixel(point);
    const words = [`ZYX ${point.map((value) => value.toFixed(1)).join(" ")}`];
    if (k >= 0 && this.raster.covered[k]) words.push(...this.page.words(this.raster, k));
    this.under.textContent = words.join("  ");
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

// A view of a slice: a canvas with zoom, pan, cross-hair and slider. Pages inherit and say what is drawn and what the
// mouse does. All places are voxels of the volume, ZYX; what was read of it may be coarser (layers).
//
//   class View extends SliceView {
//     crossHair()            the point (ZYX) where the views meet, or null
//     decorate(context)      draw over the layers; `this.screen(point)` says where
//     under(point)           text for what is below the mouse
//     toSlice(value)         slider; turnWheel(sign), choose(), click(point), drag(move), looked(): see below
//   }
//   view.setLayers([{ picture, corner: [down, right], size: [down, right], opacity }, ...]); view.draw()

const AXES = "ZYX";
const ZOOM = [0.5, 64];
// screen pixels that a mouse moves before it is a drag
const STILL = 3;

export class SliceView {
  constructor(number, [across, down, right], shape) {
    Object.assign(this, { number, across, down, right, shape, zoom: 1, pan: [0, 0], layers: [] });
    const make = (name, facts) => Object.assign(document.createElement(name), facts);
    this.box = make("div", { className: "view" });
    this.label = make("p", { className: "label" });
    this.below = make("p", { className: "under" });
    this.canvas = document.createElement("canvas");
    this.canvas.setAttribute("role", "img");
    this.canvas.setAttribute("aria-label", `View ${number}, across ${AXES[across]}`);
    this.slider = make("input", { type: "range", min: 0, max: shape[across] - 1, step: 1 });
    this.slider.setAttribute("aria-label", `slice of view ${number}, ${AXES[across]}`);
    this.slider.addEventListener("input", () => this.toSlice(Number(this.slider.value)));
    this.box.append(this.canvas, this.label, this.below, this.slider);
    new ResizeObserver(() => {
      this.draw();
      this.looked();
    }).observe(this.canvas);
    this.listen();
  }

  // to be said by pages

  crossHair() { return null; }
  decorate() {}
  under() { return ""; }
  /** The slider stands at a slice. */
  toSlice() {}
  /** The wheel was turned by one notch, sign 1 or -1. */
  turnWheel() {}
  /** The mouse was pressed here. */
  choose() {}
  /** It was let go where it was pressed, at a point (ZYX). */
  click() {}
  /** It is dragged: by [down, right] voxels, from a point to a point (ZYX); `event` knows its keys, `stroke` names the drag. */
  drag() {}
  /** Another part is seen: `region()`. */
  looked() {}

  /** Pictures from the coarsest to the finest, each with the place of the middle of its first pixel, the size of its pixels and perhaps its opacity. */
  setLayers(layers) {
    this.layers = layers;
  }

  /** Screen pixels per voxel, and where the corner of voxel 0 lies. */
  frame() {
    const { width, height } = this.canvas;
    const [rows, columns] = [this.shape[this.down], this.shape[this.right]];
    const scale = Math.min(width / columns, height / rows) * this.zoom;
    return { scale, x: (width - scale * columns) / 2 + this.pan[0], y: (height - scale * rows) / 2 + this.pan[1] };
  }

  /** Place [x, y] on the canvas of a point. */
  screen(point) {
    const { scale, x, y } = this.frame();
    return [x + scale * (point[this.right] + 0.5), y + scale * (point[this.down] + 0.5)];
  }

  /** Place [x, y] on the canvas of a place of the window. */
  place(event) {
    const box = this.canvas.getBoundingClientRect();
    const ratio = this.canvas.width / (box.width || 1);
    return [(event.clientX - box.left) * ratio, (event.clientY - box.top) * ratio];
  }

  /** Point below a place of the window, in the slice of the cross-hair. */
  point(event) {
    const { scale, x, y } = this.frame();
    const [px, py] = this.place(event);
    const point = [...(this.crossHair() || [0, 0, 0])];
    point[this.right] = (px - x) / scale - 0.5;
    point[this.down] = (py - y) / scale - 0.5;
    return point;
  }

  /** Number of the pixel of planes { shape, corner, size } at a point, row by row; -1 outside. */
  cell(point, { shape, corner, size }) {
    const [i, j] = [this.down, this.right].map((axis, k) => Math.floor((point[axis] - corner[k]) / size[k] + 0.5));
    return i >= 0 && j >= 0 && i < shape[0] && j < shape[1] ? i * shape[1] + j : -1;
  }

  /** Whether a point lies in the volume. */
  holds(point) {
    return [this.down, this.right].every((axis) => point[axis] >= -0.5 && point[axis] < this.shape[axis] - 0.5);
  }

  /** What is seen: first and last voxel down and right, and screen pixels per voxel. */
  region() {
    const { scale, x, y } = this.frame();
    const { width, height } = this.canvas;
    const range = (from, reach, n) => [Math.max(0, Math.floor(-from / scale)), Math.min(n, Math.ceil((reach - from) / scale)) - 1];
    return { down: range(y, height, this.shape[this.down]), right: range(x, width, this.shape[this.right]), scale };
  }

  draw() {
    const box = this.canvas.getBoundingClientRect();
    const ratio = window.devicePixelRatio || 1;
    const [width, height] = [Math.max(1, Math.round(box.width * ratio)), Math.max(1, Math.round(box.height * ratio))];
    if (this.canvas.width !== width || this.canvas.height !== height) Object.assign(this.canvas, { width, height });
    const context = this.canvas.getContext("2d");
    context.fillStyle = "#000";
    context.fillRect(0, 0, width, height);
    if (!this.layers.length) return;
    const { scale, x, y } = this.frame();
    for (const { picture, corner, size, opacity = 1 } of this.layers) {
      context.globalAlpha = opacity;
      const step = [size[0] * scale, size[1] * scale];
      context.imageSmoothingEnabled = step[0] < 1;
      const left = x + scale * (corner[1] + 0.5) - step[1] / 2;
      const top = y + scale * (corner[0] + 0.5) - step[0] / 2;
      context.drawImage(picture, left, top, step[1] * picture.width, step[0] * picture.height);
    }
    context.globalAlpha = 1;
    const point = this.crossHair();
    if (point) this.cross(context, this.screen(point), width, height);
    this.decorate(context);
  }

  cross(context, [x, y], width, height) {
    context.strokeStyle = "rgba(255, 213, 74, 0.55)";
    context.beginPath();
    context.moveTo(x, 0);
    context.lineTo(x, height);
    context.moveTo(0, y);
    context.lineTo(width, y);
    context.stroke();
  }

  /** Zoom; what lies at a place [x, y] of the canvas stays there, by default its middle. */
  zoomBy(factor, at = null) {
    const zoom = Math.min(Math.max(this.zoom * factor, ZOOM[0]), ZOOM[1]);
    const by = zoom / this.zoom;
    const from = at ? [at[0] - this.canvas.width / 2, at[1] - this.canvas.height / 2] : [0, 0];
    this.pan = this.pan.map((value, k) => from[k] + (value - from[k]) * by);
    this.zoom = zoom;
    this.draw();
    this.looked();
  }

  fit() {
    Object.assign(this, { zoom: 1, pan: [0, 0] });
    this.draw();
    this.looked();
  }

  listen() {
    const { canvas } = this;
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      if (event.ctrlKey) this.zoomBy(event.deltaY < 0 ? 1.25 : 0.8, this.place(event));
      else this.turnWheel(event.deltaY > 0 ? 1 : -1);
    }, { passive: false });
    canvas.addEventListener("pointerdown", (event) => {
      if (event.button > 1) return;
      event.preventDefault();
      document.activeElement.blur();
      canvas.setPointerCapture(event.pointerId);
      const from = this.point(event);
      this.grip = { x: event.clientX, y: event.clientY, button: event.button, moved: 0, from, stroke: `${performance.now()}` };
      this.choose();
    });
    canvas.addEventListener("pointermove", (event) => {
      if (this.grip) this.pull(event);
      else this.below.textContent = this.layers.length ? this.under(this.point(event)) : "";
    });
    canvas.addEventListener("pointerup", (event) => {
      const { grip } = this;
      this.grip = null;
      if (!grip) return;
      if (grip.moved <= STILL && !grip.button) this.click(this.point(event));
    });
    canvas.addEventListener("pointercancel", () => (this.grip = null));
    canvas.addEventListener("pointerleave", () => (this.below.textContent = ""));
  }

  pull(event) {
    const { grip } = this;
    const [dx, dy] = [event.clientX - grip.x, event.clientY - grip.y];
    grip.moved += Math.abs(dx) + Math.abs(dy);
    if (grip.moved <= STILL) return;
    const ratio = this.canvas.width / (this.canvas.getBoundingClientRect().width || 1);
    if (grip.button === 1) {
      this.pan = [this.pan[0] + dx * ratio, this.pan[1] + dy * ratio];
      this.draw();
      this.looked();
    } else {
      const { scale } = this.frame();
      const to = this.point(event);
      this.drag({ by: [(dy * ratio) / scale, (dx * ratio) / scale], from: grip.from, to, last: grip.last || grip.from, event, stroke: grip.stroke });
      grip.last = to;
    }
    Object.assign(grip, { x: event.clientX, y: event.clientY });
  }
}

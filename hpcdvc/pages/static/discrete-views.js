// A label that is repaired with its contour, and the map of all labels.

import { View, compose } from "./ereg-views.js";
import { SliceView } from "./views.js";

const OTHER = 1, OWN = 2;

/** Edges between pixels of a mark and all others, in pixels of the plane. */
function contour(marks, [rows, columns], mark) {
  const path = new Path2D();
  const is = (i, j) => i >= 0 && j >= 0 && i < rows && j < columns && marks[i * columns + j] === mark;
  for (let i = 0; i <= rows; i++) {
    for (let j = 0; j <= columns; j++) {
      if (is(i, j) !== is(i - 1, j)) {
        path.moveTo(j, i);
        path.lineTo(j + 1, i);
      }
      if (is(i, j) !== is(i, j - 1)) {
        path.moveTo(j, i);
        path.lineTo(j, i + 1);
      }
    }
  }
  return path;
}

/** The surroundings of a label; what is not read of the images is not there. */
export class LabelView extends View {
  take(arrays, facts) {
    super.take(arrays, facts);
    const { marks, shape } = this.planes;
    if (arrays.marks) this.contours = [[contour(marks, shape, OTHER), "#7f8b96", 1], [contour(marks, shape, OWN), "#ffd166", 2]];
  }

  compose() {
    if (!this.planes || !this.planes.im1 || !this.planes.im2) return;
    const { corner, size, shape } = this.planes;
    const tile = Math.max(shape[0] * size[0], shape[1] * size[1]) / this.page.state.tiles;
    const before = this.layers.length ? this.layers[0].picture : null;
    this.setLayers([{ picture: compose(this.planes, this.page.state, tile, this.page.phase, before), corner, size }]);
    const first = this.page.first[this.across];
    Object.assign(this.slider, { min: Math.ceil(first), max: Math.floor(first + this.page.depth(this) - 1) });
  }

  /** The planes are as fine as the images are. */
  wanted() {
    return null;
  }

  frame() {
    if (!this.planes) return super.frame();
    const { width, height } = this.canvas;
    const { corner, size, shape } = this.planes;
    const [rows, columns] = [shape[0] * size[0], shape[1] * size[1]];
    const scale = Math.min(width / columns, height / rows) * this.zoom;
    const edge = (axis) => scale * (corner[axis] - size[axis] / 2 + 0.5);
    const [x, y] = [(width - scale * columns) / 2 + this.pan[0], (height - scale * rows) / 2 + this.pan[1]];
    return { scale, x: x - edge(1), y: y - edge(0) };
  }

  decorate(context) {
    super.decorate(context);
    const { corner, size } = this.planes;
    const { scale, x, y } = this.frame();
    const place = (axis) => scale * (corner[axis] - size[axis] / 2 + 0.5);
    const onto = new DOMMatrix([scale * size[1], 0, 0, scale * size[0], x + place(1), y + place(0)]);
    for (const [path, colour, width] of this.contours || []) {
      const drawn = new Path2D();
      drawn.addPath(path, onto);
      Object.assign(context, { strokeStyle: colour, lineWidth: width });
      context.stroke(drawn);
    }
    context.lineWidth = 1;
  }
}

/** im1 and its labels, coloured by how they ended; a click chooses one. */
export class MapView extends SliceView {
  constructor(page, axes) {
    super(0, axes, page.shape);
    this.page = page;
    this.box.classList.add("map");
    this.canvas.setAttribute("aria-label", "Map of all labels");
    this.slider.setAttribute("aria-label", "slice of the map");
  }

  /** Look across the axis of another view, at a slice. */
  look([across, down, right], value) {
    if (across !== this.across) this.labels = null; // a click on what is seen till the new slice is there chooses nothing
    Object.assign(this, { across, down, right });
    this.slider.max = this.shape[across] - 1;
    this.slider.value = value;
    this.toSlice(value);
  }

  toSlice(value) {
    this.value = value;
    this.page.askMap(this.across, value);
  }

  turnWheel(sign) {
    this.slider.value = Number(this.slider.value) + sign;
    this.toSlice(Number(this.slider.value));
  }

  take(grey, labels, shape, { axis, first, size }) {
    if (axis !== this.across) return;
    const place = (values) => [values[this.down], values[this.right]];
    Object.assign(this, { grey, labels, planes: { shape, corner: place(first), size: place(size) } });
    this.paint();
  }

  paint() {
    if (!this.labels) return;
    const { shape: [rows, columns], corner, size } = this.planes;
    const picture = new OffscreenCanvas(columns, rows);
    const context = picture.getContext("2d");
    const image = context.createImageData(columns, rows);
    let label = 0;
    let colour = null;
    for (let k = 0; k < this.labels.length; k++) {
      if (this.labels[k] !== label) {
        label = this.labels[k];
        colour = label ? this.page.colourOf(label) : null;
      }
      const grey = this.grey[k];
      for (let c = 0; c < 3; c++) image.data[4 * k + c] = colour ? 0.5 * grey + 0.5 * colour[c] : 0.7 * grey;
      image.data[4 * k + 3] = 255;
    }
    context.putImageData(image, 0, 0);
    this.setLayers([{ picture, corner, size }]);
    this.label.textContent = `map  ${"ZYX"[this.across]} ${Math.round(this.value)}  click chooses a label`;
    this.draw();
  }

  labelAt(point) {
    if (!this.labels || !this.holds(point)) return 0;
    const k = this.cell(point, this.planes);
    return k < 0 ? 0 : this.labels[k];
  }

  under(point) {
    const label = this.labelAt(point);
    return label ? this.page.list.words(label) : "";
  }

  click(point) {
    const label = this.labelAt(point);
    if (label) this.page.push({ do: "label", label });
  }

  crossHair() {
    return this.page.state.label ? this.page.place() : null;
  }
}

// The planes: laid over each other, drawn with cross-hair and landmarks; the mouse on them.

const AXES = "ZYX";
// ColorBrewer's RdBu from blue to red, as differences have it in reports
const BLUE_TO_RED = [[5, 48, 97], [33, 102, 172], [67, 147, 195], [146, 197, 222], [209, 229, 240], [247, 247, 247],
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

export class View {
  constructor(page, number, across, down, right) {
    Object.assign(this, { page, number, across, down, right, zoom: 1, pan: [0, 0], slice: null, exact: false });
    this.box = document.createElement("div");
    this.box.className = "view";
    this.label = Object.assign(document.createElement("p"), { className: "label" });
    this.under = Object.assign(document.createElement("p"), { className: "under" });
    this.canvas = document.createElement("canvas");
    this.canvas.setAttribute("role", "img");
    this.canvas.setAttribute("aria-label", `View ${number}, across ${AXES[across]}`);
    this.slider = Object.assign(document.createElement("input"), { type: "range", min: 0, step: 1 });
    this.slider.max = page.shape[across] - 1;
    this.slider.setAttribute("aria-label", `slice of view ${number}, ${AXES[across]}`);
    this.slider.addEventListener("input", () => this.toSlice(Number(this.slider.value)));
    this.box.append(this.canvas, this.label, this.under, this.slider);
    new ResizeObserver(() => this.draw()).observe(this.canvas);
    this.listen();
  }

  /** Take a plane that the server has sent: "im1", "inside" or "im2". */
  take(image, shape, values, slice, exact) {
    this[image] = values;
    this.shape = shape;
    if (image === "im2") Object.assign(this, { slice, exact });
  }

  compose() {
    if (!this.im1 || !this.im2) return;
    const [rows, columns] = this.shape;
    if (!this.picture || this.picture.width !== columns || this.picture.height !== rows) {
      this.picture = new OffscreenCanvas(columns, rows);
    }
    const context = this.picture.getContext("2d");
    const image = context.createImageData(columns, rows);
    const { state } = this.page;
    let { mode } = state;
    if (state.flicker) mode = this.page.phase ? "im2" : "im1";
    const tile = Math.max(rows, columns) / state.tiles;
    const colour = MODES[mode];
    const pixel = [0, 0, 0];
    const black = mode === "colours" || mode === "im1";
    for (let i = 0, k = 0; i < rows; i++) {
      for (let j = 0; j < columns; j++, k++) {
        const b = this.im2[k];
        const inside = this.inside[k];
        if (mode === "checkerboard") {
          const first = (Math.floor(i / tile) + Math.floor(j / tile)) % 2 === 0;
          pixel.fill(first && inside ? this.im1[k] : first ? 0 : b);
        } else if (inside || black) colour(inside ? this.im1[k] : 0, b, pixel, state);
        else if (mode === "difference" || mode === "absolute") pixel.fill(90);
        else pixel.fill(b);
        image.data[4 * k] = pixel[0];
        image.data[4 * k + 1] = pixel[1];
        image.data[4 * k + 2] = pixel[2];
        image.data[4 * k + 3] = 255;
      }
    }
    context.putImageData(image, 0, 0);
  }

  /** Screen pixels per pixel of the plane, and where its corner lies. */
  frame() {
    const { width, height } = this.canvas;
    const [rows, columns] = this.shape;
    const scale = Math.min(width / columns, height / rows) * this.zoom;
    return { scale, x: (width - scale * columns) / 2 + this.pan[0], y: (height - scale * rows) / 2 + this.pan[1] };
  }

  /** Place on the canvas of a point of im2 (ZYX, voxels). */
  screen(point) {
    const { scale, x, y } = this.frame();
    const { size, first } = this.page;
    const cell = [this.down, this.right].map((axis) => (point[axis] - first[axis]) / size[axis] + 0.5);
    return [x + scale * cell[1], y + scale * cell[0]];
  }

  /** Point of im2 (ZYX, voxels) below a place of the window. */
  point(event) {
    const box = this.canvas.getBoundingClientRect();
    const ratio = this.canvas.width / box.width;
    const { scale, x, y } = this.frame();
    const cell = [((event.clientY - box.top) * ratio - y) / scale, ((event.clientX - box.left) * ratio - x) / scale];
    const { size, first, state } = this.page;
    const point = [...state.point];
    [this.down, this.right].forEach((axis, k) => (point[axis] = first[axis] + (cell[k] - 0.5) * size[axis]));
    return { point, cell: cell.map(Math.floor) };
  }

  draw() {
    const box = this.canvas.getBoundingClientRect();
    const ratio = window.devicePixelRatio || 1;
    const [width, height] = [Math.max(1, Math.round(box.width * ratio)), Math.max(1, Math.round(box.height * ratio))];
    if (this.canvas.width !== width || this.canvas.height !== height) Object.assign(this.canvas, { width, height });
    const context = this.canvas.getContext("2d");
    context.fillStyle = "#000";
    context.fillRect(0, 0, width, height);
    if (!this.picture) return;
    const { scale, x, y } = this.frame();
    context.imageSmoothingEnabled = scale < 1;
    context.drawImage(this.picture, x, y, scale * this.shape[1], scale * this.shape[0]);
    const { state } = this.page;
    const [cx, cy] = this.screen(state.point);
    context.strokeStyle = "rgba(255, 213, 74, 0.55)";
    context.beginPath();
    context.moveTo(cx, 0);
    context.lineTo(cx, height);
    context.moveTo(0, cy);
    context.lineTo(width, cy);
    context.stroke();
    context.fillStyle = context.strokeStyle = "#00e5ff";
    state.landmarks.forEach(([, point], k) => this.mark(context, point, String(k + 1)));
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
    point[this.across] = Math.min(Math.max(value, 0), this.page.shape[this.across] - 1);
    this.page.push({ do: "point", values: point });
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
      if (event.ctrlKey) this.zoomBy(event.deltaY < 0 ? 1.25 : 0.8);
      else {
        if (page.state.view !== this.number) page.push({ do: "show", view: this.number });
        page.push({ key: event.deltaY > 0 ? "." : "," });
      }
    }, { passive: false });
    canvas.addEventListener("pointerdown", (event) => {
      if (!this.shape || event.button > 1) return;
      event.preventDefault();
      document.activeElement.blur();
      canvas.setPointerCapture(event.pointerId);
      this.grip = { x: event.clientX, y: event.clientY, button: event.button, moved: 0, stroke: `${performance.now()}` };
      if (page.state.view !== this.number) page.push({ do: "show", view: this.number });
    });
    canvas.addEventListener("pointermove", (event) => {
      if (this.grip) this.drag(event);
      else if (this.shape && this.im2 && page.state) this.read(event);
    });
    canvas.addEventListener("pointerup", (event) => {
      const { grip } = this;
      this.grip = null;
      if (!grip || grip.moved > 3 || grip.button) return;
      page.push({ do: page.marking ? "landmark" : "point", values: this.point(event).point });
    });
    canvas.addEventListener("pointerleave", () => (this.under.textContent = ""));
  }

  drag(event) {
    const { grip, page } = this;
    const [dx, dy] = [event.clientX - grip.x, event.clientY - grip.y];
    grip.moved += Math.abs(dx) + Math.abs(dy);
    if (grip.moved <= 3) return;
    const box = this.canvas.getBoundingClientRect();
    const ratio = this.canvas.width / box.width;
    if (grip.button === 1) {
      this.pan = [this.pan[0] + dx * ratio, this.pan[1] + dy * ratio];
      this.draw();
    } else if (event.shiftKey) {
      const middle = this.screen(page.moved());
      const angle = (x, y) => Math.atan2((y - box.top) * ratio - middle[1], (x - box.left) * ratio - middle[0]);
      let turned = ((angle(event.clientX, event.clientY) - angle(grip.x, grip.y)) * 180) / Math.PI;
      turned = ((((turned + 180) % 360) + 360) % 360) - 180;
      page.push({ do: "turn", view: this.number, degrees: turned, stroke: grip.stroke });
    } else {
      const by = [(dy * ratio * page.size[this.down]) / this.frame().scale, (dx * ratio * page.size[this.right]) / this.frame().scale];
      page.push({ do: "drag", view: this.number, by, stroke: grip.stroke });
    }
    Object.assign(grip, { x: event.clientX, y: event.clientY });
  }

  /** Coordinates and grey values below the mouse. */
  read(event) {
    const { point, cell } = this.point(event);
    const [rows, columns] = this.shape;
    if (cell[0] < 0 || cell[1] < 0 || cell[0] >= rows || cell[1] >= columns) {
      this.under.textContent = "";
      return;
    }
    const k = cell[0] * columns + cell[1];
    const [low, high] = this.page.greys.window;
    const grey = (value) => (low + ((high - low) * value) / 255).toPrecision(4);
    const place = point.map((value) => value.toFixed(1)).join(" ");
    this.under.textContent = `ZYX ${place}  im1 ${this.inside[k] ? grey(this.im1[k]) : "-"}  im2 ${grey(this.im2[k])}`;
  }
}

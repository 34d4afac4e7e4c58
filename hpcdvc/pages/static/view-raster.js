// What the server of hpcdvc-view sends of a plane becomes a raster: a value, a status and a row for each pixel.

// pixels along the longer edge of cuts and clouds; the number that stands for the greatest value of a plane
const FINE = 420, LEVELS = 65535;

/** A part of a plane: `values` (NaN: none), `status`, `owner` (row; -1: none) and `covered` of each pixel, row by row. */
class Raster {
  constructor(rows, columns, first, step) {
    Object.assign(this, { rows, columns, first, step });
    this.values = new Float32Array(rows * columns).fill(NaN);
    this.covered = new Uint8Array(rows * columns);
    this.status = null;
    this.owner = null;
  }

  /** A fine one over the box of a view, for what is no raster by itself. */
  static over(view) {
    const { low, high } = view.page.box;
    const wide = [view.down, view.right].map((axis) => high[axis] - low[axis]);
    const step = Math.max(...wide) / FINE;
    const [rows, columns] = wide.map((w) => Math.max(1, Math.ceil(w / step)));
    const found = new Raster(rows, columns, [view.down, view.right].map((axis) => low[axis] + step / 2), [step, step]);
    found.owner = new Int32Array(rows * columns).fill(-1);
    found.status = new Int8Array(rows * columns);
    return found;
  }

  set(k, value, owner, status) {
    this.covered[k] = 1;
    this.values[k] = value;
    this.owner[k] = owner;
    if (status !== undefined) this.status[k] = status;
  }
}

export const BUILD = {
  raster(view, field) {
    const [rows, columns] = field.shape;
    const found = new Raster(rows, columns, field.first, field.step);
    found.covered.fill(1);
    const { values, status } = field.planes;
    const scale = (field.high - field.low) / (LEVELS - 1);
    if (values) for (let k = 0; k < values.length; k++) if (values[k]) found.values[k] = field.low + scale * (values[k] - 1);
    found.status = status || null;
    return found;
  },

  labels(view, field, rows) {
    const [down, right] = field.shape;
    const found = new Raster(down, right, field.first, field.step);
    found.owner = new Int32Array(down * right).fill(-1);
    found.status = new Int8Array(down * right);
    if (!rows) return found;
    const { labels } = field.planes;
    for (let k = 0; k < labels.length; k++) {
      const row = labels[k] ? rows.rowOf.get(labels[k]) : undefined;
      if (row !== undefined) found.set(k, rows.values ? rows.values[row] : NaN, row, rows.status && rows.status[row]);
    }
    return found;
  },

  cut(view, field) {
    const found = Raster.over(view);
    const { corners, owner, status } = field.planes;
    for (let t = 0; t < owner.length; t++) {
      fill(found, corners.subarray(9 * t, 9 * t + 9), owner[t], status && status[t]);
    }
    return found;
  },

  points(view, field, rows) {
    const found = Raster.over(view);
    if (!rows) return found;
    const { places, owner } = field.planes;
    const radius = Math.max(field.size / found.step[0], 3);
    for (let p = 0; p < owner.length; p++) {
      const [y, x] = [0, 1].map((k) => (places[2 * p + k] - found.first[k]) / found.step[k]);
      const row = owner[p];
      for (let i = Math.max(0, Math.ceil(y - radius)); i <= Math.min(found.rows - 1, y + radius); i++) {
        const half = Math.sqrt(Math.max(0, radius * radius - (i - y) * (i - y)));
        for (let j = Math.max(0, Math.ceil(x - half)); j <= Math.min(found.columns - 1, x + half); j++) {
          const value = rows.values ? rows.values[row] : NaN;
          found.set(i * found.columns + j, value, row, rows.status && rows.status[row]);
        }
      }
    }
    return found;
  },
};

/** Fill a triangle, linear between its corners (down, right, value of each). */
function fill(raster, corners, owner, status) {
  const y = [0, 3, 6].map((k) => (corners[k] - raster.first[0]) / raster.step[0]);
  const x = [1, 4, 7].map((k) => (corners[k] - raster.first[1]) / raster.step[1]);
  const area = (x[1] - x[0]) * (y[2] - y[0]) - (x[2] - x[0]) * (y[1] - y[0]);
  if (!area) return;
  const [top, bottom] = [Math.max(0, Math.ceil(Math.min(...y))), Math.min(raster.rows - 1, Math.floor(Math.max(...y)))];
  const [left, right] = [Math.max(0, Math.ceil(Math.min(...x))), Math.min(raster.columns - 1, Math.floor(Math.max(...x)))];
  for (let i = top; i <= bottom; i++) {
    for (let j = left; j <= right; j++) {
      const b = ((j - x[0]) * (y[2] - y[0]) - (x[2] - x[0]) * (i - y[0])) / area;
      const c = ((x[1] - x[0]) * (i - y[0]) - (j - x[0]) * (y[1] - y[0])) / area;
      if (b < -1e-6 || c < -1e-6 || b + c > 1 + 1e-6) continue;
      raster.set(i * raster.columns + j, corners[2] + b * (corners[5] - corners[2]) + c * (corners[8] - corners[2]), owner, status);
    }
  }
}

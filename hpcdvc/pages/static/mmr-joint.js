// The joint histogram: logarithm of the counts or phases of the bins, ellipses of the fits, peaks with their rings.
// Bins of im1 go to the right, those of im2 upwards.

import { nameOf } from "./ereg-panel.js";

// Okabe and Ito's colours, which all eyes tell apart, and lighter ones
const COLOURS = [[230, 159, 0], [86, 180, 233], [0, 158, 115], [240, 228, 66], [213, 94, 0], [204, 121, 167], [0, 114, 178], [200, 200, 200]];
const MARGIN = { left: 62, right: 14, top: 30, bottom: 40 };
// screen pixels that still take a peak, and its ring; that a mouse moves before it is a drag
const PEAK = 10, RING = 6, STILL = 3;

/** Red, green and blue of a phase, from 0. */
export function phaseColour(number) {
  const colour = COLOURS[number % COLOURS.length];
  return number < COLOURS.length ? colour : colour.map((value) => 0.5 * value + 127);
}

/** A grey value as text. */
export function short(value) {
  const size = Math.abs(value);
  return size !== 0 && (size < 1e-3 || size >= 1e6) ? value.toExponential(2) : Number(value.toPrecision(4)).toString();
}

export const css = (colour) => `rgb(${colour.map(Math.round).join(" ")})`;

export class JointView {
  // page: push(action), chosen, choose(number); place: element; kind: "counts" or "diagram"
  constructor(page, place, kind) {
    Object.assign(this, { page, kind, joint: null, picture: null });
    this.canvas = document.createElement("canvas");
    this.canvas.setAttribute("role", "img");
    this.canvas.setAttribute("aria-label", kind === "counts" ? "Joint histogram, logarithm" : "Phase of each pair of grey values");
    this.below = Object.assign(document.createElement("p"), { className: "under" });
    place.append(this.canvas, this.below);
    new ResizeObserver(() => this.draw()).observe(this.canvas);
    this.listen();
  }

  /** Take an answer of the server, with its planes as numbers. */
  take(joint) {
    Object.assign(this, { joint, picture: null });
    this.draw();
  }

  compose() {
    const { bins, counts, diagram } = this.joint;
    const picture = new OffscreenCanvas(bins, bins);
    const context = picture.getContext("2d");
    const image = context.createImageData(bins, bins);
    for (let f = 0; f < bins; f++) {
      for (let g = 0; g < bins; g++) {
        const from = f * bins + g;
        const to = 4 * ((bins - 1 - g) * bins + f);
        let colour = [counts[from], counts[from], counts[from]];
        if (this.kind === "diagram" && diagram) {
          const phase = diagram[from] ? phaseColour(diagram[from] - 1) : [20, 20, 24];
          colour = phase.map((value) => value * (0.35 + (0.65 * counts[from]) / 255));
        }
        image.data.set([...colour, 255], to);
      }
    }
    context.putImageData(image, 0, 0);
    return picture;
  }

  /** Where the plane lies on the canvas: left, bottom, pixels per bin. */
  frame() {
    const ratio = window.devicePixelRatio || 1;
    const { width, height } = this.canvas;
    const { left, right, top, bottom } = MARGIN;
    const side = Math.max(1, Math.min(width - (left + right) * ratio, height - (top + bottom) * ratio));
    return { left: left * ratio, bottom: top * ratio + side, side, scale: side / (this.joint ? this.joint.bins : 1), ratio };
  }

  /** Place on the canvas of a pair of bins. */
  screen([f, g]) {
    const { left, bottom, scale } = this.frame();
    return [left + (f + 0.5) * scale, bottom - (g + 0.5) * scale];
  }

  /** Pair of bins below the mouse, not cut off at the sides. */
  bin(event) {
    const box = this.canvas.getBoundingClientRect();
    const { left, bottom, scale } = this.frame();
    const ratio = this.canvas.width / (box.width || 1);
    return [((event.clientX - box.left) * ratio - left) / scale - 0.5, (bottom - (event.clientY - box.top) * ratio) / scale - 0.5];
  }

  /** Grey value of im1 (0) or im2 (1) of a bin. */
  grey(image, bin) {
    const [low, high] = this.joint.ranges[image];
    return low + ((high - low) * bin) / (this.joint.bins - 1);
  }

  draw() {
    const box = this.canvas.getBoundingClientRect();
    if (!box.width) return; // its tab is not open: drawn when it is seen
    const ratio = window.devicePixelRatio || 1;
    Object.assign(this.canvas, { width: Math.max(1, Math.round(box.width * ratio)), height: Math.max(1, Math.round(box.height * ratio)) });
    const context = this.canvas.getContext("2d");
    context.fillStyle = "#000";
    context.fillRect(0, 0, this.canvas.width, this.canvas.height);
    if (!this.joint) return;
    this.picture = this.picture || this.compose();
    const { left, bottom, side } = this.frame();
    context.imageSmoothingEnabled = false;
    context.globalAlpha = this.joint.fresh ? 1 : 0.4;
    context.drawImage(this.picture, left, bottom - side, side, side);
    context.globalAlpha = 1;
    this.axes(context);
    context.save();
    context.beginPath();
    context.rect(left, bottom - side, side, side);
    context.clip();
    this.joint.phases.forEach((phase, number) => this.ellipse(context, phase, number));
    if (this.kind === "counts") this.joint.peaks.forEach((peak, number) => this.peak(context, peak, number));
    context.restore();
  }

  axes(context) {
    const { left, bottom, side, ratio } = this.frame();
    context.strokeStyle = context.fillStyle = "#aeb6bd";
    context.font = `${12 * ratio}px system-ui, sans-serif`;
    context.strokeRect(left, bottom - side, side, side);
    const last = this.joint.bins - 1;
    const ticks = side > 320 * ratio ? 4 : 2;
    for (let k = 0; k <= ticks; k++) {
      const [x, y] = this.screen([(last * k) / ticks, (last * k) / ticks]);
      const words = [0, 1].map((image) => short(this.grey(image, (last * k) / ticks)));
      context.textAlign = "center";
      context.fillText(words[0], x, bottom + 16 * ratio);
      context.textAlign = "right";
      context.fillText(words[1], left - 6 * ratio, y + 4 * ratio);
    }
    const [one, two] = this.page.state.images.map(nameOf);
    context.textAlign = "center";
    context.fillText(`im1: ${one}`, left + side / 2, bottom + 34 * ratio);
    context.textAlign = "left";
    context.fillText(`im2: ${two}`, 6 * ratio, bottom - side - 10 * ratio);
  }

  ellipse(context, { mean, covariance }, number) {
    // Cholesky: the circle of radius n becomes the line of n standard deviations
    const a = Math.sqrt(covariance[0][0]);
    const b = covariance[0][1] / a;
    const c = Math.sqrt(Math.max(covariance[1][1] - b * b, 0));
    context.strokeStyle = css(phaseColour(number));
    for (const sigma of [1, 2, 3]) {
      context.lineWidth = sigma === 1 ? 2 : 1;
      context.beginPath();
      for (let k = 0; k <= 72; k++) {
        const turn = (2 * Math.PI * k) / 72;
        const [u, v] = [sigma * Math.cos(turn), sigma * Math.sin(turn)];
        context.lineTo(...this.screen([mean[0] + a * u, mean[1] + b * u + c * v]));
      }
      context.stroke();
    }
    context.lineWidth = 1;
    if (this.kind === "diagram") {
      const [x, y] = this.screen(mean);
      context.fillStyle = "#fff";
      context.textAlign = "center";
      context.fillText(String(number + 1), x, y + 4);
    }
  }

  peak(context, [f, g, reach], number) {
    const { scale, ratio } = this.frame();
    const [x, y] = this.screen([f, g]);
    const chosen = number === this.page.chosen;
    const phase = (this.joint.kept || []).indexOf(number);
    context.textAlign = "left";
    context.font = `bold ${14 * ratio}px system-ui, sans-serif`;
    for (const [colour, wide] of [["#000", 4], [phase < 0 ? "#ff8a80" : "#fff", 1.5]]) {
      context.strokeStyle = context.fillStyle = colour;
      context.lineWidth = wide * ratio;
      context.beginPath();
      context.moveTo(x - 6 * ratio, y);
      context.lineTo(x + 6 * ratio, y);
      context.moveTo(x, y - 6 * ratio);
      context.lineTo(x, y + 6 * ratio);
      context.stroke();
      context.lineWidth = 2.5 * ratio;
      if (colour === "#000") context.strokeText(String(number + 1), x + 7 * ratio, y - 6 * ratio);
      else context.fillText(String(number + 1), x + 7 * ratio, y - 6 * ratio);
    }
    if (!chosen) return;
    context.strokeStyle = "#ffd166";
    context.setLineDash([5 * ratio, 4 * ratio]);
    context.beginPath();
    context.arc(x, y, reach * scale, 0, 2 * Math.PI);
    context.stroke();
    context.setLineDash([]);
    context.strokeRect(x - 9 * ratio, y - 9 * ratio, 18 * ratio, 18 * ratio);
  }

  // the mouse

  listen() {
    const { canvas } = this;
    canvas.addEventListener("pointerdown", (event) => {
      if (event.button || !this.joint || this.kind !== "counts") return;
      event.preventDefault();
      document.activeElement.blur();
      canvas.setPointerCapture(event.pointerId);
      this.grip = { x: event.clientX, y: event.clientY, from: this.bin(event), stroke: `${performance.now()}`, moved: false, ...this.taken(event) };
      if (this.grip.peak >= 0) this.page.choose(this.grip.peak);
    });
    canvas.addEventListener("pointermove", (event) => (this.grip ? this.pull(event) : this.read(event)));
    canvas.addEventListener("pointerup", (event) => {
      const { grip } = this;
      this.grip = null;
      if (!grip || grip.moved || grip.peak >= 0 || !this.holds(grip.from)) return;
      this.page.added = true;
      this.page.push({ do: "add-peak", at: this.bin(event) });
    });
    canvas.addEventListener("pointercancel", () => (this.grip = null));
    canvas.addEventListener("pointerleave", () => (this.below.textContent = ""));
  }

  holds(bin) {
    return bin.every((value) => value >= -0.5 && value < this.joint.bins - 0.5);
  }

  /** What lies below the mouse: a peak, or the ring of the chosen one. */
  taken(event) {
    const { scale, ratio } = this.frame();
    const bin = this.bin(event);
    const away = this.joint.peaks.map(([f, g]) => Math.hypot(bin[0] - f, bin[1] - g) * scale);
    const nearest = away.indexOf(Math.min(...away));
    if (away.length && away[nearest] <= PEAK * ratio) return { peak: nearest, ring: false };
    const chosen = this.joint.peaks[this.page.chosen];
    const isRing = chosen && Math.abs(away[this.page.chosen] - chosen[2] * scale) <= RING * ratio;
    return isRing ? { peak: this.page.chosen, ring: true } : { peak: -1, ring: false };
  }

  pull(event) {
    const { grip } = this;
    if (!grip.moved && Math.hypot(event.clientX - grip.x, event.clientY - grip.y) <= STILL) return;
    grip.moved = true;
    if (grip.peak < 0) return;
    const bin = this.bin(event);
    const peak = [...this.joint.peaks[grip.peak]];
    if (grip.ring) {
      peak[2] = Math.max(1, Math.hypot(bin[0] - peak[0], bin[1] - peak[1]));
      this.page.push({ do: "reach", number: grip.peak, to: peak[2], stroke: grip.stroke });
    } else {
      [peak[0], peak[1]] = bin.map((value) => Math.min(Math.max(value, 0), this.joint.bins - 1));
      this.page.push({ do: "move-peak", number: grip.peak, at: peak.slice(0, 2), stroke: grip.stroke });
    }
    this.joint.peaks[grip.peak] = peak;
    this.draw();
  }

  read(event) {
    this.below.textContent = "";
    if (!this.joint) return;
    const bin = this.bin(event);
    if (!this.holds(bin)) return;
    const [f, g] = bin.map(Math.round);
    const { counts, bins, most, diagram } = this.joint;
    const count = Math.round(Math.expm1((counts[f * bins + g] / 255) * Math.log1p(most)));
    const words = [0, 1].map((image) => `im${image + 1} ${short(this.grey(image, bin[image]))}`);
    words.push(`about ${count} voxels`);
    if (diagram) words.push(diagram[f * bins + g] ? `phase ${diagram[f * bins + g]}` : "no phase");
    this.below.textContent = words.join("  ");
  }
}

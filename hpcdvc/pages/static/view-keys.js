// Keys of hpcdvc-view. Who types into a box or moves a slider has them for that.

import { savePng } from "./view-png.js";

const MAP_NAMES = ["auto", "viridis", "magma", "RdBu_r", "gray"], UNDER = ["im1", "im2", "none"];

export function listenToKeys(page) {
  document.addEventListener("keydown", (event) => {
    const { key, target } = event;
    if (!page.told || event.ctrlKey || event.metaKey || event.altKey) return;
    if (target.matches("select, input[type=number], input[type=range]")) {
      if (key === "Escape") target.blur();
      return;
    }
    if (target.matches("button, input, summary") && (key === "Enter" || key === " ")) return;
    if (press(page, key)) event.preventDefault();
  });
}

const next = (names, now, way = 1) => names[(names.indexOf(now) + way + names.length) % names.length];

/** Do what a key means; false where it means nothing. */
function press(page, key) {
  const view = page.views.get(page.view), { step } = page.box;
  const along = { ArrowUp: [view.down, -1], ArrowDown: [view.down, 1], ArrowLeft: [view.right, -1], ArrowRight: [view.right, 1] }[key];
  const fields = [...page.told.fields.map((one) => one.key), "returnStatus"];
  const doing = {
    1: () => page.choose(1), 2: () => page.choose(2), 3: () => page.choose(3),
    ",": () => page.slice(-1), ".": () => page.slice(1), PageUp: () => page.slice(-1), PageDown: () => page.slice(1),
    "[": () => page.toStep(page.step - 1), "]": () => page.toStep(page.step + 1), Enter: () => page.ask(page.point),
    f: () => page.toField(next(fields, page.field)), F: () => page.toField(next(fields, page.field, -1)),
    s: () => toggle(page, "returnStatus", fields), r: () => toggle(page, "im2 - im1 after", fields),
    u: () => page.set({ under: next(UNDER, page.under) }), m: () => page.set({ map: next(MAP_NAMES, page.map) }),
    o: () => page.set({ opacity: Math.max(page.opacity - 0.1, 0) }), O: () => page.set({ opacity: Math.min(page.opacity + 0.1, 1) }),
    "+": () => view.zoomBy(1.25), "=": () => view.zoomBy(1.25), "-": () => view.zoomBy(0.8), 0: () => view.fit(),
    p: () => savePng(page), "?": () => page.help(), Escape: () => document.getElementById("keys").close(),
  }[key];
  if (along) page.move(along[0], page.point[along[0]] + along[1] * step[along[0]], true);
  else if (doing) doing();
  return Boolean(along || doing);
}

/** A field, and back to the one before. */
function toggle(page, field, fields) {
  if (!fields.includes(field)) page.say("there is no residual: it needs both images");
  else if (page.field === field) page.toField(fields.includes(page.before) ? page.before : fields[0]);
  else {
    page.before = page.field;
    page.toField(field);
  }
}

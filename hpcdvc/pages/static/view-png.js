// A PNG of the views, with field, place and colours below them; the browser saves it.

import { MAPS } from "./colours.js";
import { shown } from "./view-words.js";

export function savePng(page) {
  const views = [...page.views.values()], wide = Math.max(...views.map((view) => view.canvas.width));
  const tall = Math.max(...views.map((view) => view.canvas.height)), columns = Math.min(views.length, 2);
  const canvas = document.createElement("canvas");
  const [width, height] = [columns * (wide + 8), Math.ceil(views.length / columns) * (tall + 8) + 70];
  Object.assign(canvas, { width: Math.max(width, 480), height });
  const context = canvas.getContext("2d");
  context.fillStyle = "#14181c";
  context.fillRect(0, 0, canvas.width, canvas.height);
  views.forEach((view, k) => context.drawImage(view.canvas, (k % columns) * (wide + 8) + 4, Math.floor(k / columns) * (tall + 8) + 4));
  caption(page, context, height - 60);
  canvas.toBlob((blob) => {
    const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(blob) });
    link.download = `${page.told.name.replace(/[^\w.-]+/g, "_")}-${page.field.replace(/\W+/g, "_")}.png`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
    page.say(`saved by the browser: ${link.download}`);
  });
}

function caption(page, context, top) {
  const { title, unit } = page.facts(), places = page.point.map(shown).join(" ");
  context.font = "15px system-ui, sans-serif";
  context.fillStyle = "#f2f4f5";
  context.fillText(`${page.told.name}: ${title}${unit ? `, ${unit}` : ""}; ZYX ${places}`, 8, top + 14);
  if (page.field === "returnStatus") statuses(page, context, top);
  else colours(page, context, top);
}

function statuses(page, context, top) {
  let x = 8;
  for (const one of page.told.statuses) {
    context.fillStyle = one.colour;
    context.fillRect(x, top + 26, 14, 14);
    context.fillStyle = "#f2f4f5";
    const text = `${one.code === -128 ? "not yet" : one.code}: ${one.count}`;
    context.fillText(text, x + 20, top + 38);
    x += 40 + context.measureText(text).width;
  }
}

function colours(page, context, top) {
  const table = MAPS[page.mapName()], [low, high] = page.range();
  for (let k = 0; k < 256; k++) {
    context.fillStyle = `rgb(${table[3 * k]} ${table[3 * k + 1]} ${table[3 * k + 2]})`;
    context.fillRect(90 + k, top + 26, 1, 16);
  }
  context.fillStyle = "#f2f4f5";
  context.fillText(shown(low), 8, top + 39);
  context.fillText(shown(high), 354, top + 39);
}

// The list of labels: what the server says of each, in the order and of the kind that somebody wants to see.

import { numbersOf } from "./base.js";

// rows that are shown at once
const MOST = 300;
const SHOWN = [["label", "label"], ["status", "status"], ["zncc", "zncc"], ["volume", "voxels"], ["error", "error"],
  ["guess", "start"], ["manual", "by eye"]];
const KINDS = [["left", "to be repaired"], ["bad", "not measured"], ["decided", "decided"], ["all", "all"]];
const STARTS = ["own", "neighbours", "global", "none"];
const MANUAL = ["", "placed", "refined", "refined", "found", "kept", "rejected"];
const SKIPPED = 2;

const byId = (id) => document.getElementById(id);

export class LabelList {
  constructor(page) {
    Object.assign(this, { page, rows: new Map(), revision: 0, sort: "label", down: false, statuses: "" });
    for (const [name, words] of SHOWN) {
      const button = Object.assign(document.createElement("button"), { textContent: words, title: `sort by ${words}` });
      button.addEventListener("click", () => this.sortBy(name));
      const head = document.createElement("th");
      head.append(button);
      document.querySelector("#rows thead tr").append(head);
    }
    for (const id of ["which", "least", "box"]) byId(id).addEventListener("input", () => this.show());
    byId("which").addEventListener("change", () => byId("which").blur()); // keys are those of the label again
    this.fillKinds();
  }

  /** The kinds of rows that can be listed: those of a status, too. */
  fillKinds() {
    const found = [...new Set([...this.rows.values()].map(({ status }) => status))].sort((a, b) => b - a);
    if (String(found) === this.statuses && byId("which").options.length) return;
    this.statuses = String(found);
    const { value } = byId("which");
    const kinds = [...KINDS, ...found.map((status) => [String(status), `status ${status}`])];
    byId("which").replaceChildren(...kinds.map(([name, words]) => new Option(words, name)));
    byId("which").value = kinds.some(([name]) => name === value) ? value : "left";
  }

  /** Ask for the rows that have changed. */
  async update(revision) {
    if (revision <= this.revision || this.asked) return;
    this.asked = true;
    try {
      const answer = await this.page.link.send({ type: "list", since: this.revision });
      const numbers = await numbersOf(answer.planes[0]);
      const width = answer.columns.length;
      for (let k = 0; k < numbers.length; k += width) {
        const row = Object.fromEntries(answer.columns.map((name, c) => [name, numbers[k + c]]));
        this.rows.set(row.label, row);
      }
      this.revision = answer.revision;
    } catch { // the link was lost: asked for again when it is there
    } finally {
      this.asked = false;
    }
    this.fillKinds();
    this.show();
    this.page.map.paint();
  }

  sortBy(name) {
    this.down = this.sort === name ? !this.down : false;
    this.sort = name;
    this.show();
  }

  /** Rows that are listed, in their order. */
  chosen() {
    const kind = byId("which").value;
    const least = Number(byId("least").value) || 0;
    const box = byId("box").value.trim().split(/[\s,]+/).map(Number);
    const inBox = box.length === 6 && box.every(Number.isFinite)
      ? (row) => [row.z, row.y, row.x].every((value, axis) => value >= box[2 * axis] && value <= box[2 * axis + 1])
      : () => true;
    const of = {
      left: (row) => row.bad && !row.decision,
      bad: (row) => row.bad,
      decided: (row) => row.decision,
      all: () => true,
    }[kind] || ((row) => row.status === Number(kind));
    const found = [...this.rows.values()].filter((row) => of(row) && row.volume >= least && inBox(row));
    const value = (row) => (Number.isNaN(row[this.sort]) ? Infinity : row[this.sort]);
    const sign = this.down ? -1 : 1;
    return found.sort((a, b) => sign * (value(a) - value(b) || a.label - b.label));
  }

  /** The label of the list that comes after this one and is not decided; 0: none. */
  following() {
    const rows = this.chosen();
    const here = rows.findIndex(({ label }) => label === this.page.state.label.number);
    const after = [...rows.slice(here + 1), ...rows.slice(0, Math.max(here, 0))];
    const found = after.find((row) => row.there && !row.decision);
    return found ? found.label : 0;
  }

  show() {
    const rows = this.chosen();
    const here = this.page.state.label && this.page.state.label.number;
    const first = Math.max(0, Math.min(rows.findIndex(({ label }) => label === here) - MOST / 2, rows.length - MOST));
    const shown = rows.slice(first, first + MOST);
    document.querySelector("#rows tbody").replaceChildren(...shown.map((row) => this.line(row, row.label === here)));
    byId("more").textContent = rows.length > MOST ? `${rows.length - MOST} more` : rows.length ? "" : "none of this kind";
    const line = document.querySelector("#rows tr.here");
    if (line) line.scrollIntoView({ block: "nearest" });
  }

  line(row, here) {
    const line = document.createElement("tr");
    if (here) line.className = "here";
    const number = (value, digits) => (Number.isNaN(value) ? "-" : value.toFixed(digits));
    const button = Object.assign(document.createElement("button"), { textContent: row.label, disabled: !row.there });
    button.addEventListener("click", () => this.page.push({ do: "label", label: row.label }));
    const start = row.there ? STARTS[row.guess] : "not in lab1";
    const texts = [row.status, number(row.zncc, 3), row.volume, number(row.error, 2), start, said(row)];
    for (const text of ["", ...texts]) line.append(Object.assign(document.createElement("td"), { textContent: text }));
    line.firstChild.append(button);
    if (row.bad) line.children[1].className = "bad";
    return line;
  }

  /** What is known of a label, in words. */
  words(label) {
    const row = this.rows.get(label);
    return row ? `label ${label}  status ${row.status}  ${said(row)}` : `label ${label}`;
  }
}

function said(row) {
  return row.decision === SKIPPED ? "skipped" : MANUAL[row.manual];
}

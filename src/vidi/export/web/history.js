// The answers of this session, in memory alone: thumbnails, CSV and JSON.

import { briefOf, labelOf } from "./words.js";

const SIDE = 160; // pixels of a thumbnail
const MOST = 200; // answers that are kept; older ones fall out

export class History {
  constructor() {
    this.entries = [];
  }

  /** Keep an answer. @param {{name: string, file: File, image: CanvasImageSource, height: number, width: number, answer: object, model: object}} seen */
  add(seen) {
    const thumbnail = document.createElement("canvas");
    const scale = Math.min(1, SIDE / Math.max(seen.height, seen.width));
    thumbnail.width = Math.max(1, Math.round(seen.width * scale));
    thumbnail.height = Math.max(1, Math.round(seen.height * scale));
    thumbnail.getContext("2d").drawImage(seen.image, 0, 0, thumbnail.width, thumbnail.height);
    const entry = { time: new Date().toISOString(), name: seen.name, file: seen.file, answer: seen.answer, model: seen.model, thumbnail };
    this.entries.unshift(entry);
    this.entries.length = Math.min(this.entries.length, MOST);
    return entry;
  }

  clear() {
    this.entries = [];
  }

  asJson() {
    const rows = this.entries.map(({ time, name, answer, model }) => ({
      time,
      name,
      model: { id: model.id, version: model.version },
      label: answer.label,
      probability: answer.probability,
      verdict: answer.verdict,
      candidates: answer.candidates,
      decision: answer.decision,
      novelty: answer.novelty,
      probabilities: Object.fromEntries(model.metadata.classes.map((label, index) => [label, answer.probabilities[index]])),
    }));
    return JSON.stringify({ schema: 1, predictions: rows }, null, 1);
  }

  asCsv() {
    const lines = ["time,name,model,label,probability,verdict,candidates,decision"];
    for (const { time, name, answer, model } of this.entries) {
      const cells = [time, name, model.id, answer.label, answer.probability, answer.verdict ?? "", answer.candidates.join("|"), (answer.decision ?? []).join("|")];
      lines.push(cells.map(cell).join(","));
    }
    return lines.join("\n") + "\n";
  }
}

/** A CSV cell; what a spreadsheet would take for a formula is quoted as text. */
function cell(value) {
  let text = String(value);
  if (/^[=+\-@\t\r]/.test(text) && Number.isNaN(Number(text))) text = `'${text}`;
  return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** Offer a text as a file. */
export function save(text, name, type) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

/** An answer of the session as an element. @param {() => void} recall is called when the person wants it back. */
export function historyCard(entry, recall) {
  const item = document.createElement("li");
  const button = document.createElement("button");
  const says = Object.assign(document.createElement("span"), { className: "says" });
  says.append(Object.assign(document.createElement("strong"), { textContent: labelOf(entry.answer) }), briefOf(entry.answer));
  button.type = "button";
  button.setAttribute("aria-label", `${entry.name}: ${labelOf(entry.answer)}, show the answer again`);
  button.append(entry.thumbnail, says);
  button.addEventListener("click", recall);
  item.append(button);
  return item;
}

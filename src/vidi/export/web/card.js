// The model's own words about itself: classes, data, test figures, promises.

import { percent } from "./words.js";

const SHOWN = 20; // classes that are listed one by one

/** Fill an element with a model's card. */
export function fillCard(body, model) {
  const { metadata } = model;
  body.replaceChildren();
  const add = (tag, text, parent = body) => {
    const element = document.createElement(tag);
    element.textContent = text;
    parent.append(element);
    return element;
  };
  if (metadata.description) add("p", metadata.description);
  if (metadata.unfinished) add("p", `This model is unfinished (${metadata.unfinished}): it was neither calibrated nor tested.`);
  if (metadata.refuted) add("p", "Its own test refutes some of its promises. Do not rely on them; see its report.");
  add("h3", "How good it is");
  table(body, testRows(metadata));
  add("h3", "What the verdicts mean");
  fillVerdicts(model, add);
  add("h3", "The file");
  table(body, [
    ["Classes", classesOf(metadata)],
    ["Version", metadata.run || "–"],
    ["Model id", model.id],
    ["Made", (metadata.date || "–").slice(0, 10)],
    ["Network", `${metadata.network || "–"}, ${metadata.framing.size.join(" × ")} pixels`],
    ["Trained on", metadata.data?.images ? `${metadata.data.images.toLocaleString("en")} images` : "not stated"],
    ["Size", model.bytes < 1e6 ? `${Math.ceil(model.bytes / 1e3)} kB` : `${(model.bytes / 1e6).toFixed(1)} MB`],
    ["Licence", metadata.license || "not stated"],
  ]);
}

function fillVerdicts({ metadata: { verdict }, verdicts }, add) {
  if (!verdict || !verdicts) return add("p", "This model file gives no verdicts.");
  const list = add("ul", "");
  const never = verdicts.never_sure;
  add("li", never ? `${never[0].toUpperCase()}${never.slice(1)}.` : verdicts.sure, list);
  add("li", verdicts.unsure, list);
  return add("li", verdict.novelty_limit == null ? "Unknown: never given, because this model does not recognize strange images." : verdicts.unknown, list);
}

/** All classes; many are folded away. */
function classesOf({ classes }) {
  if (classes.length <= SHOWN) return classes.join(", ");
  const folded = document.createElement("details");
  folded.append(Object.assign(document.createElement("summary"), { textContent: `${classes.length} classes` }), classes.join(", "));
  return folded;
}

function testRows(metadata) {
  const test = metadata.test;
  if (!test) return [["Test", "This model file holds no test figures."]];
  const rows = [];
  for (const [key, name] of [["accuracy", "Accuracy"], ["balanced_accuracy", "Balanced accuracy"], ["macro_f1", "Macro F1"]]) {
    const figure = test[key];
    if (figure) rows.push([name, `${percent(figure.value, 1)} (${percent(figure.low, 1)} to ${percent(figure.high, 1)}, n = ${figure.n})`]);
  }
  for (const [label, figure] of Object.entries(test.recall ?? {}).slice(0, SHOWN)) {
    rows.push([`Recall of ${label}`, `${percent(figure.value, 1)} (n = ${figure.n})`]);
  }
  const more = Object.keys(test.recall ?? {}).length - SHOWN;
  if (more > 0) rows.push(["Other classes", `${more} more: see the report`]);
  return rows;
}

function table(body, rows) {
  const element = document.createElement("table");
  element.className = "facts";
  for (const [name, value] of rows) {
    const row = element.insertRow();
    const head = document.createElement("th");
    head.scope = "row";
    head.textContent = name;
    row.append(head);
    row.insertCell().append(value);
  }
  body.append(element);
}

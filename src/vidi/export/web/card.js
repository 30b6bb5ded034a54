// The model's own words about itself: classes, data, test figures, promises.

import { percent } from "./words.js";

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
  const list = add("ul", "");
  const verdict = metadata.verdict;
  add("li", verdict?.sure?.limit == null ? "Sure is never said: too few calibration images for a promise." : `Sure: at most ${percent(verdict.sure.max_error)} of such answers are wrong.`, list);
  add("li", "Unsure: the model does not promise that the answer is right.", list);
  add("li", verdict?.novelty_limit == null ? "Unknown is never said: this model cannot tell what is foreign to it." : "Unknown: the image is unlike those that the model learnt from.", list);
  add("h3", "The file");
  table(body, [
    ["Classes", metadata.classes.join(", ")],
    ["Version", metadata.run || "–"],
    ["Model id", model.id],
    ["Made", (metadata.date || "–").slice(0, 10)],
    ["Network", `${metadata.network || "–"}, ${metadata.framing.size.join(" × ")} pixels`],
    ["Trained on", metadata.data?.images ? `${metadata.data.images.toLocaleString("en")} images` : "not stated"],
    ["Size", `${(model.bytes / 1e6).toFixed(1)} MB`],
    ["Licence", metadata.license || "not stated"],
  ]);
}

function testRows(metadata) {
  const test = metadata.test;
  if (!test) return [["Test", "This model file holds no test figures."]];
  const rows = [];
  for (const [key, name] of [["accuracy", "Accuracy"], ["balanced_accuracy", "Balanced accuracy"], ["macro_f1", "Macro F1"]]) {
    const figure = test[key];
    if (figure) rows.push([name, `${percent(figure.value, 1)} (${percent(figure.low, 1)} to ${percent(figure.high, 1)}, n = ${figure.n})`]);
  }
  for (const [label, figure] of Object.entries(test.recall ?? {}).slice(0, 20)) {
    rows.push([`Recall of ${label}`, `${percent(figure.value, 1)} (n = ${figure.n})`]);
  }
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
    row.insertCell().textContent = value;
  }
  body.append(element);
}

// The answer on the page.

import { decisionOf, labelOf, meaningOf, percent, shareOf, spokenAnswer } from "./words.js";

const BARS = 5;
const LONG = 40; // letters of a label that is set in smaller type
const byId = (id) => document.getElementById(id);

/** Show an answer. @param {{quiet: boolean}} how quiet: a live frame, which is spoken only when the label changes. */
export function showAnswer(answer, model, how = { quiet: false }) {
  const { metadata } = model;
  byId("waiting").hidden = true;
  byId("said").hidden = false;
  const verdict = byId("verdict");
  verdict.textContent = answer.verdict ?? "no verdict";
  verdict.className = `verdict ${answer.verdict ?? "none"}`;
  byId("label").textContent = labelOf(answer);
  byId("label").classList.toggle("long", labelOf(answer).length > LONG);
  byId("probability").textContent = shareOf(answer, metadata);
  byId("probability").hidden = !shareOf(answer, metadata);
  byId("meaning").textContent = [meaningOf(answer, model), decisionOf(answer)].filter(Boolean).join(" ");
  byId("took").textContent = `${Math.round(answer.milliseconds)} ms`;
  showBars(answer, metadata);
  const said = spokenAnswer(answer);
  const spoken = byId("spoken");
  if (!how.quiet || spoken.dataset.label !== answer.label) spoken.textContent = said;
  spoken.dataset.label = answer.label;
}

function showBars(answer, metadata) {
  const order = answer.probabilities.map((value, index) => [value, index]);
  order.sort((one, other) => other[0] - one[0] || one[1] - other[1]);
  const list = byId("bars");
  list.hidden = answer.verdict === "unknown";
  while (list.children.length > Math.min(BARS, order.length)) list.lastChild.remove();
  order.slice(0, BARS).forEach(([value, index], place) => {
    const item = list.children[place] ?? list.appendChild(emptyBar());
    const label = metadata.classes[index];
    item.classList.toggle("candidate", answer.candidates.includes(label) && !answer.predicted.includes(label));
    item.querySelector(".name").textContent = label;
    item.querySelector(".share").textContent = percent(value, 1);
    item.querySelector(".bar > span").style.transform = `scaleX(${value})`;
  });
}

function emptyBar() {
  const item = document.createElement("li");
  const name = Object.assign(document.createElement("span"), { className: "name" });
  const share = Object.assign(document.createElement("span"), { className: "share" });
  const bar = Object.assign(document.createElement("span"), { className: "bar" });
  bar.append(document.createElement("span"));
  item.append(name, share, bar);
  return item;
}

/** Take the answer away and say why there is none. */
export function showNothing(sentence) {
  byId("said").hidden = true;
  byId("waiting").hidden = false;
  byId("waiting").classList.add("refused");
  byId("waiting").firstElementChild.textContent = sentence;
  byId("spoken").textContent = sentence;
}

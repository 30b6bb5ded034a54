// Training: how long it may take, then what happens, and how it ended. The work is a job of its own: this page only
// reads what it reports, from the start whenever it is opened.

import { listen } from "../jobs.js";
import { announce, ask, button, element, lasting, notice, percent } from "../ui.js";
import { STATES, TRAIN } from "../words.js";

const MINUTES = [1, 2, 5, 15, 60];
const USUAL = 2; // minutes
const MATTER = { train: ["pretrained", "network", "image_size", "ensemble", "multi_label", "keep_truncated", "seed"], retrain: ["max_drop", "name", "why"] };
const TICK = 1000; // milliseconds between two looks at the time left
const SVG = "http://www.w3.org/2000/svg";

let context, root, leave;

/** Show the training that is running, or how the last one ended and a form for the next. */
export async function open(place, given) {
  [context, root, leave] = [given, place, () => {}];
  await show();
  return () => leave();
}

async function show() {
  const [{ jobs }, { runs }] = await Promise.all([ask("jobs"), ask("runs")]);
  const job = jobs.find((one) => one.verb === "train" || one.verb === "retrain");
  const models = runs.filter((one) => one.files.includes("report.html") && one.files.includes("model.onnx") && one.gate?.passed !== false);
  const model = models.sort((a, b) => b.date.localeCompare(a.date))[0]; // a candidate that was not better is none to beat
  root.replaceChildren(element("header", { class: "heading" }, element("h1", { text: TRAIN.title }), runs.length > 0 && element("a", { href: "#runs", text: TRAIN.runs })));
  if (job?.state === "running") return follow(job);
  if (job && (job.state !== "finished" || job.has_page || job.can_continue)) root.append(await ended(job, runs.find((one) => one.name === job.run)));
  root.append(await form(model));
}

/** The form of the next training: of the first model, or of one that learns from changed labels. */
async function form(model) {
  const again = model !== undefined;
  const [first, second, { changed }] = await Promise.all([
    ask("options/train"), ask("options/retrain"),
    again ? ask(`runs/${encodeURIComponent(model.name)}/changes`) : { changed: true },
  ]);
  let total = null;
  const buys = element("p", { id: "buys", class: "soft" });
  const choice = element("fieldset", { class: "minutes" }, element("legend", { text: TRAIN.minutes }), MINUTES.map((minutes) =>
    element("label", {}, element("input", { type: "radio", name: "minutes", value: minutes, checked: minutes === USUAL, on: { change: tell } }), element("span", { text: String(minutes) }))));
  const more = { train: fields(first.options, MATTER.train), retrain: fields(second.options, MATTER.retrain) };
  const anew = element("input", { type: "checkbox", id: "anew", checked: !changed, disabled: !changed, on: { change: tell } });
  const made = element("form", { class: "panel train-form", on: { submit: start } },
    element("h2", { text: again ? TRAIN.again : TRAIN.first }),
    again && (changed
      ? element("p", { text: TRAIN.compared(model.name) })
      : element("p", {}, TRAIN.unchanged(model.name), " ", element("a", { href: "#images", text: TRAIN.correct }))),
    choice, buys,
    element("details", {}, element("summary", { text: TRAIN.more }),
      again && element("p", {}, element("label", { class: "check" }, anew, ` ${TRAIN.anew}`)), more.train, more.retrain),
    element("p", { class: "others" }, element("button", { class: "main", text: TRAIN.start })));

  function tell() {
    const verb = again && !anew.checked ? "retrain" : "train";
    for (const [name, one] of Object.entries(more)) one.hidden = name !== verb;
    choice.hidden = buys.hidden = verb === "retrain";
    buys.textContent = TRAIN.buys(Number(made.elements.minutes.value), total, first.needs);
    return verb;
  }
  async function start(event) {
    event.preventDefault();
    const verb = tell();
    const request = verb === "retrain" ? { run: model.name } : { minutes: Number(made.elements.minutes.value) };
    try {
      await ask("jobs", { body: { verb, request: { ...request, ...values(more[verb]) } } });
      await show();
    } catch (error) {
      notice(error.message);
    }
  }
  async function count() { // they may still be being listed
    total = await ask("findings").then((found) => found.images || null, () => null);
    if (total !== null) tell();
    else if (made.isConnected) setTimeout(count, TICK);
  }
  tell();
  setTimeout(count);
  return made;
}

/** Fields for the options that matter to most, made from how they are declared. */
function fields(options, names) {
  const rows = names.map((name) => options.find((one) => one.name === name)).filter(Boolean).map((one) => {
    const id = `option-${one.name}`;
    const common = { id, name: one.name, "aria-describedby": `${id}-help` };
    const field = one.choices.length
      ? element("select", common, [["", TRAIN.usual], ...one.choices.map((value) => [value, value])].map(([value, text]) => element("option", { value, text })))
      : element("input", { ...common, type: { flag: "checkbox", number: "number", integer: "number" }[one.kind] ?? "text", step: one.kind === "number" ? "any" : null, min: one.least, placeholder: one.default ?? TRAIN.usual });
    return element("p", { class: one.kind === "flag" ? "field check" : "field" }, element("label", { for: id, text: one.name.replaceAll("_", " ") }), field, element("span", { id: `${id}-help`, class: "soft small", text: one.help }));
  });
  return element("div", { class: "fields" }, rows);
}

function values(place) {
  const given = {};
  for (const field of place.querySelectorAll("input, select")) {
    if (field.type === "checkbox") { if (field.checked) given[field.name] = true; }
    else if (field.value !== "") given[field.name] = field.type === "number" ? Number(field.value) : field.value;
  }
  return given;
}

/** What a running training does, as it reports it. */
function follow(job) {
  const seen = { stage: TRAIN.begins, done: 0, total: 0, left: null, epochs: [], last: "" };
  const stage = element("h2", { id: "stage" }), bar = element("progress", { "aria-labelledby": "stage" }), facts = element("p", { class: "facts" });
  const curve = element("figure", { class: "curve" }), log = element("ol", { class: "log" });
  const stop = button(TRAIN.stop, async () => {
    stop.disabled = true;
    stop.textContent = TRAIN.stopping;
    await ask(`jobs/${job.id}`, { method: "DELETE" }).catch((error) => notice(error.message));
  });
  root.append(element("section", { class: "panel" }, stage, bar, facts, curve, element("p", { class: "others" }, stop),
    element("p", { class: "soft", text: TRAIN.alone }), element("details", { open: true }, element("summary", { text: TRAIN.happened }), log)));
  let asked = false;
  const paint = () => { // once a frame: of a training that is opened late many events come together
    asked = false;
    stage.textContent = seen.stage;
    if (seen.total) { bar.max = seen.total; bar.value = seen.done; } else bar.removeAttribute("value");
    facts.textContent = [seen.facts, timeLeft(job, seen)].filter(Boolean).join(" · ");
    curve.replaceChildren(...(seen.epochs.length > 1 ? [drawCurve(seen.epochs), legend(seen.epochs)] : []));
  };
  const heard = (event) => {
    take(seen, event, log);
    if (!asked) asked = requestAnimationFrame(paint);
  };
  paint();
  const tick = setInterval(paint, TICK);
  const done = (over) => {
    leave();
    announce(TRAIN.over);
    if (over.state === "finished" && over.has_page && over.verb === "train") context.go("report", { run: over.run });
    else show().catch((error) => notice(error.message, show));
  };
  const ends = listen(job, heard, done);
  leave = () => { ends(); clearInterval(tick); leave = () => {}; };
}

/** What an event changes in what is shown. */
function take(seen, event, log) {
  if (event.event === "message") {
    log.append(element("li", { text: event.sentence }));
    if (seen.last !== "message") Object.assign(seen, { stage: TRAIN.works, done: 0, total: 0, facts: "", left: null });
  } else if (event.event === "stage") {
    const over = event.total > 0 && event.done >= event.total;
    Object.assign(seen, over ? { stage: TRAIN.works, done: 0, total: 0 } : { stage: TRAIN.stage(event.what), done: event.done, total: event.total }, { facts: "", left: null });
  } else if (event.event === "step") {
    const now = event.progress;
    Object.assign(seen, { stage: TRAIN.epoch(now), done: now.step, total: now.steps, facts: TRAIN.facts(now), left: now.seconds_left });
  } else if (event.event === "epoch" && event.member <= 1) {
    seen.epochs = [...seen.epochs.filter((one) => one.epoch < event.row.epoch), event.row];
  }
  seen.last = event.event;
}

function timeLeft(job, seen) {
  const whole = job.request.minutes === undefined ? Infinity : 60 * job.request.minutes - (Date.now() - Date.parse(job.began)) / 1000;
  if (seen.left !== null && seen.left > 0) return TRAIN.left(Math.min(seen.left, Math.max(whole, 1)));
  return whole > 0 && whole < Infinity ? TRAIN.atMost(whole) : "";
}

/** Accuracy by epoch on training and held-out images, as lines that differ in more than colour. */
function drawCurve(epochs) {
  const wide = 260, high = 110, last = epochs.at(-1).epoch;
  const svg = document.createElementNS(SVG, "svg");
  const add = (tag, attributes, words = "") => {
    const made = document.createElementNS(SVG, tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    made.textContent = words;
    svg.append(made);
  };
  svg.setAttribute("viewBox", `-42 -8 ${wide + 50} ${high + 26}`);
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", TRAIN.curve(epochs));
  for (const share of [0, 0.5, 1]) {
    const y = high * (1 - share);
    add("line", { x1: 0, x2: wide, y1: y, y2: y, class: "grid" });
    add("text", { x: -4, y: y + 4, class: "axis end" }, percent(share));
  }
  for (const name of Object.keys(TRAIN.curves)) {
    const points = epochs.filter((one) => one[name] !== null).map((one) => `${(wide * (one.epoch - 1)) / Math.max(1, last - 1)},${high * (1 - one[name])}`);
    add("polyline", { points: points.join(" "), class: name });
  }
  add("text", { x: 0, y: high + 15, class: "axis" }, TRAIN.epochOne);
  add("text", { x: wide, y: high + 15, class: "axis end" }, String(last));
  return svg;
}

const legend = (epochs) => element("figcaption", { class: "small" }, Object.entries(TRAIN.curves).map(([name, words]) =>
  element("span", { class: name, text: words(epochs.at(-1)[name]) })));

/** How the last training ended, and what can be done now. */
async function ended(job, run) {
  const state = run?.gate ? "judged" : job.state === "finished" && job.can_continue ? "unjudged" : job.state;
  const said = STATES[state];
  const acts = [];
  const go = (finish) => ask(`jobs/${job.id}/continue`, { body: { finish } }).then(show).catch((error) => notice(error.message));
  if (job.can_continue) acts.push(button(state === "unjudged" ? TRAIN.judge : TRAIN.resume, () => go(false), { class: "main" }));
  if (job.can_continue && job.state !== "finished" && run?.files.includes("model.onnx")) acts.push(button(TRAIN.finish, () => go(true)));
  if (run?.files.includes("report.html")) {
    acts.push(element("a", { class: "act main", href: `#report?run=${encodeURIComponent(run.name)}`, text: TRAIN.report }));
    acts.push(element("a", { class: "act", href: `#try?run=${encodeURIComponent(run.name)}`, text: TRAIN.try }));
  }
  const failed = job.state === "failed" && !run?.gate;
  const card = element("section", { class: `panel ended ${failed ? "failed" : ""}` },
    element("h2", { text: said.title(job) }),
    run?.accuracy && element("p", { class: "result", text: TRAIN.accuracy(run.accuracy) }),
    run?.gate && element("p", { text: run.gate.sentence }),
    element("p", { text: run?.gate ? "" : job.cause || said.cause }), failed && element("p", { class: "remedy", text: job.remedy }),
    element("p", { class: "soft", text: run?.seconds ? TRAIN.took(lasting(run.seconds)) : "" }),
    element("p", { class: "others" }, acts));
  announce(`${said.title(job)}. ${run?.accuracy ? TRAIN.accuracy(run.accuracy) : job.cause}`);
  return card;
}

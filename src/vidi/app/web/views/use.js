// The models in use: what is in use since when and why, how it does, what is made of it, and what takes its place.

import { listen } from "../jobs.js";
import { announce, ask, button, element, notice } from "../ui.js";
import { USE } from "../words.js";

const LOG = "log.sqlite"; // in the folder of the project, where jobs work
const FORMS = { web: USE.page, int8: USE.int8 };
const NOT_IN_A_NAME = /[^A-Za-z0-9._-]+/g;

/** Show the models in use; `run` names one to put in use. */
export async function open(root, { project, parameters, go }) {
  const [{ models }, { runs }, { jobs }] = await Promise.all([ask("models"), ask("runs"), ask("jobs")]);
  const finished = runs.filter((one) => one.files.includes("model.onnx") && one.state === "finished").sort((a, b) => b.date.localeCompare(a.date));
  const again = () => open(root, { project, parameters: new URLSearchParams(), go }).catch((error) => notice(error.message));
  const listening = [];
  const exports = element("section", { class: "part", "aria-labelledby": "exports", hidden: true }, element("h2", { id: "exports", text: USE.exports }));
  const follow = (job) => {
    exports.hidden = false;
    exports.children[0].after(exported(job, project, listening));
  };
  root.replaceChildren(
    element("h1", { text: USE.title }),
    ...(models.length ? models.map((one) => model(one, { again, follow, go })) : [element("p", { text: USE.none })]),
    finished.length
      ? form(finished, { wanted: parameters.get("run"), name: models[0]?.name ?? nameOf(project.name), again })
      : element("p", {}, element("a", { class: "act main", href: "#train", text: USE.train })),
    element("p", {}, element("a", { class: "act", href: "#review", text: USE.label })),
    exports,
  );
  for (const job of jobs.filter((one) => one.verb === "export").reverse()) follow(job);
  return () => listening.forEach((end) => end());
}

/** A name as the registry takes it. */
const nameOf = (name) => name.replace(NOT_IN_A_NAME, "-").replace(/^[.-]+/, "").slice(0, 64) || "model";

function model(one, { again, follow, go }) {
  const path = `models/${encodeURIComponent(one.name)}`;
  const run = one.run && new URLSearchParams({ run: one.run });
  const words = element("div", {}, element("p", { class: "soft", text: USE.looking }));
  ask(`${path}/watched`).then((found) => words.replaceChildren(...watched(found, one.name), ...learn(found)), (error) => words.replaceChildren(element("p", { text: error.message })));
  const learn = ({ labelled }) => (labelled && run
    ? [button(USE.learn(labelled), () => ask("jobs", { body: { verb: "retrain", request: { run: one.run, name: one.name, feedback: LOG } } }).then(() => go("train"), (error) => notice(error.message)))]
    : []);
  const back = () => decide(`${path}/rollback`, { to: one.before }, one.name, again);
  const make = (to) => ask("jobs", { body: { verb: "export", request: { model: one.run, to } } }).then(follow, (error) => notice(error.message));
  return element("section", { class: "panel used", "aria-label": one.name },
    element("h2", { text: one.name }),
    element("p", {}, element("strong", { text: USE.version(one) })),
    element("p", { class: "soft", text: USE.since(one) }),
    words,
    element("p", { class: "others" },
      element("a", { class: "act", href: `#try?${new URLSearchParams({ model: one.name })}`, text: USE.try }),
      run && element("a", { class: "act", href: `#report?${run}`, text: USE.report }),
      element("a", { class: "act", href: "#train", text: USE.retrain }),
      one.before && button(USE.back(one.before), back)),
    element("p", { class: "others" },
      element("a", { class: "act", href: `/api/1/${path}/model.onnx`, download: true, text: USE.file }),
      ...(run ? Object.entries(FORMS).map(([to, text]) => button(text, () => make(to))) : [element("span", { class: "soft", text: USE.gone })])),
    element("details", {}, element("summary", { text: USE.history }), history(one.history)),
  );
}

function watched(found, name) {
  if (found.state === "unwatched") return [element("p", { text: USE.unwatched(name, found.folder) })];
  if (found.state === "unknown") return [element("p", { text: USE.unknown(found.why, found.remedy) })];
  return [found.drift, found.accuracy].map((text) => element("p", { text, class: found.state === "alarm" ? "why" : "" }));
}

function history(decisions) {
  const row = (one) => [USE.actions[one.action], one.version, one.tested, new Date(one.at).toLocaleString(), one.who, one.why];
  return element("table", { class: "runs" },
    element("thead", {}, element("tr", {}, USE.head.map((text) => element("th", { scope: "col", text })))),
    element("tbody", {}, decisions.map((one) => element("tr", {}, row(one).map((text, column) => element("td", { text, "data-head": USE.head[column] }))))));
}

/** Chooses a run, a name and a reason, and puts the run in use. */
function form(runs, { wanted, name, again }) {
  const choice = element("select", { id: "run" }, runs.map((one) => element("option", { value: one.name, text: one.name, selected: one.name === wanted })));
  const called = element("input", { id: "called", value: name, required: true, maxlength: 64, pattern: "[A-Za-z0-9_\\-][A-Za-z0-9._\\-]*" });
  const why = element("input", { id: "reason", maxlength: 1000 });
  const put = (event) => {
    event.preventDefault();
    decide(`models/${encodeURIComponent(called.value)}`, { run: choice.value, why: why.value }, called.value, again);
  };
  return element("form", { class: "panel put", on: { submit: put } },
    element("h2", { text: USE.put }),
    element("label", {}, USE.choose, choice), element("label", {}, USE.name, called), element("label", {}, USE.why, why),
    element("p", { class: "others" }, element("button", { class: "main", text: USE.put })));
}

/** Decide which version is in use, and say which that is now. */
async function decide(path, body, name, again) {
  try {
    const { models } = await ask(path, { body });
    await again();
    announce(USE.done(name, models.find((one) => one.name === name).version));
  } catch (error) {
    notice(error.message);
  }
}

/** What became of an export. */
function exported(job, project, listening) {
  const { to } = job.request;
  const place = element("div", { class: "panel used" });
  const show = (ended) => {
    place.replaceChildren(element("h3", { text: `${USE.forms[to] ?? to}: ${job.request.model}` }));
    if (ended.state === "running") place.append(element("p", { class: "soft", text: USE.working(USE.forms[to] ?? to) }));
    else if (ended.state !== "finished") place.append(element("p", { text: `${ended.cause || ended.state}. ${ended.remedy}` }));
    else if (to === "web") place.append(element("p", { text: USE.folder(`${project.folder}/jobs/${job.id}/export`) }), addressForm());
    else place.append(element("a", { class: "act", href: `/api/1/jobs/${job.id}/model.onnx`, download: true, text: USE.get }));
  };
  show(job);
  if (job.state === "running") listening.push(listen(job, () => {}, show));
  return place;
}

/** Takes the address at which a page was put, and shows its QR code. */
function addressForm() {
  const input = element("input", { type: "url", required: true, placeholder: "https://", "aria-label": USE.address });
  const place = element("div");
  const show = (event) => {
    event.preventDefault();
    place.replaceChildren(element("img", { class: "code", src: `/api/1/qr.svg?${new URLSearchParams({ address: input.value })}`, alt: USE.picture(input.value) }));
  };
  return element("form", { class: "put", on: { submit: show } }, element("label", {}, USE.address, input), button(USE.code, () => {}, { type: "submit" }), place);
}

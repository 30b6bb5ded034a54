// A report as vidi wrote it, in a frame that runs nothing; above it, what to do with what it says.

import { listen } from "../jobs.js";
import { announce, ask, button, element, notice } from "../ui.js";
import { REPORT } from "../words.js";

const MOST_PAIRS = 6;
const MOST_SHOWN = 400; // images that one address can name

/** Show the report of a run, or the page of a job once it is written. */
export async function open(root, { parameters, go }) {
  return parameters.has("job") ? showJob(root, parameters.get("job")) : showRun(root, parameters.get("run") ?? "", go);
}

const frame = (source, title) => element("iframe", { src: source, title, sandbox: true });

async function showRun(root, name, go) {
  const path = `runs/${encodeURIComponent(name)}`;
  const [{ runs }, found] = await Promise.all([ask("runs"), ask(`${path}/wrong`)]);
  const run = runs.find((one) => one.name === name);
  const link = (words, view, parameters = { run: name }) => element("a", { class: "act", text: words, href: `#${view}?${new URLSearchParams(parameters)}` });
  const pages = { report: REPORT.report, gate: REPORT.gate };
  const shown = element("div", { class: "others" });
  const show = (which) => {
    root.querySelector("iframe")?.remove();
    root.append(frame(`/api/1/${path}/${which}.html`, pages[which]));
    for (const one of shown.children) one.setAttribute("aria-pressed", String(one.dataset.which === which));
  };
  root.append(
    element("h1", { text: REPORT.title(name) }),
    element("p", { class: "others" },
      found.wrong.length ? link(REPORT.wrong(found.wrong.length), "images", named(found.wrong)) : element("span", { text: REPORT.none(found.tested) }),
      link(REPORT.try, "try"), link(REPORT.use, "use"), compareForm(name, runs, go)),
    found.wrong.length > 1 ? pairs(found.wrong, link) : "",
  );
  if (!run?.files.includes("report.html")) return void root.append(element("p", { text: REPORT.missing }));
  if (run.files.includes("gate.html")) {
    shown.append(...Object.entries(pages).map(([which, words]) => button(words, () => show(which), { "data-which": which })));
    root.append(shown);
  }
  show("report");
}

/** What names images in an address. */
const named = (images) => ({ digests: images.slice(0, MOST_SHOWN).map((one) => one.digest).join(",") });

/** The classes that are taken for each other most often, each a way to its images. */
function pairs(wrong, link) {
  const groups = Map.groupBy(wrong, REPORT.pair);
  const most = [...groups.values()].sort((a, b) => b.length - a.length).slice(0, MOST_PAIRS);
  const rows = most.map((ones) => element("li", {}, link(`${REPORT.pair(ones[0])} · ${ones.length}`, "images", named(ones))));
  return element("ul", { class: "pairs", "aria-label": REPORT.pairs }, rows);
}

/** Compares this run with another one; nothing where there is no other. */
function compareForm(name, runs, go) {
  const others = runs.filter((one) => one.name !== name && one.files.includes("report.html"));
  if (!others.length) return null;
  const choice = element("select", { "aria-label": REPORT.compare }, others.map((one) => element("option", { value: one.name, text: one.name })));
  return element("span", { class: "others" }, choice, button(REPORT.compare, () => compare(choice.value, name, go)));
}

/** Begin a comparison, and go to its page. */
export async function compare(first, second, go) {
  try {
    const job = await ask("jobs", { body: { verb: "compare", request: { first, second } } });
    go("report", { job: job.id });
  } catch (error) {
    notice(error.message);
  }
}

/** The page of a job: at once where it is written, else when the job has ended. */
async function showJob(root, id) {
  const { job } = await ask(`jobs/${encodeURIComponent(id)}`);
  const words = element("p", { text: REPORT.works });
  root.append(element("h1", { text: REPORT.comparison }), words);
  const show = (ended) => {
    announce(ended.cause || REPORT.comparison);
    words.textContent = ended.state === "failed" ? `${ended.cause}. ${ended.remedy}` : ended.cause;
    if (ended.has_page) root.append(frame(`/api/1/jobs/${id}/page`, REPORT.comparison));
  };
  if (job.state !== "running") return void show(job);
  return listen(job, (event) => { words.textContent = event.sentence ?? `${REPORT.works} ${event.what ?? ""}`; }, show);
}

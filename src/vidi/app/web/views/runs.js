// All trainings of the project: how good, how long, how large; two of them compared; one of them deleted.

import { announce, ask, button, element, lasting, notice } from "../ui.js";
import { RUNS, TRAIN } from "../words.js";
import { compare } from "./report.js";

/** Show the runs, the newest first. */
export async function open(root, { go }) {
  const [{ runs }, { jobs }] = await Promise.all([ask("runs"), ask("jobs")]);
  const newest = runs.sort((a, b) => b.date.localeCompare(a.date));
  root.replaceChildren(element("h1", { text: RUNS.title }));
  if (!newest.length) {
    root.append(element("p", { text: RUNS.none }), element("p", {}, element("a", { class: "act main", href: "#train", text: RUNS.train })));
    return;
  }
  const chosen = [];
  const both = button(RUNS.compare, () => compare(chosen[0], chosen[1], go), { disabled: true });
  const choose = (name, box) => {
    if (box.checked) chosen.push(name); else chosen.splice(chosen.indexOf(name), 1);
    both.disabled = chosen.length !== 2;
    announce(both.disabled ? RUNS.two : chosen.join(", "));
  };
  const again = () => open(root, { go }).catch((error) => notice(error.message));
  root.append(
    element("table", { class: "runs" },
      element("thead", {}, element("tr", {}, RUNS.head.map((text) => element("th", { scope: "col", text })), element("td"))),
      element("tbody", {}, newest.map((run) => row(run, jobs.find((one) => one.run === run.name), { choose, again })))),
    element("p", { class: "others" }, both, element("span", { class: "soft", text: RUNS.two })),
  );
}

function row(run, job, { choose, again }) {
  const isTested = run.files.includes("report.html");
  const name = isTested ? element("a", { href: `#report?run=${encodeURIComponent(run.name)}`, text: run.name }) : run.name;
  const box = element("input", { type: "checkbox", "aria-label": RUNS.choose(run.name), disabled: !isTested, on: { change: () => choose(run.name, box) } });
  const cells = [
    run.accuracy ? RUNS.accuracy(run.accuracy) : "–",
    run.seconds ? lasting(run.seconds) : "–",
    RUNS.size(run.bytes),
    run.date ? new Date(run.date).toLocaleString() : "–",
    [RUNS.states[run.state] ?? run.state, run.gate && (run.gate.passed ? RUNS.better : RUNS.notBetter)].filter(Boolean).join(", "),
  ].map((text, column) => element("td", { text, "data-head": RUNS.head[column + 1] }));
  const go = () => ask(`jobs/${job.id}/continue`, { body: {} }).then(() => { location.hash = "#train"; }, (error) => notice(error.message));
  return element("tr", {}, element("th", { scope: "row" }, box, " ", name), cells,
    element("td", {}, element("div", { class: "others" },
      run.state === "running" && element("a", { class: "act", href: "#train", text: RUNS.train }),
      job?.can_continue && button(TRAIN.resume, go, { "aria-label": `${TRAIN.resume} ${run.name}` }),
      run.state !== "running" && button(RUNS.remove, () => remove(run, again), { "aria-label": `${RUNS.remove} ${run.name}` }))));
}

/** Delete a run, once somebody has said so twice. */
function remove(run, again) {
  const dialog = element("dialog", { "aria-labelledby": "removing" },
    element("p", { id: "removing", text: RUNS.removing(run.name) }),
    element("p", { class: "others" }, button(RUNS.keep, () => dialog.close(), { autofocus: true }), button(RUNS.remove, () => dialog.close("remove"))));
  dialog.addEventListener("close", async () => {
    dialog.remove();
    if (dialog.returnValue !== "remove") return;
    try {
      await ask(`runs/${encodeURIComponent(run.name)}`, { method: "DELETE" });
      await again();
      announce(RUNS.removed(run.name));
    } catch (error) {
      notice(error.message);
    }
  });
  document.body.append(dialog);
  dialog.showModal();
}

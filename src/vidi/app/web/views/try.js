// The phone page with the project's models, in a frame; below it the training images that are most alike.

import { listen } from "../jobs.js";
import { announce, ask, button, element, notice, percent } from "../ui.js";
import { TRY } from "../words.js";
import { folderPicker } from "./start.js";

/** Show the page; `model` names the one that it begins with, or `run` the run that it is of. */
export async function open(root, { settings, project, parameters, go }) {
  const run = parameters.get("run") ?? "";
  const { models, refused, begins } = await ask(`try?${new URLSearchParams({ run })}`);
  const troubles = refused.map(({ name, why }) => element("p", { class: "soft", text: TRY.refused(name, why) }));
  if (!models.length) {
    root.append(element("h1", { text: TRY.none }), ...troubles);
    if (!settings.shared) root.append(element("button", { type: "button", class: "main", text: TRY.train, on: { click: () => go("train") } }));
    return null;
  }
  const query = new URLSearchParams({ framed: "", model: begins ?? parameters.get("model") ?? models[0].name });
  const frame = element("iframe", { src: `/try/?${query}`, class: "phone", title: TRY.frame, allow: "camera" });
  const similar = element("section", { class: "part", "aria-label": TRY.similar, hidden: true });
  const sizes = new ResizeObserver(() => { frame.style.height = `${Math.ceil(frame.contentDocument.body.scrollHeight)}px`; });
  frame.addEventListener("load", () => {
    sizes.observe(frame.contentDocument.body);
    if (!settings.shared) frame.contentDocument.addEventListener("answer", ({ detail }) => showSimilar(similar, detail));
  });
  root.append(element("h1", { class: "hidden", text: TRY.title }), frame, similar, ...troubles);
  const leave = settings.shared ? () => {} : await offerSorting(root, models, project);
  return () => { sizes.disconnect(); leave(); };
}

let asked = 0; // of all images: a slow answer gives way to the next

/** Show what the model learned from that looks most like an image; nothing for a frame of the camera. The file is the frame's, so that it is no `Blob` here. */
async function showSimilar(section, { file, model }) {
  const mine = ++asked;
  section.hidden = true;
  if (!file) return;
  const found = await ask(`similar?${new URLSearchParams({ model: model.name })}`, { body: new Blob([file]) }).catch(() => ({ similar: [] }));
  if (mine !== asked || !found.similar.length) return;
  section.hidden = false;
  section.replaceChildren(
    element("h2", { text: TRY.similar }),
    element("ul", { class: "alike" }, found.similar.map(({ path, label, similarity, thumbnail }) => element("li", {},
      thumbnail && element("img", { src: thumbnail, alt: path, title: path }),
      element("span", { text: TRY.alike(label, percent(similarity)) })))),
  );
}

/** Offer to sort a folder by a job, and show what became of the last one. @returns {() => void} what ends the listening */
async function offerSorting(root, models, project) {
  let leave = () => {};
  const choice = element("select", { id: "sorter" }, models.map((one) => element("option", { value: one.of, text: one.name })));
  const result = element("div");
  const picker = folderPicker((folder) => ask("jobs", { body: { verb: "predict", request: { model: choice.value, inputs: [folder] } } }).then(follow));
  root.append(element("section", { class: "part sort", "aria-labelledby": "sort" },
    element("h2", { id: "sort", text: TRY.sort }), element("p", { text: TRY.how }),
    element("p", { class: "others" }, element("label", {}, TRY.by, " ", choice), button(TRY.pile, () => picker.open())), result, picker.dialog));

  function follow(job) {
    leave();
    show(job);
    leave = job.state === "running" ? listen(job, () => {}, show) : () => {};
  }
  function show(job) {
    const [folder] = job.request.inputs;
    if (job.state === "running") return result.replaceChildren(element("p", { class: "soft", text: TRY.sorting(folder) }), button(TRY.stop, () => ask(`jobs/${job.id}`, { method: "DELETE" }).catch((error) => notice(error.message))));
    const words = job.state === "finished" ? TRY.sorted(folder, `${project.folder}/jobs/${job.id}/sorted`) : `${job.cause || job.state} ${job.remedy}`;
    announce(words);
    return result.replaceChildren(...[element("p", { text: words }), job.has_page && element("a", { class: "act", href: `/api/1/jobs/${job.id}/page`, download: "answers.csv", text: TRY.table })].filter(Boolean));
  }
  const { jobs } = await ask("jobs");
  const last = jobs.find((one) => one.verb === "predict");
  if (last) follow(last);
  return () => leave();
}

// The phone page with the project's models, in a frame; below it the training images that are most alike.

import { dropZone } from "../bring.js";
import { listen } from "../jobs.js";
import { announce, ask, button, element, notice, percent } from "../ui.js";
import { START, TRY } from "../words.js";
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
  const sort = (input) => ask("jobs", { body: { verb: "predict", request: { model: choice.value, inputs: [input] } } }).then(follow);
  const picker = folderPicker(sort);
  const begin = async (body) => {
    const { pile, input } = await ask("piles", { body });
    return { pile, done: () => sort(input) };
  };
  const zone = dropZone(begin, { title: TRY.sort, level: "h2", how: TRY.how, files: { words: TRY.files, accept: "image/*," }, others: [button(START.here, () => picker.open()), element("label", {}, TRY.by, " ", choice)] });
  zone.box.classList.add("sort");
  zone.box.append(result, picker.dialog);
  root.append(zone.box);

  function follow(job) {
    leave();
    show(job);
    leave = job.state === "running" ? listen(job, () => {}, show) : () => {};
  }
  function show(job) {
    const folder = job.request.inputs[0].replace(/^piles\//, "");
    if (job.state === "running") return result.replaceChildren(element("p", { class: "soft", text: TRY.sorting(folder) }), button(TRY.stop, () => ask(`jobs/${job.id}`, { method: "DELETE" }).catch((error) => notice(error.message))));
    const words = job.state === "finished" ? TRY.sorted(folder, `${project.folder}/jobs/${job.id}/sorted`) : `${job.cause || job.state} ${job.remedy}`;
    announce(words);
    const download = (file, name, text) => element("a", { class: "act", href: `/api/1/jobs/${job.id}/${file}`, download: name, text });
    return result.replaceChildren(element("p", { text: words }), element("p", { class: "others" },
      job.state === "finished" && download("sorted.zip", "sorted.zip", TRY.zip), job.has_page && download("page", "answers.csv", TRY.table)));
  }
  const { jobs } = await ask("jobs");
  const last = jobs.find((one) => one.verb === "predict");
  if (last) follow(last);
  return () => { leave(); zone.leave(); };
}

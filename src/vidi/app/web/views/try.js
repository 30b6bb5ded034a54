// The phone page with the project's models, in a frame; below it the training images that are most alike.

import { ask, element, percent } from "../ui.js";
import { TRY } from "../words.js";

/** Show the page; `model` names the one that it begins with, or `run` the run that it is of. */
export async function open(root, { settings, parameters, go }) {
  const run = parameters.get("run") ?? "";
  const { models, refused, begins } = await ask(`try?${new URLSearchParams({ run })}`);
  const troubles = refused.map(({ name, why }) => element("p", { class: "soft", text: TRY.refused(name, why) }));
  if (!models.length) {
    root.append(element("h1", { text: TRY.none }), ...troubles);
    if (!settings.shared) root.append(element("button", { type: "button", class: "main", text: TRY.train, on: { click: () => go("train") } }));
    return null;
  }
  const query = new URLSearchParams({ framed: "", model: begins ?? parameters.get("model") ?? models[0] });
  const frame = element("iframe", { src: `/try/?${query}`, class: "phone", title: TRY.frame, allow: "camera" });
  const similar = element("section", { class: "part", "aria-label": TRY.similar, hidden: true });
  const sizes = new ResizeObserver(() => { frame.style.height = `${Math.ceil(frame.contentDocument.body.scrollHeight)}px`; });
  frame.addEventListener("load", () => {
    sizes.observe(frame.contentDocument.body);
    if (!settings.shared) frame.contentDocument.addEventListener("answer", ({ detail }) => showSimilar(similar, detail));
  });
  root.append(element("h1", { class: "hidden", text: TRY.title }), frame, similar, ...troubles);
  return () => sizes.disconnect();
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

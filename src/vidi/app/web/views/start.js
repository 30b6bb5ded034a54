// The first screen: images are brought in one act, or a project of this computer is opened.

import { dropZone } from "../bring.js";
import { ask, button, counted, element, notice } from "../ui.js";
import { START } from "../words.js";

/** Show the drop zone, the ways to bring images, and the projects. */
export async function open(root, { settings, open: openProject, go }) {
  const zone = dropZone(begin, {
    title: START.drop,
    level: "h1",
    how: START.how,
    files: { words: START.archive, accept: "" },
    others: [
      button(START.here, () => picker.open()),
      button(START.camera, () => made("projects", { name: START.cameraName }, "camera")),
      button(START.example, () => made("projects/example", {})),
    ],
  });
  const picker = folderPicker(openProject);
  const rows = settings.projects.map((one) => element("li", {},
    element("button", { type: "button", class: "row", on: { click: () => openProject(one.folder) } },
      element("strong", { text: one.name }), element("span", { class: "soft small", text: one.owns_images ? one.folder : one.source }))));
  root.append(zone.box, picker.dialog,
    element("h2", { text: START.projects }),
    rows.length ? element("ul", { class: "rows" }, rows) : element("p", { class: "soft", text: START.noProject }));

  async function begin(body) {
    const { folder } = await ask("projects", { body });
    return { done: () => openProject(folder) };
  }

  async function made(path, body, view) {
    try {
      await openProject((await ask(path, { body })).folder, view);
    } catch (error) {
      notice(error.message);
    }
  }

  return zone.leave;
}

/** A dialog that goes through the folders of this computer. @param {(path: string) => Promise} chosen is called with one of them. */
export function folderPicker(chosen) {
  const where = element("p", { class: "path" });
  const list = element("ul", { class: "folders" });
  const counts = element("p", { class: "soft", role: "status" });
  let here = null;
  const use = button(START.use, () => choose(here.path), { class: "main" });
  const dialog = element("dialog", { "aria-labelledby": "picker-title" },
    element("h2", { id: "picker-title", text: START.here }), where, list, counts,
    element("div", { class: "others" }, use, button(START.cancel, () => dialog.close())));

  async function choose(path) {
    dialog.close();
    try {
      await chosen(path);
    } catch (error) {
      notice(error.message);
    }
  }

  async function show(path) {
    here = await ask(path === null ? "folders" : `folders?${new URLSearchParams({ path })}`);
    where.textContent = here.path;
    counts.textContent = here.images ? `${counted(here.images, "file")} ${START.images}` : START.noImages;
    use.disabled = !here.images;
    const others = here.roots.filter((root) => root !== here.path);
    list.replaceChildren(
      ...(here.parent ? [row(START.up, () => show(here.parent))] : others.map((root) => row(root, () => show(root)))),
      ...here.folders.map((one) => row(`${one.name}/`, () => show(one.path))),
      ...here.archives.map((one) => row(one.name, () => choose(one.path))),
    );
    list.querySelector("button")?.focus();
  }
  const row = (words, click) => element("li", {}, button(words, () => Promise.resolve(click()).catch((error) => { counts.textContent = error.message; })));
  return { dialog, open: () => { dialog.showModal(); show(null).catch((error) => notice(error.message)); } };
}

// The first screen: images are brought in one act, or a project of this computer is opened.

import { bring, chosenFiles, droppedFiles } from "../bring.js";
import { announce, ask, button, counted, element, notice, number } from "../ui.js";
import { START } from "../words.js";

const ARCHIVE = /\.(zip|tar|tgz|tar\.(gz|bz2|xz))$/i;

/** Show the drop zone, the ways to bring images, and the projects. */
export async function open(root, { settings, open: openProject, go }) {
  const folder = element("input", { type: "file", webkitdirectory: true, class: "hidden", tabindex: -1, "aria-hidden": "true", on: { change: () => take(chosenFiles(folder.files)) } });
  const archive = element("input", { type: "file", accept: ".zip,.tar,.tgz,.gz,.bz2,.xz", class: "hidden", tabindex: -1, "aria-hidden": "true", on: { change: () => take(chosenFiles(archive.files)) } });
  const bar = element("progress", { max: 1, value: 0, "aria-label": START.bringing, hidden: true });
  const said = element("p", { class: "soft", role: "status" });
  const zone = element("section", { class: "drop", "aria-labelledby": "drop-title" },
    element("h1", { id: "drop-title", text: START.drop }),
    element("p", { class: "soft", text: START.how }),
    element("div", { class: "others" },
      button(START.choose, () => folder.click(), { class: "main" }),
      button(START.archive, () => archive.click()),
      button(START.here, () => picker.open()),
      button(START.camera, () => made({ name: START.cameraName }, "camera")),
      button(START.example, () => example()),
    ),
    folder, archive, bar, said);
  const picker = folderPicker(openProject);
  const rows = settings.projects.map((one) => element("li", {},
    element("button", { type: "button", class: "row", on: { click: () => openProject(one.folder) } },
      element("strong", { text: one.name }), element("span", { class: "soft small", text: one.owns_images ? one.folder : one.source }))));
  root.append(zone, picker.dialog,
    element("h2", { text: START.projects }),
    rows.length ? element("ul", { class: "rows" }, rows) : element("p", { class: "soft", text: START.noProject }));

  const over = (event) => { event.preventDefault(); zone.classList.toggle("over", event.type === "dragover"); };
  const dropped = async (event) => { over(event); take(await droppedFiles(event.dataTransfer)); };
  const listeners = { dragover: over, dragleave: over, drop: dropped };
  for (const [name, heard] of Object.entries(listeners)) addEventListener(name, heard);

  async function made(body, view) {
    try {
      const project = await ask("projects", { body });
      await openProject(project.folder, view);
    } catch (error) {
      notice(error.message);
    }
  }

  async function example() {
    try {
      await openProject((await ask("projects/example", { body: {} })).folder);
    } catch (error) {
      notice(error.message);
    }
  }

  /** Make a project of what was dropped or chosen, and bring its files while the page shows how far it is. */
  async function take({ name, files }) {
    if (!files.length) return notice(START.nothing);
    const isArchive = files.length === 1 && ARCHIVE.test(files[0].file.name);
    const called = name || (isArchive ? files[0].file.name.replace(ARCHIVE, "") : START.unnamed);
    try {
      const project = await ask("projects", { body: { name: called.slice(0, 80), archive: isArchive ? files[0].file.name : null } });
      await bringInto(project, files);
    } catch (error) {
      notice(error.message, () => take({ name, files }));
    }
  }

  async function bringInto(project, files) {
    bar.hidden = false;
    try {
      const refused = await bring(files, (done, total) => {
        bar.value = done / total;
        said.textContent = `${number(done)} of ${counted(total, "file")}`;
      });
      await openProject(project.folder);
      if (refused.length) notice(`${counted(refused.length, "file")} ${START.refused} ${refused[0].path}: ${refused[0].why}`);
      announce(`${counted(files.length - refused.length, "file")} ${START.brought}`);
    } catch (error) {
      notice(`${error.message} ${START.kept}`, () => bringInto(project, files));
    } finally {
      bar.hidden = true;
    }
  }

  return () => { for (const [name, heard] of Object.entries(listeners)) removeEventListener(name, heard); };
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

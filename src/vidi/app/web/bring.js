// Bringing files into the project that is open: one after the other, those that lie there already left out.

import { listed } from "./drop.js";
import { announce, ask, button, counted, element, notice, number } from "./ui.js";
import { START } from "./words.js";

const PART = 15_000_000; // bytes of a file that one request brings
const BATCH = 100; // files that are compared at once
const AT_ONCE = 4; // files on their way
const ARCHIVE = /\.(zip|tar|tgz|tar\.(gz|bz2|xz))$/i;

/**
 * A place that takes dropped or chosen files, and shows how far they are brought.
 * @param {(body: {name, archive}) => Promise<{pile?: string, done: () => Promise}>} begin makes room for them, and says what follows
 * @returns {{box: HTMLElement, leave: () => void}} what is shown, and what ends the listening
 */
export function dropZone(begin, { title, level, how, files, others }) {
  const input = (properties) => {
    const made = element("input", { type: "file", class: "hidden", tabindex: -1, "aria-hidden": "true", ...properties, on: { change: () => take(chosenFiles(made.files)) } });
    return made;
  };
  const folder = input({ webkitdirectory: true }), single = input({ accept: `${files.accept}.zip,.tar,.tgz,.gz,.bz2,.xz`, multiple: files.accept !== "" });
  const bar = element("progress", { max: 1, value: 0, "aria-label": START.bringing, hidden: true });
  const said = element("p", { class: "soft", role: "status" });
  const box = element("section", { class: "drop", "aria-labelledby": "drop-title" },
    element(level, { id: "drop-title", text: title }),
    element("p", { class: "soft", text: how }),
    element("div", { class: "others" },
      button(START.choose, () => folder.click(), { class: "main" }),
      button(files.words, () => single.click()),
      others),
    folder, single, bar, said);
  const over = (event) => { event.preventDefault(); box.classList.toggle("over", event.type === "dragover"); };
  const dropped = async (event) => { over(event); take(await droppedFiles(event.dataTransfer)); };
  const listeners = { dragover: over, dragleave: over, drop: dropped };
  for (const [name, heard] of Object.entries(listeners)) addEventListener(name, heard);

  async function take({ name, files }) {
    if (!files.length) return notice(START.nothing);
    const isArchive = files.length === 1 && ARCHIVE.test(files[0].file.name);
    const called = name || (isArchive ? files[0].file.name.replace(ARCHIVE, "") : START.unnamed);
    try {
      await bringTo(await begin({ name: called.slice(0, 80), archive: isArchive ? files[0].file.name : null }), files);
    } catch (error) {
      notice(error.message, () => take({ name, files }));
    }
  }

  async function bringTo(place, files) {
    bar.hidden = false;
    try {
      const refused = await bring(files, place.pile, (done, total) => {
        bar.value = done / total;
        said.textContent = `${number(done)} of ${counted(total, "file")}`;
      });
      await place.done();
      if (refused.length) notice(`${counted(refused.length, "file")} ${START.refused} ${refused[0].path}: ${refused[0].why}`);
      announce(`${counted(files.length - refused.length, "file")} ${START.brought}`);
    } catch (error) {
      notice(`${error.message} ${START.kept}`, () => bringTo(place, files));
    } finally {
      bar.hidden = true;
    }
  }

  return { box, leave: () => { for (const [name, heard] of Object.entries(listeners)) removeEventListener(name, heard); } };
}

/** Files and their paths from a drop; the one folder that was dropped is left out of the paths. @returns {{name, files}} */
async function droppedFiles(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  const files = (await Promise.all(entries.map((entry) => within(entry, "")))).flat();
  return withoutRoot(files);
}

/** The same from an `<input type="file">`. */
const chosenFiles = (list) => withoutRoot([...list].map((file) => ({ path: file.webkitRelativePath || file.name, file })));

/** Where all files lie in one folder, its name is that of the project, and no class. */
function withoutRoot(files) {
  const roots = new Set(files.map(({ path }) => (path.includes("/") ? path.split("/")[0] : "")));
  const [root] = roots;
  if (roots.size !== 1 || !root) return { name: "", files };
  return { name: root, files: files.map(({ path, file }) => ({ path: path.slice(root.length + 1), file })) };
}

async function within(entry, folder) {
  if (entry.name.startsWith(".")) return []; // left by a system
  const path = folder ? `${folder}/${entry.name}` : entry.name;
  if (entry.isFile) return [{ path, file: await new Promise((done, failed) => entry.file(done, failed)) }];
  return (await Promise.all((await listed(entry)).map((one) => within(one, path)))).flat();
}

/**
 * Bring files; begun again, it goes on where it was.
 * @param {{path: string, file: Blob}[]} files
 * @param {string} [pile] to sort, to which they belong instead of the project's images
 * @param {(done: number, total: number) => void} told
 * @returns {Promise<{path: string, why: string}[]>} files that are not taken, and why
 */
async function bring(files, pile, told) {
  const refused = [];
  let done = 0;
  for (let first = 0; first < files.length; first += BATCH) {
    const batch = await Promise.all(files.slice(first, first + BATCH).map(async (one) => ({ ...one, digest: await digestOf(one.file) })));
    const digests = Object.fromEntries(batch.filter(({ digest }) => digest).map(({ path, digest }) => [path, digest]));
    const known = new Set((await ask("files/known", { body: { files: digests, pile } })).known);
    const left = batch.filter(({ path }) => !known.has(path));
    done += batch.length - left.length;
    told(done, files.length);
    const next = async () => {
      for (let one = left.shift(); one; one = left.shift()) {
        try {
          await send({ ...one, pile });
        } catch (error) {
          if (error.code !== "invalid-input") throw error;
          refused.push({ path: one.path, why: error.message });
        }
        told(++done, files.length);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, next));
  }
  return refused;
}

/** Send one file, a large one in parts. */
export async function send({ path, file, digest = "", pile = "" }) {
  let from = 0;
  do {
    const part = file.slice(from, from + PART);
    const query = new URLSearchParams({ path, from: String(from), size: String(file.size), digest, pile });
    await ask(`files?${query}`, { method: "PUT", body: part, headers: { "content-type": "application/octet-stream" } });
    from += PART;
  } while (from < file.size);
}

/** SHA-256 of a file in hex; of a very large one none, which would have to lie in memory at once. */
async function digestOf(file) {
  if (file.size > PART || !crypto.subtle) return "";
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", await file.arrayBuffer()));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

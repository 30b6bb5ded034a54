// Bringing files into the project that is open: one after the other, those that lie there already left out.

import { ask } from "./ui.js";

const PART = 15_000_000; // bytes of a file that one request brings
const BATCH = 100; // files that are compared at once
const AT_ONCE = 4; // files on their way

/** Files and their paths from a drop; the one folder that was dropped is left out of the paths. @returns {{name, files}} */
export async function droppedFiles(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  const files = (await Promise.all(entries.map((entry) => within(entry, "")))).flat();
  return withoutRoot(files);
}

/** The same from an `<input type="file">`. */
export const chosenFiles = (list) => withoutRoot([...list].map((file) => ({ path: file.webkitRelativePath || file.name, file })));

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
  const reader = entry.createReader(), entries = [];
  for (;;) {
    const some = await new Promise((done, failed) => reader.readEntries(done, failed)); // 100 at a time
    if (!some.length) break;
    entries.push(...some);
  }
  return (await Promise.all(entries.map((one) => within(one, path)))).flat();
}

/**
 * Bring files; begun again, it goes on where it was.
 * @param {{path: string, file: Blob}[]} files
 * @param {(done: number, total: number) => void} told
 * @returns {Promise<{path: string, why: string}[]>} files that are not taken, and why
 */
export async function bring(files, told) {
  const refused = [];
  let done = 0;
  for (let first = 0; first < files.length; first += BATCH) {
    const batch = await Promise.all(files.slice(first, first + BATCH).map(async (one) => ({ ...one, digest: await digestOf(one.file) })));
    const digests = Object.fromEntries(batch.filter(({ digest }) => digest).map(({ path, digest }) => [path, digest]));
    const known = new Set((await ask("files/known", { body: { files: digests } })).known);
    const left = batch.filter(({ path }) => !known.has(path));
    done += batch.length - left.length;
    told(done, files.length);
    const next = async () => {
      for (let one = left.shift(); one; one = left.shift()) {
        try {
          await send(one);
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
export async function send({ path, file, digest = "" }) {
  let from = 0;
  do {
    const part = file.slice(from, from + PART);
    const query = new URLSearchParams({ path, from: String(from), size: String(file.size), digest });
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

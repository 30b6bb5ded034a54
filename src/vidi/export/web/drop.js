// What was dropped: files, and the images in folders.

/** The files of a drop, those of folders in the order of their names. @param {DataTransfer} transfer */
export async function filesOf(transfer) {
  const files = [...transfer.files]; // both lists are empty after the first wait
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.some((entry) => entry.isDirectory)) return files;
  return (await Promise.all(entries.map(within))).flat();
}

/** The files of an entry; in a folder, only those that are called like images. */
async function within(entry) {
  if (entry.isFile) return [await new Promise((done, failed) => entry.file(done, failed))];
  const found = (await Promise.all((await listed(entry)).map(within))).flat();
  return found.filter((file) => file.type.startsWith("image/"));
}

/** The entries of a folder, in the order of their names. */
export async function listed(folder) {
  const reader = folder.createReader();
  const entries = [];
  for (;;) {
    const some = await new Promise((done, failed) => reader.readEntries(done, failed)); // 100 at a time
    if (!some.length) break;
    entries.push(...some);
  }
  return entries.sort((one, other) => one.name.localeCompare(other.name, "en", { numeric: true }));
}

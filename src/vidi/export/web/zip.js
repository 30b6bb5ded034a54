// A zip file of stored entries, as PKWARE's APPNOTE describes it: JPEGs gain nothing from being packed again.

import { crc32 } from "./bytes.js";

/** One zip file. @param {{name: string, bytes: Uint8Array, time: Date}[]} entries @returns {Blob} */
export function zip(entries) {
  const parts = [];
  const directory = [];
  let offset = 0;
  for (const { name, bytes, time } of entries) {
    const path = new TextEncoder().encode(name);
    const facts = [20, 0x0800, 0, dosTime(time), dosDate(time)];
    const sizes = [crc32(bytes), bytes.length, bytes.length];
    const local = record(0x04034b50, facts, sizes, [path.length, 0]);
    directory.push(record(0x02014b50, [20, ...facts], sizes, [path.length, 0, 0, 0, 0], [0, offset]), path);
    parts.push(local, path, bytes);
    offset += local.length + path.length + bytes.length;
  }
  const length = directory.reduce((sum, part) => sum + part.length, 0);
  const end = record(0x06054b50, [0, 0, entries.length, entries.length], [length, offset], [0]);
  return new Blob([...parts, ...directory, end], { type: "application/zip" });
}

/** A record: its signature, then groups of 16-bit and 32-bit numbers in turn. */
function record(signature, ...groups) {
  const bytes = [...number(signature, 4)];
  groups.forEach((group, index) => group.forEach((value) => bytes.push(...number(value, index % 2 ? 4 : 2))));
  return Uint8Array.from(bytes);
}

function number(value, count) {
  return Array.from({ length: count }, (_, index) => (value >>> (8 * index)) & 255);
}

function dosTime(time) {
  return (time.getHours() << 11) | (time.getMinutes() << 5) | (time.getSeconds() >> 1);
}

function dosDate(time) {
  return ((Math.max(1980, time.getFullYear()) - 1980) << 9) | ((time.getMonth() + 1) << 5) | time.getDate();
}

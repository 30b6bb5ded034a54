// What an image file is, from its own bytes, and the file as the browser gets it: without EXIF, XMP, text, gamma and
// what else browsers read in different ways. The rules and codes are those of vidi's Python (`vidi/images/formats/`),
// for the formats that every browser decodes to 8 bits; all others are refused as `unsupported-format`.

import { readAvif } from "./avif.js";
import { Refusal, broken, crc32, startsWith, text, truncated, unsupported, viewOf } from "./bytes.js";

export { Refusal };

export const LIMITS = { pixels: 64_000_000, fileBytes: 64_000_000, jpegScans: 100, metadataBytes: 1_000_000 };

const READ = "8-bit JPEG, PNG, WebP, GIF and AVIF";

/**
 * What a file is, or why it is not used.
 *
 * @param {Uint8Array} data the whole file
 * @returns {{format: string, type: string, width: number, height: number, orientation: number, notes: string[],
 *   parts: (Uint8Array | number[])[], filled?: (Uint8Array | number[])[], opacity?: Uint8Array[], pngBytes?: number,
 *   pngStream?: Uint8Array[]}} stored width and height; `parts`, joined, are the file for the browser; `filled` is the
 *   same with other bits behind it, where the end mark is missing: the pixels are all there if both give the same;
 *   `opacity` is a file whose grey pixels say how opaque those of `parts` are
 */
export function examine(data) {
  if (data.length > LIMITS.fileBytes) {
    throw new Refusal("too-much-memory", `The file has ${data.length} bytes; ${LIMITS.fileBytes} are the most.`);
  }
  const format = sniff(data);
  const header = { format, orientation: 1, notes: [], ...READERS[format](data) };
  if (header.width === 0 || header.height === 0) throw new Refusal("no-pixels", `The ${format} has a side of 0 pixels.`);
  if (header.width * header.height > LIMITS.pixels) {
    const size = `${header.width} x ${header.height}`;
    throw new Refusal("too-many-pixels", `The ${format} is ${size} pixels; ${LIMITS.pixels} in all are the most.`);
  }
  return header;
}

const OTHER_IMAGES = [
  ["II*\0", "TIFF"], ["MM\0*", "TIFF"], ["II+\0", "TIFF"], ["MM\0+", "TIFF"], ["BM", "BMP"],
  ["\xff\x0a", "JPEG XL"], ["\0\0\0\x0cJXL ", "JPEG XL"], ["\0\0\0\x0cjP  ", "JPEG 2000"],
  ["\xff\x4f\xff\x51", "JPEG 2000"], ["8BPS", "Photoshop"], ["v/1\x01", "OpenEXR"], ["#?RADIANCE", "Radiance HDR"],
  ["\0\0\x01\0", "Windows icon"], ["\0\0\x02\0", "Windows cursor"], ["icns", "Apple icon"], ["qoif", "QOI"],
  ["DDS ", "DirectDraw surface"], ["P7\n", "PAM"], ["PF\n", "PFM"], ["Pf\n", "PFM"], ["FUJIFILMCCD-RAW", "camera raw"],
  ["IIRO", "camera raw"], ["IIU\0", "camera raw"], ["\0MRM", "camera raw"], ["FOVb", "camera raw"],
  ["II\xbc", "JPEG XR"],
];

function sniff(data) {
  if (!data.length) throw new Refusal("empty", "The file has no bytes.");
  if (startsWith(data, "\xff\xd8\xff")) return "JPEG";
  if (startsWith(data, "\x89PNG\r\n\x1a\n")) return "PNG";
  if (startsWith(data, "GIF87a") || startsWith(data, "GIF89a")) return "GIF";
  if (startsWith(data, "RIFF") && startsWith(data, "WEBP", 8)) return "WebP";
  const brand = startsWith(data, "ftyp", 4) ? text(data, 8, 12) : "";
  const isGeneral = brand === "mif1" || brand === "msf1";
  if (brand === "avif" || brand === "avis" || (isGeneral && text(data, 16, 64).includes("avif"))) return "AVIF";
  const other = OTHER_IMAGES.find(([signs]) => startsWith(data, signs))?.[1];
  const isNetpbm = /^P[1-6][\s#]/.test(text(data, 0, 3));
  const name = other ?? (isNetpbm ? "PNM" : brand && (isGeneral || brand.startsWith("he") ? "HEIC" : "MP4 or the like"));
  if (name) throw unsupported(`This is a ${name} file; this page reads ${READ}. Convert it to PNG or JPEG.`);
  throw new Refusal("not-an-image", "The content is not an image of any kind that is known here.");
}

// -- EXIF -------------------------------------------------------------------------------------------------------------

/** The orientation, 1 to 8, that an EXIF block states; 1 where it is damaged or says nothing. */
export function orientationOf(block) {
  const exif = startsWith(block, "Exif\0\0") ? block.subarray(6) : block;
  const little = startsWith(exif, "II*\0");
  if (exif.length < 10 || !(little || startsWith(exif, "MM\0*"))) return 1;
  const view = viewOf(exif);
  const offset = view.getUint32(4, little);
  if (offset + 2 > exif.length) return 1;
  const count = Math.min(view.getUint16(offset, little), 500);
  for (let start = offset + 2; start < offset + 2 + 12 * count && start + 12 <= exif.length; start += 12) {
    if (view.getUint16(start, little) !== 0x0112) continue;
    const isShort = view.getUint16(start + 2, little) === 3 && view.getUint32(start + 4, little) === 1;
    const value = isShort ? view.getUint16(start + 8, little) : 1;
    return value >= 1 && value <= 8 ? value : 1;
  }
  return 1;
}

// -- JPEG -------------------------------------------------------------------------------------------------------------

const SOI = 0xd8, EOI = 0xd9, SOS = 0xda, APP0 = 0xe0, APP1 = 0xe1, APP2 = 0xe2, APP14 = 0xee;
const FRAMES = new Set([0xc0, 0xc1, 0xc2, 0xc3, 0xc5, 0xc6, 0xc7, 0xc9, 0xca, 0xcb, 0xcd, 0xce, 0xcf]);
const DECIDING = new Set([...FRAMES, 0xc4, 0xdb, 0xdd, 0xcc, SOS]); // what the pixels are made of
const FILLER = Array.from({ length: 16 }, () => [0x5a, 0xa5, 0x3c, 0xc3]).flat();

function readJpeg(data) {
  const { parts, end, isOdd } = walkJpeg(data);
  const scan = parts.find((part) => part.kind === SOS);
  if (!scan) throw truncated(`The JPEG ends after ${data.length} bytes, before the first scan.`);
  const frames = parts.filter((part) => FRAMES.has(part.kind));
  if (frames.length !== 1) throw broken(`The JPEG has ${frames.length || "no"} frame headers.`);
  if (frames[0].start > scan.start) throw broken("The JPEG's frame header stands behind its first scan.");
  const size = readFrame(data, frames[0]);
  const exif = parts.find((part) => part.kind === APP1 && startsWith(data, "Exif\0\0", part.body));
  const kept = parts.filter((part) => decidesPixels(data, part)).map((part) => data.subarray(part.start, part.end));
  const file = [[0xff, SOI], ...kept];
  const notes = [...(isOdd ? ["stray-bytes"] : []), ...(end !== null && end < data.length ? ["bytes-after-end"] : [])];
  return {
    ...size,
    type: "image/jpeg",
    notes,
    orientation: exif && exif.start < scan.start ? orientationOf(data.subarray(exif.body + 6, exif.end)) : 1,
    parts: [...file, [0xff, EOI]],
    // Coded bits that mean something else than a missing end: if the pixels change, they were not all there.
    filled: end === null ? [...file, FILLER, [0xff, EOI]] : undefined,
  };
}

function decidesPixels(data, part) {
  if (part.kind === APP2) return startsWith(data, "ICC_PROFILE\0", part.body);
  return DECIDING.has(part.kind) || part.kind === APP14 || (part.kind === APP0 && startsWith(data, "JFIF\0", part.body));
}

/** All segments with the coded data under their scan, where the image ends (null: no end mark), and whether bytes lie
 * between segments. */
function walkJpeg(data) {
  const parts = [];
  const view = viewOf(data);
  const isCut = (place) => place + 2 > data.length || place + view.getUint16(place) > data.length;
  let position = 2, scans = 0, isOdd = false;
  for (;;) {
    const due = position;
    position = nextMarker(data, due);
    isOdd ||= data.subarray(due, position).some((byte) => byte !== 0xff);
    if (position + 1 >= data.length) return { parts, end: null, isOdd };
    const kind = data[position + 1];
    position += 2;
    if (kind === EOI) return { parts, end: position, isOdd };
    if (kind === SOI) throw broken(`At byte ${position} of the JPEG a second image starts within the first.`);
    if (isCut(position)) {
      if (scans && !DECIDING.has(kind)) return { parts, end: null, isOdd };
      throw truncated(`The JPEG ends after ${data.length} bytes, within a segment.`);
    }
    const length = view.getUint16(position);
    if (length < 2 && DECIDING.has(kind)) throw broken(`At byte ${position} stands a segment of length ${length}.`);
    isOdd ||= length < 2;
    let end = position + Math.max(2, length);
    if (kind === SOS) {
      scans += 1;
      if (scans > LIMITS.jpegScans) {
        throw new Refusal("too-many-scans", `The JPEG is coded in more than ${LIMITS.jpegScans} scans.`);
      }
      end = nextMarker(data, end);
    }
    parts.push({ kind, start: position - 2, body: position + 2, end });
    if (parts.length > 20_000) throw new Refusal("metadata-too-large", "The JPEG has more than 20000 segments.");
    position = end;
  }
}

/** The first 0xFF at or behind a position that begins a segment, or the image's start or end; else the file's end. */
function nextMarker(data, position) {
  for (let at = data.indexOf(0xff, position); at >= 0 && at + 1 < data.length; at = data.indexOf(0xff, at + 1)) {
    const next = data[at + 1];
    if (next > 1 && next !== 0xff && (next < 0xd0 || next > 0xd7)) return at;
  }
  return data.length;
}

function readFrame(data, frame) {
  if (frame.end - frame.body < 6) throw broken("The JPEG's frame header is too short.");
  const view = viewOf(data);
  const bits = data[frame.body], channels = data[frame.body + 5];
  if (frame.kind > 0xc2) throw unsupported(`This kind of JPEG is not read here; ${READ} are. Save it as an ordinary JPEG.`);
  if (bits !== 8) throw unsupported(`This JPEG has ${bits} bits a sample; 8 are read.`);
  const size = { height: view.getUint16(frame.body + 1), width: view.getUint16(frame.body + 3) };
  if (size.height && size.width && channels !== 1 && channels !== 3) {
    throw unsupported(`This JPEG has ${channels} colour components; 1 or 3 are read here. Save it as RGB.`);
  }
  return size;
}

// -- PNG --------------------------------------------------------------------------------------------------------------

const PNG_CHANNELS = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 };
const PNG_DEPTHS = { 0: [1, 2, 4, 8, 16], 2: [8, 16], 3: [1, 2, 4, 8], 4: [8, 16], 6: [8, 16] };
const PNG_KEPT = new Set(["IHDR", "PLTE", "tRNS", "IDAT", "IEND", "iCCP"]); // no gamma, no text, no animation
const PASSES = [[0, 0, 8, 8], [0, 4, 8, 8], [4, 0, 8, 4], [0, 2, 4, 4], [2, 0, 4, 2], [0, 1, 2, 2], [1, 0, 2, 1]];
const IEND = [0, 0, 0, 0, 0x49, 0x45, 0x4e, 0x44, 0xae, 0x42, 0x60, 0x82];

function readPng(data) {
  const { parts, notes } = walkPng(data);
  const head = parts[0];
  if (head?.kind !== "IHDR" || head.end - head.start !== 25) throw broken("The PNG does not begin with its header chunk.");
  const view = viewOf(data);
  const [width, height] = [view.getUint32(head.body), view.getUint32(head.body + 4)];
  const [depth, colour, method, filters, interlace] = data.subarray(head.body + 8, head.body + 13);
  if (!PNG_DEPTHS[colour]?.includes(depth)) throw broken(`The PNG states ${depth} bits and colour type ${colour}.`);
  if (method || filters || interlace > 1) throw broken("The PNG states a method that does not exist.");
  const has = (kind) => parts.some((part) => part.kind === kind);
  if (!has("IDAT")) throw (notes.includes("end-missing") ? truncated : broken)("The PNG holds no image data.");
  if (colour === 3 && !has("PLTE")) throw broken("The PNG has a palette image without a palette.");
  if (depth === 16) throw unsupported("This PNG has 16 bits a sample; 8 are read here. Save it with 8 bits.");
  if (has("acTL")) notes.push("first-frame");
  const exif = parts.find((part) => part.kind === "eXIf");
  const kept = parts.filter((part) => PNG_KEPT.has(part.kind)).map((part) => data.subarray(part.start, part.end));
  return {
    width,
    height,
    type: "image/png",
    notes,
    orientation: exif ? orientationOf(data.subarray(exif.body, exif.end - 4)) : 1,
    parts: [data.subarray(0, 8), ...kept, ...(parts.at(-1).kind === "IEND" ? [] : [IEND])],
    pngBytes: streamBytes(width, height, depth * PNG_CHANNELS[colour], interlace === 1),
    pngStream: parts.filter((part) => part.kind === "IDAT").map((part) => data.subarray(part.body, part.end - 4)),
  };
}

/** How many bytes the inflated data of all rows has. */
function streamBytes(width, height, bits, isInterlaced) {
  let total = 0;
  for (const [row, column, rowStep, columnStep] of isInterlaced ? PASSES : [[0, 0, 1, 1]]) {
    const rows = Math.ceil((height - row) / rowStep), columns = Math.ceil((width - column) / columnStep);
    if (rows > 0 && columns > 0) total += rows * (1 + Math.ceil((columns * bits) / 8));
  }
  return total;
}

function walkPng(data) {
  const parts = [];
  const view = viewOf(data);
  let position = 8;
  while (position + 8 <= data.length) {
    const length = view.getUint32(position), kind = text(data, position + 4, position + 8);
    if (length > 2 ** 31 - 1 || !/^[A-Za-z]{4}$/.test(kind)) {
      throw broken(`At byte ${position} of the PNG stands a chunk that claims ${length} bytes.`);
    }
    const part = { kind, start: position, body: position + 8, end: position + 12 + length };
    if (part.end > data.length) {
      if (kind === "IEND") break;
      throw truncated(`The PNG ends after ${data.length} bytes, within its chunk ${kind}.`);
    }
    const isCritical = kind[0] < "a";
    if (isCritical && crc32(data.subarray(position + 4, part.end - 4)) !== view.getUint32(part.end - 4)) {
      throw broken(`The checksum of the PNG's chunk ${kind} is wrong.`);
    }
    parts.push(part);
    position = part.end;
    if (kind === "IEND") return { parts, notes: position < data.length ? ["bytes-after-end"] : [] };
    if (parts.length > 100_000) throw broken("The PNG has more than 100000 chunks.");
  }
  return { parts, notes: ["end-missing"] };
}

// -- WebP -------------------------------------------------------------------------------------------------------------

const WEBP_IMAGES = new Set(["VP8 ", "VP8L", "ANMF"]);

function readWebp(data) {
  const parts = walkWebp(data);
  const extended = parts.find((part) => part.kind === "VP8X");
  const image = parts.find((part) => WEBP_IMAGES.has(part.kind));
  const canvas = extended && webpCanvas(data, extended);
  if (!image) {
    if (canvas && canvas.width * canvas.height > LIMITS.pixels) throw new Refusal("too-many-pixels", "The WebP is too large.");
    throw truncated("The WebP ends before its image data.");
  }
  const size = canvas ?? webpSize(data, image);
  const exif = parts.find((part) => part.kind === "EXIF");
  const last = parts.at(-1), end = last.end + (last.end & 1), stated = viewOf(data).getUint32(4, true) + 8;
  const notes = parts.filter((part) => part.kind === "ANMF").length > 1 ? ["first-frame"] : [];
  if (stated < data.length) notes.push("bytes-after-end");
  else if (stated > end) notes.push("size-differs");
  return {
    ...size,
    type: "image/webp",
    notes,
    orientation: exif ? orientationOf(data.subarray(exif.body, exif.end)) : 1,
    parts: webpFile(data, parts),
  };
}

function walkWebp(data) {
  const view = viewOf(data);
  const last = data.length < 8 ? 0 : Math.min(data.length, view.getUint32(4, true) + 8);
  const parts = [];
  let position = 12;
  while (position + 8 <= last) {
    const kind = text(data, position, position + 4), length = view.getUint32(position + 4, true);
    const part = { kind, start: position, body: position + 8, end: position + 8 + length };
    if (part.end > data.length) {
      if (WEBP_IMAGES.has(kind) || kind === "VP8X" || kind === "ALPH") {
        throw truncated(`The WebP ends after ${data.length} bytes, within its image data.`);
      }
      break;
    }
    parts.push(part);
    position = part.end + (length & 1);
  }
  return parts;
}

/** The file without EXIF and XMP, which browsers read in different ways. */
function webpFile(data, parts) {
  const kept = [];
  for (const part of parts) {
    if (part.kind === "EXIF" || part.kind === "XMP ") continue;
    const chunk = data.slice(part.start, part.end);
    if (part.kind === "VP8X") chunk[8] &= ~0x0c;
    kept.push(chunk, ...(chunk.length & 1 ? [[0]] : []));
  }
  const length = kept.reduce((sum, chunk) => sum + chunk.length, 4);
  const head = new Uint8Array(12);
  head.set(data.subarray(0, 4));
  head.set(data.subarray(8, 12), 8);
  viewOf(head).setUint32(4, length, true);
  return [head, ...kept];
}

function webpCanvas(data, part) {
  if (part.end - part.body < 10) throw broken("The WebP's canvas header is too short.");
  const three = (at) => data[at] + data[at + 1] * 256 + data[at + 2] * 65536 + 1;
  return { width: three(part.body + 4), height: three(part.body + 7) };
}

function webpSize(data, part) {
  const view = viewOf(data);
  const length = Math.min(part.end, part.body + 10) - part.body;
  if (part.kind === "VP8L" && length >= 5 && data[part.body] === 0x2f) {
    const bits = view.getUint32(part.body + 1, true);
    return { width: (bits & 0x3fff) + 1, height: ((bits >>> 14) & 0x3fff) + 1 };
  }
  if (part.kind === "VP8 " && length === 10 && startsWith(data, "\x9d\x01\x2a", part.body + 3)) {
    const [width, height] = [view.getUint16(part.body + 6, true), view.getUint16(part.body + 8, true)];
    return { width: width & 0x3fff, height: height & 0x3fff };
  }
  throw broken("The WebP's image data does not begin as it must.");
}

// -- GIF ------------------------------------------------------------------------------------------------------------

function readGif(data) {
  if (data.length < 13) throw truncated(`The GIF ends after ${data.length} bytes, within its header.`);
  const view = viewOf(data);
  const width = view.getUint16(6, true), height = view.getUint16(8, true);
  if (!width || !height) return { width, height };
  const paletteBytes = (flags) => (flags & 0x80 ? 3 << ((flags & 7) + 1) : 0);
  const afterBlocks = (place) => {
    while (place < data.length && data[place]) place += 1 + data[place];
    return place < data.length ? place + 1 : data.length + 1;
  };
  let position = 13 + paletteBytes(data[10]), frames = 0, end = null, covers = true;
  while (position < data.length) {
    if (data[position] === 0x3b && frames) {
      end = position + 1;
      break;
    }
    if (data[position] === 0x21) position = afterBlocks(position + 2);
    else if (data[position] === 0x2c && position + 10 <= data.length) {
      const [left, top, wide, high] = [1, 3, 5, 7].map((offset) => view.getUint16(position + offset, true));
      const next = afterBlocks(position + 11 + paletteBytes(data[position + 9]));
      if (!frames && next > data.length) throw truncated("The GIF ends before its first frame is complete.");
      if (!frames && (left + wide > width || top + high > height)) throw broken("The GIF's first frame leaves its canvas.");
      if (!frames) covers = wide === width && high === height;
      frames += 1;
      position = next;
    } else break;
  }
  if (!frames) throw (position >= data.length ? truncated : broken)("The GIF ends before its first frame is complete.");
  const notes = [...(frames > 1 ? ["first-frame"] : []), ...(covers ? [] : ["size-differs"])];
  if (end === null) notes.push("end-missing");
  else if (end < data.length) notes.push("bytes-after-end");
  return { width, height, type: "image/gif", notes, parts: [data] };
}

const READERS = { JPEG: readJpeg, PNG: readPng, WebP: readWebp, GIF: readGif, AVIF: readAvif };

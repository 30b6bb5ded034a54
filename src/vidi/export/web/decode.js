// From an image file, or what a camera gives, to upright RGB. The browser decodes; what it is given, how it is turned
// and what shows through transparent pixels is decided here, so that the answer is that of vidi's other hosts.

import { LIMITS, Refusal, examine } from "./formats.js";

export { Refusal };

const STRIP_PIXELS = 4_000_000; // read from a canvas at once: a large image is never held in three forms
const AS_RGB = { colorSpaceConversion: "default", premultiplyAlpha: "none" }; // WebP multiplies by rounding down

/**
 * An image file as upright RGB.
 *
 * @param {Blob} blob the file
 * @returns {Promise<{pixels: Uint8Array, width: number, height: number, format: string, notes: string[]}>} pixels are
 *   height * width * 3 bytes, row by row
 * @throws {Refusal} with one of vidi's reason codes
 */
export async function decodeFile(blob) {
  if (blob.size > LIMITS.fileBytes) {
    throw new Refusal("too-much-memory", `The file has ${blob.size} bytes; ${LIMITS.fileBytes} are the most.`);
  }
  const header = examine(new Uint8Array(await blob.arrayBuffer()));
  const notes = [...header.notes];
  if (header.pngStream) await checkRows(header);
  let image = await decodeParts(header, header.parts);
  if (header.opacity) image = overWhite(image, await decodeParts(header, header.opacity));
  if (header.filled) {
    await checkWhole(header, image);
    notes.push("end-missing");
  }
  return { ...turnUpright(image, header.orientation), format: header.format, notes };
}

/**
 * Pixels of what is drawn already: a camera's frame, a canvas, a bitmap.
 *
 * @param {ImageBitmap} bitmap closed by this function
 */
export function decodeBitmap(bitmap) {
  if (bitmap.width * bitmap.height > LIMITS.pixels) throw new Refusal("too-many-pixels", "The picture is too large.");
  return { ...readBitmap(bitmap), format: "bitmap", notes: [] };
}

/**
 * RGBA pixels as RGB, laid over white.
 *
 * @param {{data: Uint8ClampedArray | Uint8Array, width: number, height: number}} image
 */
export function decodePixels({ data, width, height }) {
  const pixels = new Uint8Array(width * height * 3);
  for (let from = 0, to = 0; to < pixels.length; from += 4, to += 3) {
    const alpha = data[from + 3];
    for (let channel = 0; channel < 3; channel += 1) {
      pixels[to + channel] = Math.round((data[from + channel] * alpha + 255 * (255 - alpha)) / 255);
    }
  }
  return { pixels, width, height, format: "pixels", notes: [] };
}

async function decodeParts(header, parts) {
  let bitmap;
  try {
    const bytes = parts.map((part) => (part instanceof Uint8Array ? part : Uint8Array.from(part)));
    const file = new Blob(bytes, { type: header.type });
    bitmap = await createImageBitmap(file, AS_RGB);
  } catch {
    if (header.format === "AVIF" || header.format === "WebP") {
      throw new Refusal("unsupported-format", `This browser does not decode this ${header.format}. Convert it to PNG or JPEG.`);
    }
    throw new Refusal("broken", `The ${header.format} cannot be decoded: it contradicts its own format.`);
  }
  if (bitmap.width * bitmap.height > header.width * header.height) {
    bitmap.close();
    throw new Refusal("broken", `The ${header.format} is larger than its header says.`);
  }
  return readBitmap(bitmap);
}

/** Colours laid over white, where another image says how opaque they are. */
function overWhite(image, opacity) {
  if (opacity.width !== image.width || opacity.height !== image.height) {
    throw new Refusal("unsupported-format", "This AVIF is transparent in a way that is not read here. Save it as PNG.");
  }
  const pixels = image.pixels.map((value, index) => {
    const alpha = opacity.pixels[index];
    return Math.round((value * alpha + 255 * (255 - alpha)) / 255);
  });
  return { ...image, pixels };
}

/** A file without an end mark is whole where other bits behind it change nothing. */
async function checkWhole(header, image) {
  const other = await decodeParts(header, header.filled);
  if (image.pixels.some((value, index) => value !== other.pixels[index])) {
    throw new Refusal("truncated", `The ${header.format} ends before the image is complete.`);
  }
}

/** Browsers leave rows empty, or refuse the file, where a PNG's stream just ends. */
async function checkRows({ pngStream, pngBytes }) {
  let missing = pngBytes, isDamaged = false;
  try {
    const inflated = new Blob(pngStream).stream().pipeThrough(new DecompressionStream("deflate"));
    const reader = inflated.getReader();
    for (let read = await reader.read(); !read.done && missing > 0; read = await reader.read()) missing -= read.value.length;
  } catch {
    isDamaged = true; // what follows the last row decides nothing
  }
  if (missing > 0) {
    if (isDamaged) throw new Refusal("broken", "The PNG's data is damaged before its last row.");
    throw new Refusal("truncated", "The PNG's data ends before its last row.");
  }
}

/** A bitmap's pixels over white, read strip by strip. */
function readBitmap(bitmap) {
  const { width, height } = bitmap;
  const pixels = new Uint8Array(width * height * 3);
  const rows = Math.max(1, Math.min(height, Math.floor(STRIP_PIXELS / width)));
  const context = canvasOf(width, rows);
  try {
    for (let top = 0; top < height; top += rows) {
      const count = Math.min(rows, height - top);
      context.fillStyle = "#fff";
      context.fillRect(0, 0, width, count);
      context.drawImage(bitmap, 0, top, width, count, 0, 0, width, count);
      dropAlpha(context.getImageData(0, 0, width, count).data, pixels, top * width * 3);
    }
  } finally {
    bitmap.close();
  }
  return { pixels, width, height };
}

function dropAlpha(rgba, pixels, start) {
  for (let from = 0, to = start; from < rgba.length; from += 4, to += 3) {
    pixels[to] = rgba[from];
    pixels[to + 1] = rgba[from + 1];
    pixels[to + 2] = rgba[from + 2];
  }
}

function canvasOf(width, height) {
  const canvas =
    typeof OffscreenCanvas === "undefined"
      ? Object.assign(document.createElement("canvas"), { width, height })
      : new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d", { willReadFrequently: true, colorSpace: "srgb" });
  if (!context) throw new Refusal("too-much-memory", "The browser has no memory for an image of this size.");
  checkHonest(context);
  return context;
}

let isHonest = false;

/** Some browsers alter what is read from a canvas, against fingerprinting: no answer about it would be vidi's. */
function checkHonest(context) {
  if (isHonest) return;
  context.fillStyle = "#123456";
  context.fillRect(0, 0, 1, 1);
  const [red, green, blue] = context.getImageData(0, 0, 1, 1).data;
  if (red !== 0x12 || green !== 0x34 || blue !== 0x56) {
    throw new Refusal(
      "unreadable",
      "This browser alters the pixels that a page reads (a protection against fingerprinting). Allow it for this page.",
    );
  }
  isHonest = true;
}

const TURNS = { // EXIF orientation: (mirrored left-right first, quarter turns counter-clockwise), as in Python
  2: [true, 0], 3: [false, 2], 4: [true, 2], 5: [true, 1], 6: [false, 3], 7: [true, 3], 8: [false, 1],
};

/** An image as stored, turned and mirrored as its EXIF orientation says. */
export function turnUpright({ pixels, width, height }, orientation) {
  const [mirrored, quarters] = TURNS[orientation] ?? [false, 0];
  if (!mirrored && !quarters) return { pixels, width, height };
  const [wide, high] = quarters % 2 ? [height, width] : [width, height];
  const turned = new Uint8Array(pixels.length);
  const source = (row, column) => {
    const y = [row, column, height - 1 - row, height - 1 - column][quarters];
    const x = [column, width - 1 - row, width - 1 - column, row][quarters];
    return 3 * (y * width + (mirrored ? width - 1 - x : x));
  };
  const start = source(0, 0), down = source(1, 0) - start, across = source(0, 1) - start;
  for (let row = 0, to = 0; row < high; row += 1) {
    for (let column = 0, from = start + row * down; column < wide; column += 1, from += across, to += 3) {
      turned[to] = pixels[from];
      turned[to + 1] = pixels[from + 1];
      turned[to + 2] = pixels[from + 2];
    }
  }
  return { pixels: turned, width: wide, height: high };
}

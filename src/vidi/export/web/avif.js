// AVIF: its boxes, as far as they tell the size; and the file as a browser gets it. An image that is transparent in part
// becomes two, colours and opacity: Chromium takes the opacity for another range than the file states.

import { broken, startsWith, text, truncated, unsupported, viewOf } from "./bytes.js";

const CONTAINERS = { meta: 4, iprp: 0, ipco: 0 }; // name: bytes before the first inner box
const ALPHA = /urn:mpeg:(mpegB:cicp:systems:auxiliary:alpha|hevc:2015:auxid:1)\0/;
const MOST_BOXES = 10_000;

/** Size, type and parts of an AVIF, as `formats.js` says. */
export function readAvif(data) {
  const boxes = walk(data, 0, data.length);
  const view = viewOf(data);
  let size = null;
  for (const { kind, body, end } of boxes) {
    if (kind !== "ispe" || end - body < 12) continue;
    const found = { width: view.getUint32(body + 4), height: view.getUint32(body + 8) };
    if (!size || found.width * found.height > size.width * size.height) size = found;
  }
  if (!size) throw broken("The AVIF does not state its size.");
  const isDeep = boxes.some(({ kind, body, end }) => kind === "av1C" && end - body >= 3 && data[body + 2] & 0x40);
  if (isDeep) throw unsupported("This AVIF has more than 8 bits a sample; 8 are read here. Save it with 8 bits.");
  // The browser turns an AVIF by itself: this is the upright size.
  const isTurned = boxes.some(({ kind, body, end }) => kind === "irot" && body < end && data[body] & 1);
  if (isTurned) size = { width: size.height, height: size.width };
  return { ...size, type: "image/avif", ...filesOf(asStill(data), boxes) };
}

/** All boxes that matter, outer ones first. */
function walk(data, start, end, found = []) {
  const view = viewOf(data);
  for (let position = start; position + 8 <= end && found.length < MOST_BOXES; ) {
    const kind = text(data, position + 4, position + 8);
    let length = view.getUint32(position), body = position + 8;
    if (length === 1 && position + 16 <= end) {
      length = Number(view.getBigUint64(body));
      body += 8;
    }
    const last = length === 0 ? end : position + length;
    if (last > end || last <= position) throw truncated(`The AVIF ends after ${end} bytes, within a box.`);
    found.push({ kind, start: position, body, end: last });
    if (kind in CONTAINERS) walk(data, body + CONTAINERS[kind], last, found);
    position = last;
  }
  return found;
}

/** The file as it is; where a part of it says how opaque it is, its colours alone, and that part as an image. */
function filesOf(data, boxes) {
  const isAlpha = boxes.some(({ kind, body, end }) => kind === "auxC" && ALPHA.test(text(data, body + 4, end)));
  if (!isAlpha) return { parts: [data] };
  const main = boxes.find(({ kind }) => kind === "pitm"), list = boxes.find(({ kind }) => kind === "iref");
  const named = list ? walk(data, list.body + 4, list.end) : [];
  const links = named.filter(({ kind }) => kind === "auxl");
  const isPlain = main && links.length === 1 && data[main.body] === 0 && data[list.body] === 0; // names of two bytes
  if (!isPlain || named.some(({ kind }) => kind === "prem" || kind === "dimg")) {
    throw unsupported("This AVIF is transparent in a way that is not read here. Save it as PNG.");
  }
  const colours = data.slice();
  colours.set([0x73, 0x6b, 0x69, 0x70], links[0].start + 4); // "skip": nothing says how opaque it is
  const opacity = colours.slice();
  opacity.set(data.subarray(links[0].body, links[0].body + 2), main.body + 4); // that part is the image
  return { parts: [colours], opacity: [opacity] };
}

/** A sequence that is a still image as well, named as that alone: browsers tell a sequence's colours less finely. */
function asStill(data) {
  const places = [8];
  for (let place = 16; place + 4 <= Math.min(viewOf(data).getUint32(0), data.length, 256); place += 4) places.push(place);
  if (!places.some((place) => startsWith(data, "avif", place))) return data;
  const still = data.slice();
  for (const place of places) if (startsWith(data, "avis", place)) still.set([0x61, 0x76, 0x69, 0x66], place);
  return still;
}

// When and by which camera a JPEG was taken, written into it as EXIF 2.3 has it.

const ASCII = 2;
const LONG = 4;

/** A JPEG with an EXIF segment behind its first mark. @param {Uint8Array} jpeg @param {{time: Date, camera: string}} taken */
export function withExif(jpeg, { time, camera }) {
  const [date, fraction] = exifTime(time);
  const main = [[0x0110, camera], [0x0132, date]]; // Model, DateTime
  const inner = [[0x9003, date], [0x9291, fraction]]; // DateTimeOriginal, SubSecTimeOriginal
  const mainSize = 2 + 12 * (main.length + 1) + 4;
  const first = directory(main, 8, mainSize, 8 + mainSize + textSize(main));
  const second = directory(inner, 8 + mainSize + textSize(main), 2 + 12 * inner.length + 4, null);
  const tiff = [0x49, 0x49, 42, 0, 8, 0, 0, 0, ...first, ...second];
  const body = [...new TextEncoder().encode("Exif\0\0"), ...tiff];
  const segment = [0xff, 0xe1, (body.length + 2) >> 8, (body.length + 2) & 255, ...body];
  const joined = new Uint8Array(jpeg.length + segment.length);
  joined.set(jpeg.subarray(0, 2));
  joined.set(segment, 2);
  joined.set(jpeg.subarray(2), 2 + segment.length);
  return joined;
}

/** One directory and its texts. Texts of at most four bytes stand in their entry. */
function directory(entries, start, size, exif) {
  const count = entries.length + (exif === null ? 0 : 1);
  const bytes = [...short(count)];
  const texts = [];
  for (const [tag, text] of entries) {
    const content = [...new TextEncoder().encode(text), 0];
    bytes.push(...short(tag), ...short(ASCII), ...long(content.length));
    if (content.length <= 4) {
      bytes.push(...content, ...Array(4 - content.length).fill(0));
    } else {
      bytes.push(...long(start + size + texts.length));
      texts.push(...content);
    }
  }
  if (exif !== null) bytes.push(...short(0x8769), ...short(LONG), ...long(1), ...long(exif));
  return [...bytes, ...long(0), ...texts];
}

function textSize(entries) {
  const sizes = entries.map(([, text]) => new TextEncoder().encode(text).length + 1);
  return sizes.filter((size) => size > 4).reduce((sum, size) => sum + size, 0);
}

function exifTime(time) {
  const two = (value) => String(value).padStart(2, "0");
  const date = [time.getFullYear(), two(time.getMonth() + 1), two(time.getDate())].join(":");
  const clock = [time.getHours(), time.getMinutes(), time.getSeconds()].map(two).join(":");
  return [`${date} ${clock}`, String(time.getMilliseconds()).padStart(3, "0")];
}

const short = (value) => [value & 255, (value >> 8) & 255];
const long = (value) => [0, 8, 16, 24].map((shift) => (value >>> shift) & 255);

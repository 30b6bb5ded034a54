// Looking into the bytes of a file, and what is said of a file that is not used.

/** An image that is not used: `code` is one of vidi's reason codes, `message` a sentence for people. */
export class Refusal extends Error {
  constructor(code, message) {
    super(message);
    this.name = "Refusal";
    this.code = code;
  }
}

export const truncated = (sentence) => new Refusal("truncated", sentence);
export const broken = (sentence) => new Refusal("broken", sentence);
export const unsupported = (sentence) => new Refusal("unsupported-format", sentence);

export const text = (data, start, end) => String.fromCharCode(...data.subarray(start, Math.min(end, data.length)));
export const startsWith = (data, signs, at = 0) => text(data, at, at + signs.length) === signs;
export const viewOf = (data) => new DataView(data.buffer, data.byteOffset, data.byteLength);

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, index) => {
  let value = index;
  for (let bit = 0; bit < 8; bit += 1) value = value & 1 ? 0xedb88320 ^ (value >>> 1) : value >>> 1;
  return value;
});

/** The checksum of PNG and ZIP. */
export function crc32(bytes) {
  let value = 0xffffffff;
  for (const byte of bytes) value = CRC_TABLE[(value ^ byte) & 255] ^ (value >>> 8);
  return (value ^ 0xffffffff) >>> 0;
}

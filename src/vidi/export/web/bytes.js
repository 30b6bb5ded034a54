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

// Replays an exported folder in onnxruntime-node: node replay.mjs MODULES FOLDER IMAGES OUT
// The steps are those of an app: open model.onnx, give the pixels of an image as they are, read the probabilities.
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const [modules, folder, images, out] = process.argv.slice(2);
const ort = createRequire(join(modules, "replay.js"))("onnxruntime-node");
const read = (path) => JSON.parse(readFileSync(path, "utf-8"));

const golden = read(join(folder, "golden.json"));
const session = await ort.InferenceSession.create(join(folder, "model.onnx"));
const wanted = ["probabilities", "novelty"].filter((name) => session.outputNames.includes(name));

async function answer({ image, size: [height, width] }) {
  const pixels = Uint8Array.from(Buffer.from(image, "base64")); // red, green, blue, row by row
  const given = new ort.Tensor("uint8", pixels, [1, height, width, 3]);
  const found = await session.run({ images: given }, wanted);
  return Object.fromEntries(wanted.map((name) => [name, [...found[name].data]]));
}

const answers = [];
for (const one of [...golden.vectors, ...read(images)]) answers.push(await answer(one));
writeFileSync(out, JSON.stringify(answers));

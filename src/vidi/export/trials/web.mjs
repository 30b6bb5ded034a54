// Tries an exported page in node: its own onnxruntime-web, its own `decide`, on the model as it was exported.
// Called as: node web.mjs FOLDER MODEL_FOLDER; prints what `compareGolden` finds, as JSON.

import { readFileSync, readdirSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [folder, place] = process.argv.slice(2);
const ours = async (name) => {
  // A copy of the text: node takes a `.js` file for a module only where something beside it says so.
  const text = readFileSync(`${folder}/${name}`, "utf8");
  return import(`data:text/javascript;base64,${Buffer.from(text).toString("base64")}`);
};
const vendor = readdirSync(`${folder}/vendor`);
const ort = await import(pathToFileURL(`${folder}/vendor/${vendor.find((name) => name.endsWith(".bundle.min.mjs"))}`));
const { decide } = await ours("decide.js");
const { compareGolden, goldenImage } = await ours("golden.js");

ort.env.wasm.numThreads = 1;
ort.env.wasm.wasmBinary = readFileSync(`${folder}/vendor/${vendor.find((name) => name.endsWith(".wasm"))}`);
const { metadata, file } = JSON.parse(readFileSync(`${place}/model.json`, "utf8"));
const bytes = new Uint8Array(readFileSync(`${place}/${file}`));
const session = await ort.InferenceSession.create(bytes, { executionProviders: ["wasm"] });
const names = ["probabilities", "novelty"].filter((name) => session.outputNames.includes(name));

const answers = [];
for (const vector of metadata.golden) {
  const { pixels, width, height } = goldenImage(vector);
  const given = await session.run({ images: new ort.Tensor("uint8", pixels, [1, height, width, 3]) }, names);
  answers.push(decide(given.probabilities.data, metadata, given.novelty ? given.novelty.data[0] : null));
}
console.log(JSON.stringify(compareGolden(answers, metadata)));

// Tries an exported page in node: its own onnxruntime-web, its own `decide`, on the model as it was exported.
// Called as: node web.mjs FOLDER MODEL_FOLDER IMAGES, where IMAGES is a JSON file of [{pixels, width, height}], pixels
// in base64. Prints {golden, answers} as JSON: what `compareGolden` finds, and the answers about the images.

import { readFileSync, readdirSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [folder, place, images] = process.argv.slice(2);
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

async function answer({ pixels, width, height }) {
  const given = await session.run({ images: new ort.Tensor("uint8", pixels, [1, height, width, 3]) }, names);
  return decide(given.probabilities.data, metadata, given.novelty ? given.novelty.data[0] : null);
}

async function answerAll(given) {
  const answers = [];
  for (const one of given) answers.push(await answer(one));
  return answers;
}

const golden = compareGolden(await answerAll(metadata.golden.map(goldenImage)), metadata);
const drawn = JSON.parse(readFileSync(images, "utf8"));
const answers = await answerAll(drawn.map((one) => ({ ...one, pixels: new Uint8Array(Buffer.from(one.pixels, "base64")) })));
console.log(JSON.stringify({ golden, answers }));

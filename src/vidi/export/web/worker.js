// The thread beside the page in which the model runs: onnxruntime's wasm backend, and where it proves faster its WebGPU
// backend. It is a module of its own file: from a blob a Content-Security-Policy would refuse it, and a service worker
// may not load it.

import { decodeBitmap, decodeFile, decodePixels } from "./decode.js";
import { decide } from "./decide.js";
import { compareGolden, goldenImage } from "./golden.js";

const RUNTIME = "1.30.0"; // of onnxruntime-web, as in runtime.json
const FILES = { // of each backend; those of WebGPU are fetched where there is such a device
  wasm: { module: `vendor/ort-${RUNTIME}.wasm.bundle.min.mjs`, wasm: `vendor/ort-${RUNTIME}-simd-threaded.wasm` },
  webgpu: { module: `vendor/ort-${RUNTIME}.webgpu.bundle.min.mjs`, wasm: `vendor/ort-${RUNTIME}-simd-threaded.asyncify.wasm` },
};
const TIMED = 3; // runs of each backend; the fastest counts
const LEAST_GAIN = 1.3; // of WebGPU: for less it is not worth another runtime's memory
const DIGEST_LENGTH = 64; // hex digits; they are the last bytes of a model file

let backend, spare, model, outputs; // backend: {ort, session, provider}; spare: wasm, while WebGPU answers
let turn = Promise.resolve(); // the session runs one image at a time

const ACTIONS = { open, accelerate, classify, selfTest, requests };

self.addEventListener("message", ({ data }) => {
  turn = turn.then(() => answer(data));
});

async function answer({ id, action, given }) {
  try {
    self.postMessage({ id, result: await ACTIONS[action](given) });
  } catch (error) {
    self.postMessage({ id, error: { code: error.code ?? "model-failed", message: error.message ?? String(error) } });
  }
}

function failure(code, message) {
  return Object.assign(new Error(message), { code });
}

// -- Opening ----------------------------------------------------------------------------------------------------------

async function open({ base, threads, token }) {
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  const runtime = loadRuntime("wasm", threads);
  runtime.catch(() => {}); // told where it is waited for
  model = await (await load(new URL("model.json", base), { headers, cache: "no-cache" })).json();
  const bytes = await loadModel(base, headers);
  try {
    backend = await start("wasm", await runtime, bytes);
  } catch (error) {
    throw error.code ? error : failure("model-failed", `The browser cannot open the model: ${error.message ?? error}`);
  }
  outputs = backend.session.outputNames;
  return { model, outputs, threads: backend.ort.env.wasm.numThreads };
}

async function start(provider, ort, bytes) {
  const options = { executionProviders: [provider], graphOptimizationLevel: "all" };
  return { ort, provider, session: await ort.InferenceSession.create(bytes, options) };
}

async function loadRuntime(provider, threads) {
  const { module, wasm } = FILES[provider];
  let loaded;
  try {
    loaded = await import(new URL(module, import.meta.url));
  } catch {
    throw failure(
      "runtime-missing",
      "This page has no onnxruntime-web, so no model runs in the browser. In a source checkout run " +
        "`python tools/fetch_browser_runtime.py` and start the server again.",
    );
  }
  loaded.env.wasm.numThreads = threads;
  loaded.env.wasm.proxy = false;
  loaded.env.wasm.wasmPaths = { wasm: new URL(wasm, import.meta.url) };
  loaded.env.logLevel = "error";
  return loaded;
}

/**
 * Run the model by WebGPU from now on, where that gives the answers in the model file, and sooner.
 * @returns what was found: {provider, passed, milliseconds} of the trial, or {provider, reason} where there was none
 */
async function accelerate({ base, token, isSoftwareTried, leastGain = LEAST_GAIN }) {
  const before = backend;
  let other = null, found = { reason: "no-device" };
  try {
    const adapter = await navigator.gpu?.requestAdapter();
    if (!adapter || (adapter.info?.isFallbackAdapter && !isSoftwareTried)) return { provider: before.provider, ...found };
    const bytes = await loadModel(base, token ? { Authorization: `Bearer ${token}` } : {});
    other = await start("webgpu", await loadRuntime("webgpu", 1), bytes);
    const image = usualImage(), milliseconds = {};
    for (const one of [before, other]) {
      backend = one;
      milliseconds[one.provider] = await quickest(() => run(image, ["probabilities"]));
    }
    const { passed } = await selfTest(); // of WebGPU
    found = { passed, milliseconds };
    backend = passed && milliseconds.webgpu * leastGain <= milliseconds.wasm ? other : before;
  } catch (error) {
    backend = before;
    found = { reason: error.message ?? String(error) };
  }
  if (backend === before) await other?.session.release();
  else spare = before;
  return { provider: backend.provider, ...found };
}

/** An image of the model's own size, for timing: what it shows does not matter. */
function usualImage() {
  const [height, width] = model.metadata.framing.size;
  return { pixels: new Uint8Array(3 * height * width).fill(114), width, height };
}

async function quickest(once) {
  await once(); // compiles what it needs
  let least = Infinity;
  for (let count = 0; count < TIMED; count += 1) {
    const began = performance.now();
    await once();
    least = Math.min(least, performance.now() - began);
  }
  return least;
}

async function load(url, options) {
  let response;
  try {
    response = await fetch(url, options);
  } catch {
    throw failure("no-connection", "The model cannot be loaded: there is no connection to its host.");
  }
  if (response.status === 401) throw failure("unauthorized", "This server asks for its access token.");
  if (!response.ok) throw failure("model-missing", `The host does not have the model (status ${response.status}).`);
  return response;
}

/** The model's bytes, which are those that `model.json` describes: a host may exchange both between two requests. */
async function loadModel(base, headers) {
  for (const cache of ["no-cache", "reload"]) {
    const response = await load(new URL(model.file, base), { headers, cache });
    const bytes = new Uint8Array(await response.arrayBuffer());
    if (await isWhole(bytes)) return bytes;
    if (cache === "no-cache") {
      model = await (await load(new URL("model.json", base), { headers, cache: "reload" })).json();
    }
  }
  throw failure("model-damaged", "The model did not arrive as it was written. Load the page again.");
}

async function isWhole(bytes) {
  const stated = new TextDecoder().decode(bytes.subarray(-DIGEST_LENGTH));
  if (bytes.length !== model.bytes || stated !== model.digest) return false;
  if (!self.crypto?.subtle) return true; // only pages of a secure context may compute it
  const zeroed = bytes.slice();
  zeroed.fill(0x30, -DIGEST_LENGTH);
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", zeroed));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("") === model.digest;
}

// -- Answers ----------------------------------------------------------------------------------------------------------

async function classify({ source, evidence }) {
  const started = performance.now();
  const image = await decoded(source);
  const names = ["probabilities", "novelty", ...(evidence ? ["evidence"] : [])].filter((name) => outputs.includes(name));
  const given = await run(image, names);
  const answer = decide(given.probabilities.data, model.metadata, given.novelty ? given.novelty.data[0] : null);
  return {
    ...answer,
    evidence: given.evidence ? regionsOf(given.evidence) : null,
    image: { width: image.width, height: image.height, format: image.format, notes: image.notes },
    milliseconds: performance.now() - started,
  };
}

async function decoded(source) {
  if (source instanceof Blob) return decodeFile(source);
  if (source instanceof ImageBitmap) return decodeBitmap(source);
  return source.pixels ? { format: "pixels", notes: [], ...source } : decodePixels(source);
}

async function run(image, names) {
  try {
    return await runOnce(image, names);
  } catch (error) {
    if (!spare) throw error;
    [backend, spare] = [spare, null]; // the graphics processor was lost
    return runOnce(image, names);
  }
}

async function runOnce({ pixels, width, height }, names) {
  const images = new backend.ort.Tensor("uint8", pixels, [1, height, width, 3]);
  let given;
  try {
    given = await backend.session.run({ images }, names);
  } catch (error) {
    throw failure("model-failed", `The model fails on this image: ${error.message ?? error}`);
  }
  const isFinite = ["probabilities", "novelty"].every((name) => !given[name] || given[name].data.every(Number.isFinite));
  if (!isFinite) throw failure("model-failed", "The model's answer is not a number: its weights are damaged.");
  return given;
}

/** Class evidence by label, as rows of numbers. */
function regionsOf({ data, dims }) {
  const [, , rows, columns] = dims;
  const row = (label, place) => {
    const start = (label * rows + place) * columns;
    return Array.from(data.subarray(start, start + columns));
  };
  const rowsOf = (label) => Array.from({ length: rows }, (_, place) => row(label, place));
  return { rows, columns, byLabel: Object.fromEntries(model.metadata.classes.map((name, index) => [name, rowsOf(index)])) };
}

/** Whether this browser gives the answers that the model file holds. */
async function selfTest() {
  const names = ["probabilities", "novelty"].filter((name) => outputs.includes(name));
  const answers = [];
  for (const vector of model.metadata.golden) {
    const given = await run(goldenImage(vector), names);
    answers.push(decide(given.probabilities.data, model.metadata, given.novelty ? given.novelty.data[0] : null));
  }
  return compareGolden(answers, model.metadata);
}

/** Addresses that this thread has loaded. */
function requests() {
  return performance.getEntriesByType("resource").map((entry) => entry.name);
}


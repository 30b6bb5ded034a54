// A model in the browser, as a page uses it. All work is done by a worker of its own; nothing that is classified
// leaves it.

const MOST_THREADS = 4;

/** What went wrong: `code` is one of vidi's reason codes for an image, or one about the model; `message` is for people. */
export class EngineError extends Error {
  constructor({ code, message }) {
    super(message);
    this.name = "EngineError";
    this.code = code;
  }
}

/**
 * The models that this page offers, and what the server behind it does (an exported folder: nothing).
 *
 * @param {{root?: string | URL, token?: string}} options root: the page's own folder; token: of a server that asks
 * @returns {Promise<{models: {name: string, version: string, id: string, path: string}[], server: object}>}
 */
export async function readModels({ root = document.baseURI, token } = {}) {
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  const response = await fetch(new URL("models.json", root), { headers, cache: "no-cache" }).catch(() => null);
  if (!response) throw new EngineError({ code: "no-connection", message: "There is no connection to the page's host." });
  if (response.status === 401) {
    throw new EngineError({ code: "unauthorized", message: "This server asks for its access token." });
  }
  if (!response.ok) {
    throw new EngineError({ code: "model-missing", message: `The host lists no models (status ${response.status}).` });
  }
  return response.json();
}

/**
 * How many threads the model may use: several only where the host isolates the page (COOP and COEP), and then half of
 * the cores, so that the page and what else runs keep theirs: a second thread on two busy cores gains nothing.
 */
export function usualThreads(cores = navigator.hardwareConcurrency || 1) {
  return globalThis.crossOriginIsolated ? Math.max(1, Math.min(Math.floor(cores / 2), MOST_THREADS)) : 1;
}

/**
 * Open the model of a folder: it holds `model.json` and `model.onnx`.
 *
 * @param {string | URL} base the folder, ending in `/`
 * @param {{threads?: number, token?: string}} options
 * @throws {EngineError}
 */
export async function openModel(base, { threads = usualThreads(), token } = {}) {
  const link = new Link(new Worker(new URL("worker.js", import.meta.url), { type: "module" }));
  try {
    const address = new URL(base, document.baseURI).href;
    const count = globalThis.crossOriginIsolated ? threads : 1;
    return new Model(link, await link.ask("open", { base: address, threads: count, token }), { base: address, token });
  } catch (error) {
    link.close();
    throw error;
  }
}

/** A model that stands in its worker. */
class Model {
  #link;
  #place; // where it came from: {base, token}
  #trial = null; // of the graphics processor

  constructor(link, { model, outputs, threads }, place) {
    this.#link = link;
    this.#place = place;
    Object.assign(this, model, { outputs, threads }); // `model` is the document of model.json
  }

  /**
   * Classify one image.
   *
   * @param {Blob | ImageBitmap | ImageData | HTMLVideoElement | HTMLCanvasElement | HTMLImageElement |
   *   {pixels: Uint8Array, width: number, height: number}} source a file; what is drawn; or upright RGB. A bitmap is
   *   used up
   * @param {{evidence?: boolean}} options evidence: which regions speak for each class, where the model has it
   * @throws {EngineError} with a reason code of the image
   */
  async classify(source, { evidence = false } = {}) {
    const sent = await sendable(source);
    return this.#link.ask("classify", { source: sent, evidence }, sent instanceof ImageBitmap ? [sent] : []);
  }

  /** Whether this browser gives the answers that the model file holds: {passed, probabilityDifference, …}. */
  selfTest() {
    return this.#link.ask("selfTest");
  }

  /**
   * Use the graphics processor from now on, where it gives the same answers sooner: tried once, while other questions wait.
   *
   * @param {{isSoftwareTried?: boolean, leastGain?: number}} options for tests: whether a processor in software is
   *   tried as well, and how many times faster it must be
   * @returns {Promise<{provider: string, passed?: boolean, milliseconds?: object, reason?: string}>}
   */
  accelerate(options = {}) {
    this.#trial ??= this.#link.ask("accelerate", { ...this.#place, ...options });
    return this.#trial;
  }

  /** Addresses that the worker has loaded so far; the page's own are in its `performance` entries. */
  requests() {
    return this.#link.ask("requests");
  }

  close() {
    this.#link.close();
  }
}

async function sendable(source) {
  if (source instanceof Blob) {
    if (typeof OffscreenCanvas !== "undefined") return source;
    const { decodeFile } = await import("./decode.js"); // an older browser decodes on the page itself
    try {
      return await decodeFile(source);
    } catch (error) {
      throw new EngineError({ code: error.code ?? "broken", message: error.message });
    }
  }
  if (source instanceof ImageBitmap) return source;
  if (source instanceof ImageData) return { data: source.data, width: source.width, height: source.height };
  return source.pixels ? source : createImageBitmap(source);
}

/** Questions to a worker, and its answers. */
class Link {
  #worker;
  #waiting = new Map();
  #next = 0;
  #ended = null; // why there are no more answers
  #answered = false; // whether the thread has ever begun

  constructor(worker) {
    this.#worker = worker;
    worker.addEventListener("message", ({ data }) => this.#settle(data));
    worker.addEventListener("error", (event) => this.#fail(event.message || "its file cannot be loaded"));
  }

  ask(action, given = {}, transfer = []) {
    this.#next += 1;
    const id = this.#next;
    return new Promise((resolve, reject) => {
      if (this.#ended) throw new EngineError(this.#ended);
      this.#waiting.set(id, { resolve, reject });
      this.#worker.postMessage({ id, action, given }, transfer);
    });
  }

  close() {
    this.#worker.terminate();
    this.#fail("it was closed");
  }

  #settle({ id, result, error }) {
    this.#answered = true;
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (error) waiting?.reject(new EngineError(error));
    else waiting?.resolve(result);
  }

  #fail(reason) {
    const advice = this.#answered ? "" : " Current versions of Chrome, Edge, Firefox and Safari run it.";
    this.#ended ??= { code: "worker-failed", message: `The model's thread ended: ${reason}.${advice}` };
    for (const { reject } of this.#waiting.values()) reject(new EngineError(this.#ended));
    this.#waiting.clear();
  }
}

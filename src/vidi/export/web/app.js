// The page: an image comes in, by whatever way, and its answer is shown.

import { showAnswer, showNothing } from "./answer.js";
import { Camera } from "./camera.js";
import { fillCard } from "./card.js";
import { decodeFile } from "./decode.js";
import { listenAsEmbedded } from "./embed.js";
import { openModel, readModels } from "./engine.js";
import { History, save } from "./history.js";
import { drawEvidence } from "./overlay.js";
import { openRemote } from "./remote.js";
import { Traffic } from "./traffic.js";
import { CAMERA, labelOf, percent, REFUSALS } from "./words.js";

const byId = (id) => document.getElementById(id);
const query = new URLSearchParams(location.search);
const history = new History();
const traffic = new Traffic(showTraffic);
const camera = new Camera(byId("video"));
let model = null;
let listed = { models: [], server: {} };
let token = sessionStorage.getItem("vidi-token") ?? undefined; // of a server that asks for one; kept for this tab alone
let shown = null; // {name, height, width, answer, source}: what the stage shows

await start();

async function start() {
  document.body.classList.toggle("embedded", query.has("embed"));
  wire();
  try {
    listed = await readListed();
    offerModels();
    await use(listed.models.find((one) => one.name === query.get("model")) ?? listed.models[0]);
  } catch (error) {
    lead("The model could not be opened.");
    notice(error.message ?? String(error));
    return;
  }
  if (query.has("embed")) listenAsEmbedded(classifyFile);
  keepForFlight();
}

/** The models of this page; the access token is asked for as often as it is needed. */
async function readListed() {
  for (;;) {
    try {
      return await readModels({ token });
    } catch (error) {
      if (error.code !== "unauthorized") throw error;
      lead(token ? "This is not the access token of the server." : "This server asks for its access token. It was shown where the server was started.");
      token = await askForToken();
      sessionStorage.setItem("vidi-token", token);
    }
  }
}

function askForToken() {
  const form = byId("token-form");
  form.hidden = false;
  byId("token").focus();
  return new Promise((given) => {
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      form.hidden = true;
      given(byId("token").value.trim());
    }, { once: true });
  });
}

function offerModels() {
  const select = byId("models");
  for (const one of listed.models) select.append(new Option(one.name, one.name));
  byId("model-choice").hidden = listed.models.length < 2;
  select.addEventListener("change", () => use(listed.models.find((one) => one.name === select.value)));
}

/** Open a model: in the browser, else, if there is a server, on it. */
async function use(entry) {
  const base = new URL(entry.path, document.baseURI);
  lead(`Opening ${entry.name} …`);
  model?.close();
  try {
    model = await openModel(base, { token });
  } catch (error) {
    if (!listed.server?.predict) throw error;
    model = await openRemote(base, entry, { token });
    notice(`${error.message} Images are sent to this server instead, which answers about them.`);
  }
  byId("models").value = entry.name;
  byId("model-name").textContent = byId("model-choice").hidden ? entry.name : "";
  const { classes } = model.metadata;
  const few = classes.slice(0, 4).join(", ") + (classes.length > 4 ? ` and ${classes.length - 4} more` : "");
  lead(`This model tells apart: ${few}.`);
  byId("title").textContent = "What is it?";
  if (model.metadata.unfinished) notice("This model is unfinished: its probabilities are not calibrated and it was not tested.");
  byId("open-card").hidden = false;
  byId("evidence-switch").hidden = !model.outputs.includes("evidence");
  byId("where").textContent = model.isRemote ? "Images are sent to the server of this page." : "Images stay on this device: the model runs in this browser.";
  traffic.begin();
  document.body.dataset.ready = model.id;
}

// --- Images come in ---------------------------------------------------------------------------------------------

function wire() {
  byId("choose").addEventListener("click", () => byId("files").click());
  byId("files").addEventListener("change", (event) => takeFiles([...event.target.files]));
  const stage = byId("stage");
  for (const type of ["dragenter", "dragover"]) document.addEventListener(type, (event) => { event.preventDefault(); stage.classList.add("over"); });
  for (const type of ["dragleave", "drop"]) document.addEventListener(type, () => stage.classList.remove("over"));
  document.addEventListener("drop", (event) => { event.preventDefault(); takeFiles([...event.dataTransfer.files]); });
  document.addEventListener("paste", (event) => takeFiles([...event.clipboardData.files]));
  byId("live").addEventListener("click", () => (camera.runs ? stopCamera() : startCamera()));
  byId("freeze").addEventListener("click", freeze);
  byId("turn-camera").addEventListener("click", () => camera.turn().catch(cameraFailed));
  byId("evidence").addEventListener("change", again);
  byId("evidence-class").addEventListener("change", drawOverlay);
  byId("save-csv").addEventListener("click", () => save(history.asCsv(), "vidi-answers.csv", "text/csv"));
  byId("save-json").addEventListener("click", () => save(history.asJson(), "vidi-answers.json", "application/json"));
  byId("clear").addEventListener("click", () => { history.clear(); showHistory(); });
  byId("open-card").addEventListener("click", () => { fillCard(byId("card-body"), model); byId("card").showModal(); });
  byId("open-privacy").addEventListener("click", () => { fillPrivacy(); byId("privacy").showModal(); });
  document.addEventListener("visibilitychange", () => { if (document.hidden && camera.runs) stopCamera(); });
}

async function takeFiles(files) {
  if (!files.length || !model) return;
  if (camera.runs) stopCamera();
  for (const [index, file] of files.entries()) {
    if (files.length > 1) lead(`Image ${index + 1} of ${files.length} …`);
    await classifyFile(file).catch((error) => refuse(file.name, error));
  }
  byId("files").value = "";
  if (files.length > 1) lead(`${files.length} images answered.`);
}

/** Answer about one file, and show it. Returns the answer. */
async function classifyFile(file) {
  const decoded = await decodeFile(file);
  const source = { pixels: decoded.pixels, width: decoded.width, height: decoded.height, blob: file };
  const answer = await model.classify(model.isRemote ? file : source, { evidence: wantsEvidence() });
  paint(decoded.pixels, decoded.width, decoded.height);
  present({ name: file.name, height: decoded.height, width: decoded.width, answer, source });
  remember();
  return answer;
}

const wantsEvidence = () => byId("evidence").checked && model.outputs.includes("evidence");

function refuse(name, error) {
  const sentence = error.sentence ?? REFUSALS[error.code] ?? error.message;
  showNothing(`${name}: ${sentence}`);
  shown = null;
  byId("stage").toggleAttribute("data-empty", true);
  byId("invitation").hidden = false;
}

// --- What the stage shows ----------------------------------------------------------------------------------------

/** Draw RGB pixels on the stage's canvas. */
function paint(pixels, width, height) {
  const data = new ImageData(width, height);
  for (let from = 0, to = 0; from < pixels.length; from += 3, to += 4) {
    data.data[to] = pixels[from];
    data.data[to + 1] = pixels[from + 1];
    data.data[to + 2] = pixels[from + 2];
    data.data[to + 3] = 255;
  }
  paintData(data);
}

function paintData(data) {
  const canvas = byId("image");
  canvas.width = data.width;
  canvas.height = data.height;
  canvas.getContext("2d").putImageData(data, 0, 0);
}

function present(seen, how) {
  shown = seen;
  byId("stage").toggleAttribute("data-empty", false);
  byId("invitation").hidden = true;
  byId("image").hidden = camera.runs;
  byId("image").setAttribute("aria-label", `${seen.name}: ${labelOf(seen.answer)}`);
  showAnswer(seen.answer, model.metadata, how);
  offerEvidence();
  drawOverlay();
}

function offerEvidence() {
  const has = Boolean(shown.answer.evidence);
  const choice = byId("evidence-class");
  const before = choice.value;
  byId("evidence-class-choice").hidden = !has;
  if (!has) return;
  const labels = Object.keys(shown.answer.evidence.byLabel);
  choice.replaceChildren(...labels.map((label) => new Option(label, label)));
  choice.value = camera.runs && labels.includes(before) && before ? before : shown.answer.label;
}

function drawOverlay() {
  const overlay = byId("overlay");
  const evidence = shown?.answer.evidence;
  overlay.hidden = !evidence || !byId("evidence").checked;
  if (overlay.hidden) return;
  const { height, width, answer } = shown;
  overlay.width = Math.min(640, width);
  overlay.height = Math.max(1, Math.round((overlay.width * height) / width));
  const under = camera.runs ? byId("video") : byId("image");
  overlay.style.width = `${under.clientWidth}px`;
  overlay.style.height = `${under.clientHeight}px`;
  overlay.classList.toggle("mirrored", camera.runs && camera.isMirrored);
  const label = byId("evidence-class").value || answer.label;
  drawEvidence(overlay, evidence, { label, multiLabel: answer.multiLabel, framing: model.metadata.framing, height, width });
}

new ResizeObserver(() => shown && drawOverlay()).observe(byId("stage"));

/** The same image again, when evidence is wanted that was not asked for before. */
async function again() {
  if (camera.runs || !shown) return;
  if (wantsEvidence() && !shown.answer.evidence) {
    shown.answer = await model.classify(model.isRemote ? shown.source.blob : shown.source, { evidence: true });
    offerEvidence();
  }
  drawOverlay();
}

// --- The camera ---------------------------------------------------------------------------------------------------

async function startCamera() {
  if (!model) return;
  try {
    await camera.start();
  } catch (error) {
    cameraFailed(error);
    return;
  }
  byId("video").hidden = false;
  byId("image").hidden = true;
  byId("stage").toggleAttribute("data-empty", false);
  byId("invitation").hidden = true;
  byId("freeze").hidden = false;
  byId("turn-camera").hidden = !(await Camera.several());
  pressed(true);
  watch();
}

function cameraFailed(error) {
  camera.stop();
  pressed(false);
  notice(CAMERA[error.name] ?? CAMERA.other);
}

function pressed(on) {
  byId("live").setAttribute("aria-pressed", String(on));
  byId("live").textContent = on ? "Stop the camera" : "Live camera";
}

function stopCamera() {
  camera.stop();
  byId("video").hidden = true;
  byId("freeze").hidden = true;
  byId("turn-camera").hidden = true;
  byId("image").hidden = false;
  if (!shown || shown.isLive) {
    byId("stage").toggleAttribute("data-empty", true);
    byId("invitation").hidden = false;
    byId("overlay").hidden = true;
    shown = null;
  }
  pressed(false);
}

/** One frame after the other, as fast as the model answers. */
async function watch() {
  const canvas = document.createElement("canvas");
  while (camera.runs) {
    camera.draw(canvas);
    const { height, width } = canvas;
    let answer;
    try {
      answer = await model.classify(await frameOf(canvas), { evidence: wantsEvidence() });
    } catch (error) {
      notice(error.message);
      return stopCamera();
    }
    if (!camera.runs) return;
    present({ name: "camera", height, width, answer, canvas, isLive: true }, { quiet: true });
    document.body.dataset.frames = String(1 + Number(document.body.dataset.frames ?? 0));
    await new Promise(requestAnimationFrame);
  }
}

/** A frame as the model takes it: drawn in the browser, encoded for the server. */
function frameOf(canvas) {
  return model.isRemote ? new Promise((done) => canvas.toBlob(done, "image/jpeg", 0.92)) : createImageBitmap(canvas);
}

/** Keep the frame that is shown, with its answer. */
function freeze() {
  if (!shown?.isLive) return;
  const { canvas, height, width, answer } = shown;
  const image = canvas.getContext("2d").getImageData(0, 0, width, height);
  const name = `camera ${new Date().toLocaleTimeString("en-GB")}`;
  shown = null;
  stopCamera();
  paintData(image);
  canvas.toBlob((blob) => {
    present({ name, height, width, answer, source: model.isRemote ? { blob } : image });
    remember();
  }, "image/png");
}

// --- This session -------------------------------------------------------------------------------------------------

function remember() {
  history.add({ ...shown, image: byId("image"), model });
  showHistory();
}

function showHistory() {
  const list = byId("history");
  byId("history-part").hidden = !history.entries.length;
  list.replaceChildren(...history.entries.map(historyCard));
}

function historyCard(entry) {
  const item = document.createElement("li");
  const button = document.createElement("button");
  const says = Object.assign(document.createElement("span"), { className: "says" });
  says.append(Object.assign(document.createElement("strong"), { textContent: labelOf(entry.answer) }), `${percent(entry.answer.probability, 1)}${entry.answer.verdict ? ` · ${entry.answer.verdict}` : ""}`);
  button.type = "button";
  button.setAttribute("aria-label", `${entry.name}: ${labelOf(entry.answer)}, show the answer again`);
  button.append(entry.thumbnail, says);
  button.addEventListener("click", () => {
    showAnswer(entry.answer, entry.model.metadata);
    byId("answer").focus();
  });
  item.append(button);
  return item;
}

// --- What is said around it -----------------------------------------------------------------------------------------

function lead(sentence) {
  byId("lead").textContent = sentence;
}

function notice(sentence) {
  const place = byId("notice");
  place.replaceChildren(Object.assign(document.createElement("p"), { textContent: sentence }));
  place.hidden = false;
}

function showTraffic(requests) {
  byId("sent").textContent = String(requests.length);
  byId("sent").classList.toggle("some", requests.length > 0);
  document.body.dataset.requests = String(requests.length);
}

function fillPrivacy() {
  const body = byId("privacy-body");
  const add = (tag, text) => body.append(Object.assign(document.createElement(tag), { textContent: text }));
  body.replaceChildren();
  add("p", model?.isRemote ? "The model does not run in this browser, so each image is sent to the server of this page. Nothing is sent elsewhere." : "The model runs in this browser. No image leaves this device.");
  add("p", `Requests since the model was opened: ${traffic.requests.length}.`);
  for (const request of traffic.requests.slice(-10)) add("p", new URL(request.name).pathname);
  add("p", flight);
}

// --- Flight mode ---------------------------------------------------------------------------------------------------

let flight = "Flight mode is not ready yet.";

async function keepForFlight() {
  if (!("serviceWorker" in navigator) || !isSecureContext) {
    flight = "Without a certificate that the browser trusts, the page cannot be kept for flight mode.";
    return;
  }
  try {
    await navigator.serviceWorker.register("sw.js", { scope: "./" });
    await isKeeping();
    await warm();
    flight = "Flight mode: this page and its model are kept on this device and answer without a network.";
    document.body.dataset.flight = "ready";
  } catch (error) {
    flight = `The browser does not keep the page for flight mode (${error.name}): a certificate that it does not trust is the usual reason.`;
  }
}

/** Until requests of this page pass through the service worker. */
async function isKeeping() {
  if (navigator.serviceWorker.controller) return;
  await new Promise((done) => navigator.serviceWorker.addEventListener("controllerchange", done, { once: true }));
}

/** Ask once more for all that was loaded before the service worker stood, so that it keeps it. */
async function warm() {
  const names = performance.getEntriesByType("resource").map((entry) => entry.name);
  const kept = new Set([location.href, ...names, ...((await model.requests?.()) ?? [])]);
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  const own = [...kept].filter((name) => name.startsWith(location.origin) && !/\/v[12]\//.test(name));
  traffic.counting = false;
  await Promise.all(own.map((name) => fetch(name, { headers }).catch(() => null)));
  traffic.begin();
}

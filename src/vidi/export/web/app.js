// The page: an image comes in, by whatever way, and its answer is shown.

import { readListed } from "./access.js";
import { showAnswer, showNothing } from "./answer.js";
import { Camera } from "./camera.js";
import { fillCard } from "./card.js";
import { decodeFile } from "./decode.js";
import { filesOf } from "./drop.js";
import { listenAsEmbedded } from "./embed.js";
import { openModel } from "./engine.js";
import { logAnswer, offerFeedback, sends, useServer, wireFeedback } from "./feedback.js";
import { keepForFlight } from "./flight.js";
import { History, historyCard, save } from "./history.js";
import { lead, notice, progress } from "./lines.js";
import { drawEvidence, paint, paintData } from "./overlay.js";
import { fillPrivacy } from "./privacy.js";
import { openRemote } from "./remote.js";
import { isVersionCheck, readVersions, Traffic } from "./traffic.js";
import { CAMERA, labelOf, NO_FILES, OTHER_ANSWERS, REFUSALS, subjectOf, whereOf } from "./words.js";

document.documentElement.dataset.started = "yes"; // old.js looks for it
const byId = (id) => document.getElementById(id);
const query = new URLSearchParams(location.search);
const history = new History();
const traffic = new Traffic(showTraffic);
const camera = new Camera(byId("video"), () => cameraFailed({ name: "ended" }));
const MANY_FILES = 20; // for which trying the graphics processor pays
const CHECK_MILLISECONDS = 60_000; // between two looks whether the host has another model
let model = null;
let listed = { models: [], server: {} };
let token; // of a server that asks for one
let shown = null; // {name, file, height, width, answer, model, source}: what the stage shows
let work = Promise.resolve(); // one thing after the other: images that come in, and changes of the model

async function start() {
  document.body.classList.toggle("embedded", query.has("embed"));
  document.body.classList.toggle("framed", query.has("framed"));
  wire();
  try {
    ({ listed, token } = await readListed());
    offerModels();
    useServer(listed.server ?? {}, token);
    await use(listed.models.find((one) => one.name === query.get("model")) ?? listed.models[0]);
  } catch (error) {
    lead("The model could not be opened.");
    byId("look").hidden = true;
    notice(error.message ?? String(error), { action: "Try again", act: () => location.reload() });
    return;
  }
  if (query.has("embed")) listenAsEmbedded((file) => inTurn(() => classifyFile(file)));
  setInterval(lookForUpdate, CHECK_MILLISECONDS);
  for (const type of ["focus", "visibilitychange"]) addEventListener(type, lookForUpdate);
  if (!query.has("framed")) sayFlight(await keepForFlight({ token, model, traffic }));
}

/** Do something when all that was asked for before is done. */
function inTurn(act) {
  const done = work.then(act);
  work = done.catch(() => null);
  return done;
}

function offerModels() {
  byId("models").replaceChildren(...listed.models.map((one) => new Option(one.name, one.name)));
  byId("model-choice").hidden = listed.models.length < 2;
}

/** Use another model from now on, and ask it about the image that is shown. */
function change(entry) {
  return inTurn(async () => {
    try {
      await use(entry);
      if (shown?.file) await classifyFile(shown.file);
    } catch (error) {
      byId("models").value = model.name;
      introduce();
      notice(`${entry.name} could not be opened. ${error.message}`);
    }
  });
}

/** Offer the host's model where it is another one than that which is open. */
async function lookForUpdate() {
  if (document.hidden || !model) return;
  const fresh = await readVersions(token);
  const entry = fresh?.models.find((one) => one.name === model.name);
  byId("update").hidden = !entry || entry.id === model.id;
  if (byId("update").hidden) return;
  byId("use-update").onclick = async () => {
    const before = model.id;
    byId("update").hidden = true;
    listed = fresh;
    offerModels();
    await change(entry);
    if (model.id === before) notice("The new model could not be loaded. The one that was open still answers.");
  };
}

/** Open a model: in the browser, else, if there is a server, on it. */
async function use(entry) {
  const base = new URL(entry.path, document.baseURI);
  lead(`Opening ${entry.name} …`);
  const before = model;
  let said = "";
  try {
    model = await openModel(base, { token });
  } catch (error) {
    if (!listed.server?.predict) throw error;
    model = await openRemote(base, entry, { token });
    said = `${error.message} Images are sent to this server instead, which answers about them.`;
  }
  before?.close();
  if (!model.isRemote && !(await model.selfTest()).passed) said += ` ${OTHER_ANSWERS}`;
  if (model.metadata.unfinished) said += " This model is unfinished: its probabilities are not calibrated and it was not tested.";
  byId("about-model").textContent = said.trim();
  byId("about-model").hidden = !said;
  byId("models").value = entry.name;
  byId("model-name").textContent = byId("model-choice").hidden ? entry.name : "";
  introduce();
  for (const id of ["open-card", "choose", "photo", "live"]) Object.assign(byId(id), { hidden: false, disabled: false });
  const hasEvidence = model.outputs.includes("evidence");
  byId("evidence-switch").hidden = !hasEvidence;
  byId("no-evidence").hidden = hasEvidence;
  sayWhere();
  traffic.begin();
  document.body.dataset.ready = model.id;
}

function sayWhere() {
  byId("where").textContent = whereOf({ isRemote: model.isRemote, ...sends() });
}

function introduce() {
  lead(subjectOf(model.metadata));
}

// --- Images come in ---------------------------------------------------------------------------------------------

function wire() {
  for (const [button, input] of [["choose", "files"], ["photo", "photo-file"]]) {
    byId(button).addEventListener("click", () => byId(input).click());
    byId(input).addEventListener("change", (event) => takeFiles([...event.target.files]));
  }
  const stage = byId("stage");
  for (const type of ["dragenter", "dragover"]) document.addEventListener(type, (event) => { event.preventDefault(); stage.classList.add("over"); });
  for (const type of ["dragleave", "drop"]) document.addEventListener(type, () => stage.classList.remove("over"));
  document.addEventListener("drop", async (event) => { event.preventDefault(); takeFiles(await filesOf(event.dataTransfer), NO_FILES.dropped); });
  document.addEventListener("paste", (event) => { if (!event.target.closest?.("input")) takeFiles([...event.clipboardData.files], NO_FILES.pasted); });
  byId("models").addEventListener("change", () => change(listed.models.find((one) => one.name === byId("models").value)));
  wireFeedback(sayWhere);
  byId("live").addEventListener("click", () => (camera.runs ? stopCamera() : startCamera()));
  byId("freeze").addEventListener("click", freeze);
  byId("turn-camera").addEventListener("click", () => camera.turn().catch(cameraFailed));
  byId("evidence").addEventListener("change", () => inTurn(again));
  byId("evidence-class").addEventListener("change", drawOverlay);
  byId("save-csv").addEventListener("click", () => save(history.asCsv(), "vidi-answers.csv", "text/csv"));
  byId("save-json").addEventListener("click", () => save(history.asJson(), "vidi-answers.json", "application/json"));
  byId("clear").addEventListener("click", () => { history.clear(); showHistory(); });
  byId("open-card").addEventListener("click", () => { fillCard(byId("card-body"), model); byId("card").showModal(); });
  byId("open-privacy").addEventListener("click", () => { fillPrivacy(byId("privacy-body"), { isRemote: model?.isRemote, ...sends(), requests: traffic.requests, flight: byId("flight").textContent }); byId("privacy").showModal(); });
  document.addEventListener("visibilitychange", () => { if (document.hidden && camera.runs) stopCamera(); });
}

/** Answer about all files in turn. @param {string} none is said where there are no files. */
function takeFiles(files, none = "") {
  if (!model) return;
  if (!files.length && none) notice(none);
  if (files.length) inTurn(() => answerAll(files));
}

async function answerAll(files) {
  if (camera.runs) stopCamera();
  byId("notice").hidden = true;
  const refused = [];
  if (files.length >= MANY_FILES) hurry();
  for (const [index, file] of files.entries()) {
    if (files.length > 1) progress(`Image ${index + 1} of ${files.length} …`);
    await classifyFile(file).catch((error) => refused.push({ file, error }));
  }
  for (const id of ["files", "photo-file"]) byId(id).value = "";
  progress(files.length > 1 ? `${files.length - refused.length} of ${files.length} images are answered.` : "");
  if (files.length === 1 && refused.length) refuse(files[0].name, refused[0].error);
  else if (refused.length) listRefused(refused);
}

/** Where many answers are wanted, try the graphics processor; it takes another 7 MB from the host, once. */
function hurry() {
  if (!model.isRemote && navigator.gpu && !navigator.connection?.saveData) model.accelerate().catch(() => {}); // then wasm goes on
}

/** Answer about one file, and show it. Returns the answer. */
async function classifyFile(file) {
  const decoded = await decodeFile(file);
  const { pixels, width, height } = decoded;
  const source = model.isRemote ? file : { pixels, width, height };
  const answer = await model.classify(source, { evidence: wantsEvidence() });
  paint(byId("image"), pixels, width, height);
  present({ name: file.name, file, height, width, answer, model, source });
  remember();
  return answer;
}

const wantsEvidence = () => byId("evidence").checked && model.outputs.includes("evidence");

const sentenceOf = (error) => error.sentence ?? REFUSALS[error.code] ?? error.message;

function refuse(name, error) {
  showNothing(`${name}: ${sentenceOf(error)}`);
  shown = null;
  byId("stage").toggleAttribute("data-empty", true);
  byId("invitation").hidden = false;
  byId("overlay").hidden = true;
}

function listRefused(refused) {
  const lines = refused.slice(0, 5).map(({ file, error }) => `${file.name}: ${sentenceOf(error)}`);
  if (refused.length > lines.length) lines.push(`And ${refused.length - lines.length} more.`);
  notice(...lines);
}

// --- What the stage shows ----------------------------------------------------------------------------------------

function present(seen, how) {
  shown = seen;
  byId("stage").toggleAttribute("data-empty", false);
  byId("invitation").hidden = true;
  byId("image").hidden = camera.runs;
  byId("image").setAttribute("aria-label", `${seen.name}: ${labelOf(seen.answer)}`);
  showAnswer(seen.answer, seen.model, how);
  offerFeedback(seen);
  document.dispatchEvent(new CustomEvent("answer", { detail: seen })); // for the page around it, where that is vidi's
  offerEvidence();
  drawOverlay();
}

function offerEvidence() {
  const has = Boolean(shown.answer.evidence);
  const choice = byId("evidence-class");
  const before = choice.value;
  byId("evidence-choice").hidden = !has;
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
  overlay.classList.toggle("mirrored", camera.runs && camera.isMirrored);
  const label = byId("evidence-class").value || answer.label;
  drawEvidence(overlay, evidence, { label, multiLabel: answer.multiLabel, framing: shown.model.metadata.framing, height, width });
}

/** The same image again, when evidence is wanted that was not asked for before. */
async function again() {
  if (camera.runs || !shown) return;
  if (wantsEvidence() && !shown.answer.evidence) {
    if (shown.model !== model || !shown.source) return classifyFile(shown.file);
    shown.answer = await model.classify(shown.source, { evidence: true });
    offerEvidence();
  }
  drawOverlay();
}

// --- The camera ---------------------------------------------------------------------------------------------------

async function startCamera() {
  byId("live").disabled = true; // the browser may be asking the person
  try {
    await camera.start();
  } catch (error) {
    return cameraFailed(error);
  } finally {
    byId("live").disabled = false;
  }
  byId("notice").hidden = true;
  progress("");
  byId("video").hidden = false;
  byId("image").hidden = true;
  byId("stage").toggleAttribute("data-empty", false);
  byId("invitation").hidden = true;
  byId("freeze").hidden = false;
  byId("turn-camera").hidden = !(await Camera.several());
  pressed(true);
  hurry();
  watch();
}

function cameraFailed(error) {
  stopCamera();
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
    const asked = model;
    let answer;
    try {
      answer = await asked.classify(await frameOf(canvas), { evidence: wantsEvidence() });
    } catch (error) {
      if (asked !== model) continue; // it was closed for another one
      stopCamera();
      return notice(sentenceOf(error));
    }
    if (!camera.runs) return;
    present({ name: "camera", height, width, answer, model: asked, canvas, isLive: true }, { quiet: true });
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
  const { canvas, height, width, answer, model: asked } = shown;
  const image = canvas.getContext("2d").getImageData(0, 0, width, height);
  const name = `camera ${new Date().toLocaleTimeString("en-GB")}`;
  shown = null;
  stopCamera();
  paintData(byId("image"), image);
  canvas.toBlob((blob) => {
    const file = new File([blob], `${name}.png`, { type: blob.type });
    present({ name, file, height, width, answer, model: asked, source: asked.isRemote ? file : image });
    remember();
  }, "image/png");
}

// --- This session -------------------------------------------------------------------------------------------------

function remember() {
  logAnswer(shown);
  history.add({ ...shown, image: byId("image") });
  showHistory();
}

function showHistory() {
  const list = byId("history");
  byId("history-part").hidden = !history.entries.length;
  list.replaceChildren(...history.entries.map((entry) => historyCard(entry, () => inTurn(() => recall(entry)))));
}

/** Show an image of this session again, with the answer that it got. */
async function recall(entry) {
  if (camera.runs) stopCamera();
  const { name, file, answer, model: asked, thumbnail } = entry;
  try {
    const { pixels, width, height } = await decodeFile(file);
    paint(byId("image"), pixels, width, height);
    present({ name, file, height, width, answer, model: asked });
  } catch { // the file is no longer where it was
    const { width, height } = thumbnail;
    paintData(byId("image"), thumbnail.getContext("2d").getImageData(0, 0, width, height));
    present({ name, file, height, width, answer, model: asked });
  }
  byId("answer").focus();
}

// --- What is said around it -----------------------------------------------------------------------------------------

function sayFlight({ isReady, sentence }) {
  byId("flight").textContent = sentence;
  document.body.dataset.flight = isReady ? "ready" : "impossible";
}

function showTraffic(requests) {
  const sent = requests.filter(({ name }) => !isVersionCheck(name)).length;
  byId("sent").textContent = String(sent);
  byId("sent").classList.toggle("some", sent > 0);
  document.body.dataset.requests = String(sent);
}

await start();

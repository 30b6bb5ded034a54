// Images of classes from the camera, as a zip file of class folders: nothing is uploaded.

import { Camera } from "./camera.js";
import { withExif } from "./exif.js";
import { save } from "./history.js";
import { CAMERA } from "./words.js";
import { zip } from "./zip.js";

const FRAME_MILLISECONDS = 150; // between two images of a burst
const LEAST_TAKES = 5; // of a class, for a first model
const PAUSE_MILLISECONDS = 2000; // images that lie no further apart are one take: vidi keeps them in one part
const QUALITY = 0.92;
const SIDE = 640; // pixels of the longer side of an image
// One name for all images of a session: `vidi train` keeps what was taken within seconds by one camera in one part.
const SESSION = `vidi page ${Date.now().toString(36)}`;

document.documentElement.dataset.started = "yes"; // old.js looks for it
const byId = (id) => document.getElementById(id);
const camera = new Camera(byId("video"), () => failed({ name: "ended" }));
const classes = new Map(); // name → [{url, bytes, time}]
const canvas = document.createElement("canvas");
let held = null; // the class whose button is held

byId("live").addEventListener("click", () => (camera.runs ? close() : open()));
byId("turn-camera").addEventListener("click", () => camera.turn().catch(failed));
byId("save").addEventListener("click", saveZip);
byId("add").addEventListener("submit", (event) => {
  event.preventDefault();
  const name = byId("new-class").value.trim();
  if (name && !classes.has(name)) classes.set(name, []);
  byId("new-class").value = "";
  show();
});
for (const type of ["pointerup", "pointercancel", "blur"]) addEventListener(type, letGo);
byId("train").addEventListener("click", train);
show();
offerTraining();

async function open() {
  try {
    await camera.start();
  } catch (error) {
    failed(error);
    return;
  }
  byId("video").hidden = false;
  byId("stage").toggleAttribute("data-empty", false);
  byId("invitation").hidden = true;
  byId("turn-camera").hidden = !(await Camera.several());
  byId("live").textContent = "Close the camera";
  byId("live").setAttribute("aria-pressed", "true");
  show();
}

function close() {
  camera.stop();
  letGo();
  byId("video").hidden = true;
  byId("stage").toggleAttribute("data-empty", true);
  byId("invitation").hidden = false;
  byId("live").textContent = "Open the camera";
  byId("live").setAttribute("aria-pressed", "false");
  show();
}

function failed(error) {
  close();
  const sentence = (CAMERA[error.name] ?? CAMERA.other).replace(/, or choose images instead|Choose images instead\./, "").trim();
  byId("notice").replaceChildren(Object.assign(document.createElement("p"), { textContent: sentence }));
  byId("notice").hidden = false;
}

/** While the button is held, one image after the other. */
async function hold(name) {
  if (!camera.runs || held) return;
  held = name;
  buttonOf(name)?.classList.add("held");
  while (held === name && camera.runs) {
    await take(name);
    countOf(name);
    await new Promise((done) => setTimeout(done, FRAME_MILLISECONDS));
  }
}

function letGo() {
  if (!held) return;
  const name = held;
  held = null;
  byId("spoken").textContent = `${name}: ${counted(classes.get(name))}`;
  show();
}

async function take(name) {
  camera.draw(canvas, SIDE);
  const time = new Date();
  const blob = await new Promise((done) => canvas.toBlob(done, "image/jpeg", QUALITY));
  const bytes = withExif(new Uint8Array(await blob.arrayBuffer()), { time, camera: SESSION });
  classes.get(name).push({ url: URL.createObjectURL(blob), bytes, time });
}

const buttonOf = (name) => [...document.querySelectorAll(".hold")].find((button) => button.dataset.name === name);

function countOf(name) {
  const button = buttonOf(name);
  if (button) button.parentElement.querySelector(".number").textContent = counted(classes.get(name));
}

function show() {
  byId("classes").replaceChildren(...[...classes.keys()].map(classRow));
  byId("samples").replaceChildren(...[...classes.keys()].filter((name) => classes.get(name).length).map(sampleList));
  const counts = [...classes.values()].map((images) => takes(images));
  const isEnough = counts.length >= 2 && counts.every((count) => count >= LEAST_TAKES);
  byId("save").disabled = !counts.some(Boolean);
  byId("train").disabled = !isEnough;
  byId("advice").textContent = advice(counts, isEnough);
}

function advice(counts, isEnough) {
  if (counts.length < 2) return "A classifier needs two classes or more. A class called “background” teaches it what nothing looks like.";
  if (isEnough) return "More takes make it better, above all from other places and in other light.";
  return `Make ${LEAST_TAKES} takes or more of each class: hold, let go, move to another place or light, wait two seconds, hold again. Images of one take teach little more than one.`;
}

/** How many times the button was held, pauses of less than two seconds left out. */
function takes(images) {
  return images.filter(({ time }, index) => !index || time - images[index - 1].time > PAUSE_MILLISECONDS).length;
}

function counted(images) {
  const count = takes(images);
  return `${images.length} in ${count} ${count === 1 ? "take" : "takes"}`;
}

function classRow(name) {
  const row = document.createElement("li");
  const button = Object.assign(document.createElement("button"), { type: "button", className: "hold", textContent: camera.runs ? `Hold for ${name}` : name, disabled: !camera.runs });
  button.dataset.name = name;
  button.addEventListener("pointerdown", (event) => { event.preventDefault(); button.setPointerCapture?.(event.pointerId); hold(name); });
  button.addEventListener("keydown", (event) => { if (event.key === " " || event.key === "Enter") { event.preventDefault(); hold(name); } });
  button.addEventListener("keyup", letGo);
  button.addEventListener("contextmenu", (event) => event.preventDefault());
  const number = Object.assign(document.createElement("span"), { className: "number", textContent: counted(classes.get(name)) });
  const remove = Object.assign(document.createElement("button"), { type: "button", className: "quiet", textContent: "Remove" });
  remove.setAttribute("aria-label", `Remove the class ${name} and its images`);
  remove.addEventListener("click", () => { drop(classes.get(name)); classes.delete(name); show(); });
  row.append(button, number, remove);
  return row;
}

function sampleList(name) {
  const part = Object.assign(document.createElement("section"), { className: "part" });
  const list = Object.assign(document.createElement("ul"), { className: "samples" });
  classes.get(name).forEach((image, index) => {
    const item = document.createElement("li");
    const button = Object.assign(document.createElement("button"), { type: "button" });
    button.setAttribute("aria-label", `Delete image ${index + 1} of ${name}`);
    button.append(Object.assign(document.createElement("img"), { src: image.url, alt: "", loading: "lazy" }));
    button.addEventListener("click", () => { drop(classes.get(name).splice(index, 1)); show(); });
    item.append(button);
    list.append(item);
  });
  part.append(Object.assign(document.createElement("h2"), { textContent: `${name}: ${classes.get(name).length}` }), list);
  return part;
}

function drop(images) {
  for (const image of images) URL.revokeObjectURL(image.url);
}

/** The zip file of all images, in class folders. */
export function collected() {
  const entries = [];
  for (const [name, images] of classes) {
    const folder = name.replace(/[\\/:*?"<>|\u0000-\u001f]/g, "_").replace(/^\.+/, "_");
    images.forEach(({ bytes, time }, index) => entries.push({ name: `${folder}/${String(index + 1).padStart(4, "0")}.jpg`, bytes, time }));
  }
  return zip(entries);
}

function saveZip() {
  save(collected(), "vidi-images.zip", "application/zip");
}

// --- Training on the server of this very computer ------------------------------------------------------------------

async function offerTraining() {
  const listed = await fetch("models.json").then((response) => response.json()).catch(() => null);
  byId("train").hidden = !listed?.server?.train;
}

async function train() {
  byId("train").disabled = true;
  byId("training").hidden = false;
  byId("report").hidden = true;
  byId("training-said").textContent = "The images are handed to vidi on this computer …";
  try {
    const response = await fetch("train", { method: "POST", headers: { "Content-Type": "application/zip" }, body: collected() });
    const state = await response.json();
    if (!response.ok) return ended(`${state.detail} ${state.remedy}`);
    await follow(performance.now());
  } catch {
    ended("The server on this computer does not answer. The images are still here: save them, or start the server again.");
  }
}

async function follow(since) {
  for (;;) {
    const state = await fetch("train").then((response) => response.json());
    const last = state.lines.at(-1) ?? "Training …";
    byId("training-said").textContent = last;
    byId("training-bar").value = Math.min(0.99, (performance.now() - since) / (60_000 * state.minutes));
    if (state.state === "done") return finished(state);
    if (state.state === "failed") return ended(`The training ended early: ${state.lines.slice(-2).join(" ")}`);
    await new Promise((done) => setTimeout(done, 1000));
  }
}

function finished({ name, folder }) {
  byId("training-bar").value = 1;
  ended(`The model ${name} is ready. It lies in ${folder}.`);
  const report = byId("report");
  report.href = "train/report";
  report.target = "_blank";
  report.hidden = false;
  byId("try").href = `./?model=${encodeURIComponent(name)}`;
  byId("try").hidden = false;
}

function ended(sentence) {
  byId("training-said").textContent = sentence;
  byId("train").disabled = false;
}

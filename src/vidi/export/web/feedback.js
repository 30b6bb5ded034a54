// What the person says of an answer, and answers that go to the log of the server behind the page, with consent.

import { SAID } from "./words.js";

const NONE = "none:";
const UNCLEAR = "unclear:";
const byId = (id) => document.getElementById(id);

let server = {}; // {log, keeps_images}: what stands behind the page
let token;
let seen = null; // {file, answer, model}: what the buttons are about

/** Wire the buttons. @param {() => void} changed is called when the person agrees to something, or no longer does. */
export function wireFeedback(changed) {
  byId("right").addEventListener("click", () => tell(seen.answer.predicted.length ? { labels: seen.answer.predicted } : { none: true }));
  byId("wrong").addEventListener("click", () => openTruth(byId("really").hidden));
  byId("really").addEventListener("submit", (event) => { event.preventDefault(); tell(chosen()); });
  for (const id of ["consent", "consent-image"]) byId(id).addEventListener("change", () => { allow(); changed(); });
}

/** The page has a server behind it. @param {{log: boolean, keeps_images: boolean}} found is what `models.json` says of it. */
export function useServer(found, key) {
  server = crypto.subtle ? found : {}; // only a page of a secure context may compute digests
  token = key;
  byId("consent-part").hidden = !server.log;
  allow();
}

/** Whether answers, and images with them, are sent to the log. */
export const sends = () => ({ answers: Boolean(server.log) && byId("consent").checked, images: byId("consent-image").checked });

function allow() {
  byId("image-switch").hidden = !server.keeps_images || !byId("consent").checked;
  if (byId("image-switch").hidden) byId("consent-image").checked = false;
}

/** Offer the buttons for what is shown; a live frame has no file that could be spoken of. */
export function offerFeedback(shown) {
  const isNew = seen?.answer !== shown.answer;
  seen = shown;
  byId("feedback").hidden = !server.log || !shown.file;
  if (!isNew || byId("feedback").hidden) return;
  byId("thanked").textContent = "";
  openTruth(false);
  const classes = shown.model.metadata.classes.map((name) => new Option(name, `label:${name}`));
  byId("truth").multiple = shown.answer.multiLabel;
  byId("truth").replaceChildren(...classes, new Option(SAID.none, NONE), new Option(SAID.unclear, UNCLEAR));
}

function openTruth(opens) {
  byId("really").hidden = !opens;
  byId("wrong").setAttribute("aria-expanded", String(opens));
  if (opens) byId("truth").focus();
}

/** What the person chose, as the server takes it. */
function chosen() {
  const values = [...byId("truth").selectedOptions].map((option) => option.value);
  if (values.includes(UNCLEAR)) return { unclear: true };
  const labels = values.filter((value) => value !== NONE).map((value) => value.slice("label:".length));
  return labels.length ? { labels } : { none: true };
}

async function tell(words) {
  const { file, model } = seen;
  const response = await post("v1/feedback", { digest: await digestOf(file), model: model.name, ...words });
  byId("thanked").textContent = response?.ok ? SAID.thanks : SAID.failed;
  if (response?.ok) openTruth(false);
}

/** Send an answer that was made in this browser, where the person agreed; the image only where that is ticked, too. */
export async function logAnswer({ file, answer, model }) {
  if (model.isRemote || !file || !sends().answers) return; // the server logs what it answers itself
  const row = { digest: await digestOf(file), model: model.name, model_id: model.id, probabilities: [...answer.probabilities], novelty: answer.novelty };
  if (sends().images) row.image = await base64Of(file);
  const response = await post("v1/answers", { consent: true, answers: [row] });
  byId("logged").textContent = response?.ok ? "" : SAID.notLogged;
  document.body.dataset.logged = String(Number(document.body.dataset.logged ?? 0) + Number(Boolean(response?.ok)));
}

function post(path, document_) {
  const access = token ? { Authorization: `Bearer ${token}` } : {};
  const headers = { ...access, "Content-Type": "application/json" };
  return fetch(path, { method: "POST", headers, body: JSON.stringify(document_) }).catch(() => null);
}

async function digestOf(file) {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", await file.arrayBuffer()));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function base64Of(file) {
  return new Promise((done, failed) => {
    const reader = new FileReader();
    reader.onload = () => done(reader.result.slice(reader.result.indexOf(",") + 1));
    reader.onerror = () => failed(reader.error);
    reader.readAsDataURL(file);
  });
}

// What the person says of an answer, and answers that go to the log of the server behind the page, with consent.

import { SAID } from "./words.js";

const NONE = "none:";
const UNCLEAR = "unclear:";
const NEAREST = 8; // other classes that have a button, the most probable first
const byId = (id) => document.getElementById(id);

let server = {}; // {log, keeps_images, feedback}: what stands behind the page; feedback: address that keeps images with labels
let token;
let seen = null; // {file, answer, model}: what the buttons are about

/** Wire the buttons. @param {() => void} changed is called when the person agrees to something, or no longer does. */
export function wireFeedback(changed) {
  byId("right").addEventListener("click", () => tell(labelled(seen.answer.predicted)));
  byId("wrong").addEventListener("click", () => openTruth(byId("really").hidden));
  byId("more").addEventListener("submit", (event) => { event.preventDefault(); tell(chosen()); });
  for (const id of ["consent", "consent-image"]) byId(id).addEventListener("change", () => { allow(); changed(); });
}

/** The page has a server behind it. @param {{log: boolean, keeps_images: boolean, feedback?: string}} found is what `models.json` says of it. */
export function useServer(found, key) {
  server = crypto.subtle ? found : {}; // only a page of a secure context may compute digests
  token = key;
  byId("consent-part").hidden = !server.log;
  allow();
}

/** Whether answers, and images with them, are sent to the log; whether what is said is kept with its image. */
export const sends = () => ({ answers: Boolean(server.log) && byId("consent").checked, images: byId("consent-image").checked, labels: Boolean(server.feedback) });

function allow() {
  byId("image-switch").hidden = !server.keeps_images || !byId("consent").checked;
  if (byId("image-switch").hidden) byId("consent-image").checked = false;
}

/** Offer the buttons for what is shown; a live frame has no file that could be spoken of. */
export function offerFeedback(shown) {
  const isNew = seen?.answer !== shown.answer || !seen.file; // a frame that was frozen has its answer from before
  seen = shown;
  byId("feedback").hidden = !(server.log || server.feedback) || !shown.file;
  if (!isNew || byId("feedback").hidden) return;
  byId("thanked").textContent = "";
  openTruth(false);
  const { answer, model: { metadata: { classes } } } = shown;
  const nearest = classes.map((name, index) => ({ name, share: answer.probabilities[index] }))
    .filter(({ name }) => !answer.predicted.includes(name))
    .sort((one, other) => other.share - one.share)
    .slice(0, answer.multiLabel ? 0 : NEAREST);
  byId("others").replaceChildren(
    ...nearest.map(({ name }) => button(name, labelled([name]))),
    button(SAID.none, { kind: "none", labels: [] }),
    button(SAID.unclear, { kind: "unclear", labels: [] }),
  );
  byId("more").hidden = !answer.multiLabel && classes.length - answer.predicted.length <= NEAREST;
  byId("truth").multiple = answer.multiLabel;
  byId("truth").replaceChildren(...classes.map((name) => new Option(name, name)));
}

function button(words, said) {
  const made = Object.assign(document.createElement("button"), { type: "button", className: "quiet", textContent: words });
  made.addEventListener("click", () => tell(said));
  return made;
}

function openTruth(opens) {
  byId("really").hidden = !opens;
  byId("wrong").setAttribute("aria-expanded", String(opens));
  if (opens) byId("really").querySelector("button, select").focus();
}

const labelled = (labels) => (labels.length ? { kind: "label", labels } : { kind: "none", labels });

/** What the person chose among all classes. */
const chosen = () => labelled([...byId("truth").selectedOptions].map((option) => option.value));

async function tell({ kind, labels }) {
  const about = seen;
  const response = await (server.feedback ? keep(about, kind, labels) : note(about, kind, labels));
  const said = server.feedback ? await response?.json().catch(() => null) : null;
  if (seen !== about) return;
  byId("thanked").textContent = response?.ok ? (server.feedback ? SAID.kept : SAID.thanks) : (said?.error ?? SAID.failed);
  if (response?.ok) openTruth(false);
}

/** To the log, which has or has not the image. */
async function note({ file, model }, kind, labels) {
  const words = kind === "label" ? { labels } : { [kind]: true };
  return post("v1/feedback", { digest: await digestOf(file), model: model.name, ...words });
}

/** To the project, with the image. */
function keep({ file, name }, kind, labels) {
  const query = new URLSearchParams([["kind", kind], ["name", name], ...labels.map((one) => ["label", one])]);
  return fetch(`${server.feedback}?${query}`, { method: "POST", headers: { "Content-Type": file.type || "application/octet-stream" }, body: file }).catch(() => null);
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

// One image at a time: shows it, takes an answer by key or button, sends it, and shows the next one.

const FIXED = 9; // classes that keep their key; with more, the list follows the model, and typing filters it
const CRISP = 100; // pixels: smaller images are shown in whole pixels

import { announce, ask, element, newKey, notice } from "../ui.js";
import { REVIEW } from "../words.js";

const PAGE = `
<header class="heading">
  <h1 id="title"></h1>
  <p class="counts"><span id="progress-words">Loading …</span><progress id="progress" aria-label="Images that need no answer of yours" max="1" value="0"></progress></p>
</header>
<div id="look" class="look" hidden>
  <div class="stage">
    <figure>
      <img id="image" alt="">
      <figcaption><span id="name"></span> <span id="copies"></span></figcaption>
    </figure>
    <ul id="files" class="files" hidden></ul>
  </div>
  <section class="panel" aria-labelledby="question">
    <h2 id="question" tabindex="-1">What does it show?</h2>
    <p id="why" class="why"></p>
    <p id="given"></p>
    <p id="model"></p>
    <div id="said" hidden><h3>Who said what</h3><ul id="opinions" class="opinions"></ul></div>
    <label id="filter-label" class="filter" hidden><span>Find a class <kbd>/</kbd></span><input id="filter" type="search" autocomplete="off" spellcheck="false"></label>
    <ul id="choices" class="choices"></ul>
    <p id="no-match" class="soft" hidden>No class of this name.</p>
    <div class="others">
      <button id="confirm" type="button" class="main" hidden aria-keyshortcuts="Enter"><kbd>Enter</kbd> <span id="confirm-words"></span></button>
      <button id="keep" type="button" aria-keyshortcuts="=" hidden><kbd>=</kbd> <span id="keep-words"></span></button>
      <button id="none" type="button" aria-keyshortcuts="n"><kbd>n</kbd> None of these</button>
      <button id="unclear" type="button" aria-keyshortcuts="u"><kbd>u</kbd> Cannot tell</button>
      <button id="exclude" type="button" aria-keyshortcuts="x"><kbd>x</kbd> <span id="exclude-words"></span></button>
      <button id="undo" type="button" aria-keyshortcuts="z" disabled><kbd>z</kbd> Undo</button>
    </div>
  </section>
</div>
<section id="done" class="panel" hidden aria-labelledby="done-title">
  <h2 id="done-title" tabindex="-1">Nothing is left to review</h2>
  <p>Every answer is kept.</p>
  <div id="then">
    <p>Stop <code>vidi review</code> with Ctrl-C, then use the labels:</p>
    <pre id="after" tabindex="0" aria-label="Commands"></pre>
  </div>
  <p class="others"><button id="undo-last" type="button"><kbd>z</kbd> Undo the last answer</button> <button id="look-again" type="button">Look again</button></p>
</section>
<section id="disputes" class="part" hidden aria-labelledby="disputes-title">
  <h2 id="disputes-title">Disagreements</h2>
  <p class="soft">People gave different answers. More than half of them must agree before an image gets a label.</p>
  <ul id="dispute-cards" class="cards"></ul>
</section>`;

const byId = (id) => document.getElementById(id);
let state;

/** The name of this window. It stays through a reload, so that the image and the answers to undo stay, too. */
function windowName() {
  const [entry] = performance.getEntriesByType("navigation");
  const kept = entry?.type === "reload" ? sessionStorage.getItem("window") : null;
  const name = kept ?? newKey();
  sessionStorage.setItem("window", name);
  return name;
}
const WINDOW = windowName();

/** Show the review that the server has open. */
export async function open(root) {
  const ended = new AbortController();
  root.innerHTML = PAGE;
  state = {
    settings: await ask("review"), // title, classes, multi_label, reviewer, after
    view: null, // what the server said last
    key: "", // of the answer to the image that is shown: sent twice, it counts once
    chosen: new Set(), // classes, where an image may show several
    busy: false, // a request is under way
  };
  wire(ended.signal);
  const many = state.settings.classes.length > FIXED;
  byId("title").textContent = state.settings.title;
  byId("after").textContent = state.settings.after.join("\n");
  byId("then").hidden = !state.settings.after.length;
  byId("filter-label").hidden = !many;
  byId("look").classList.toggle("many", many);
  await take("next", {});
  return () => ended.abort();
}

/** Send a step, and show what comes of it; one that fails may be sent again. */
async function take(path, body, words = "") {
  if (state.busy) return;
  state.busy = true;
  try {
    state.view = await ask(`review/${path}`, { body: { window: WINDOW, ...body } });
    notice();
    show(words);
  } catch (error) {
    notice(error.message, () => take(path, body, words));
  } finally {
    state.busy = false;
    document.body.dataset.ready = String(Number(document.body.dataset.ready ?? 0) + 1);
  }
}

function answer(kind, labels = []) {
  const image = state.view?.image;
  if (!image || !("seen" in byId("image").dataset)) return; // nobody answers what they have not seen
  const words = REVIEW[kind] ?? labels.join(", ");
  take("answers", { digest: image.digest, key: state.key, kind, labels }, REVIEW.saved(words));
}

const undo = () => state.view?.can_undo && take("undo", {}, REVIEW.takenBack);

function choose(name) {
  if (!state.settings.multi_label) return answer("label", [name]);
  state.chosen.has(name) ? state.chosen.delete(name) : state.chosen.add(name);
  showChoices();
}

/** What Enter says: one of several copies stays; the classes that are chosen; or what is suggested. */
function suggestion() {
  const { image } = state.view;
  if (image.file_count) return { words: REVIEW.keepOne(image.file_count - 1), take: () => answer("copy") };
  if (state.settings.multi_label) return { words: REVIEW.these, take: () => state.chosen.size && answer("label", [...state.chosen]) };
  if (!image.suggested?.length) return null;
  return { words: REVIEW.shows(image.suggested.join(", ")), take: () => answer("label", image.suggested) };
}
const confirmChosen = () => state.view.image && suggestion()?.take();

/** That the image, or all copies, stay with the label that they have; null where they have none, or two. */
function staying() {
  const { given, file_count: files } = state.view.image;
  const several = state.settings.multi_label;
  if (!several && given.length !== 1) return null;
  const words = files ? REVIEW.keepAll : REVIEW.stays(given.join(", ") || REVIEW.none);
  return { words, take: () => given.length ? answer("label", given) : answer("none") };
}
const keep = () => state.view?.image && staying()?.take();

/** The classes in the order of the list: as they are where they are few, else the model's likeliest first. */
function classesInOrder() {
  const { classes } = state.settings;
  if (classes.length <= FIXED) return classes;
  const likely = state.view.image.top.map((one) => one.class);
  return [...likely, ...classes.filter((name) => !likely.includes(name)).toSorted((a, b) => a.localeCompare(b))];
}

function shownClasses() {
  const wanted = byId("filter").value.trim().toLocaleLowerCase();
  const ordered = classesInOrder();
  const begins = ordered.filter((name) => name.toLocaleLowerCase().startsWith(wanted));
  return wanted ? [...begins, ...ordered.filter((name) => !begins.includes(name) && name.toLocaleLowerCase().includes(wanted))] : ordered;
}

function showChoices() {
  const { image } = state.view;
  const share = new Map(image.top.map((one) => [one.class, one.share]));
  const names = shownClasses();
  const rows = names.map((name, index) => {
    const button = element("button");
    button.type = "button";
    button.append(element("kbd", { text: index < FIXED ? String(index + 1) : "" }), element("span", { text: name, class: "name" }));
    button.append(element("span", { text: share.get(name) ?? "", class: "share" }));
    if (index < FIXED) button.setAttribute("aria-keyshortcuts", String(index + 1));
    if (image.candidates.includes(name)) button.classList.add("likely");
    if (state.settings.multi_label) button.setAttribute("aria-pressed", String(state.chosen.has(name)));
    button.addEventListener("click", () => choose(name));
    const row = element("li");
    row.append(button);
    return row;
  });
  byId("choices").replaceChildren(...rows);
  byId("no-match").hidden = names.length > 0;
}

const people = (opinions, tag) => opinions.map((one) => element(tag, { text: `${one.who}: ${one.said}` }));

function showImage(image) {
  const { settings } = state;
  state.key = newKey();
  state.chosen = new Set(settings.multi_label ? image.suggested ?? image.given : []);
  const picture = byId("image");
  delete picture.dataset.seen;
  picture.src = `/api/1/review/images/${image.files[0]?.digest ?? image.digest}`;
  picture.alt = `The image ${image.name}`;
  byId("name").textContent = image.name;
  showFiles(image);
  byId("copies").textContent = image.copies ? `and ${image.copies} ${image.copies === 1 ? "copy" : "copies"}` : "";
  byId("why").textContent = image.why;
  byId("question").textContent = image.file_count ? REVIEW.ofCopies : REVIEW.question;
  byId("given").textContent = givenWords(image);
  byId("model").textContent = image.answer ?? "";
  if (image.answer !== null && image.verdict) byId("model").append(" ", element("span", { text: image.verdict, class: `verdict ${image.verdict}` }));
  byId("said").hidden = !image.opinions.length;
  byId("opinions").replaceChildren(...people(image.opinions, "li"));
  byId("filter").value = "";
  for (const [id, said] of [["confirm", suggestion()], ["keep", staying()]]) {
    byId(id).hidden = said === null;
    byId(`${id}-words`).textContent = said?.words ?? "";
  }
  byId("exclude-words").textContent = image.file_count ? REVIEW.leaveAll : REVIEW.leave;
  showChoices();
}

function givenWords(image) {
  const names = image.given.join(", ");
  if (image.file_count) return `${image.file_count} files${names ? `, labelled ${names}` : ""}. The first one stays.`;
  return image.given.length > 1 && !state.settings.multi_label ? `Its labels are ${image.given.join(" and ")}.` : names && `Its label is ${names}.`;
}

const pictureOf = ({ digest }) => element("img", { src: `/api/1/review/images/${digest}`, alt: "", loading: "lazy" });

/** The copies side by side, in place of the one large image. */
function showFiles(image) {
  byId("image").classList.toggle("alone", image.file_count === 0);
  byId("files").hidden = image.file_count === 0;
  const cards = image.files.slice(1).map((one) => element("li", {}, pictureOf(one), element("span", { text: one.name })));
  const more = image.file_count - image.files.length;
  byId("files").replaceChildren(...cards, ...(more > 0 ? [element("li", { text: `and ${more} more` })] : []));
}

function showDisputes(disputes) {
  byId("disputes").hidden = !disputes.length;
  byId("dispute-cards").replaceChildren(...disputes.map((one) => element("li", {},
    element("button", { type: "button", on: { click: () => take("show", { digest: one.digest }) } },
      pictureOf(one), element("span", { class: "says" }, ...people(one.opinions, "span"))))));
}

function show(words) {
  const { image, progress, disputes, can_undo: canUndo } = state.view;
  const hadFocus = document.activeElement !== document.body && !byId("disputes").contains(document.activeElement);
  byId("look").hidden = image === null;
  byId("done").hidden = image !== null;
  byId("progress-words").textContent = `${progress.left.toLocaleString("en")} of ${progress.images.toLocaleString("en")} left · ${progress.yours.toLocaleString("en")} by ${state.settings.reviewer}`;
  byId("progress").max = Math.max(1, progress.images);
  byId("progress").value = progress.images - progress.left;
  byId("undo").disabled = byId("undo-last").disabled = !canUndo;
  if (image !== null) showImage(image);
  showDisputes(disputes);
  announce(`${words}${image === null ? "Nothing is left." : `Next: ${image.name}.`}`);
  if (hadFocus) byId(image === null ? "done-title" : "question").focus({ preventScroll: true });
  if (words || image === null) scrollTo({ top: 0 });
}

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || !state.view) return;
  const field = byId("filter");
  if (event.target === field) {
    if (event.key === "Enter" && field.value && shownClasses().length) choose(shownClasses()[0]);
    else if (event.key === "Enter") confirmChosen();
    else if (event.key === "Escape") { field.value = ""; field.blur(); showChoices(); }
    else return;
    event.preventDefault();
    return;
  }
  const key = event.key.toLowerCase();
  if (key === "z" || key === "backspace") undo();
  else if (!state.view.image) return;
  else if (/^[1-9]$/.test(key)) { const name = shownClasses()[Number(key) - 1]; if (name !== undefined) choose(name); }
  else if (key === "n") answer("none");
  else if (key === "u" || key === "?") answer("unclear");
  else if (key === "x" || key === "delete") answer("exclude");
  else if (key === "=") keep();
  else if (key === "enter" && (event.target === document.body || event.target === byId("question"))) confirmChosen();
  else if (key === "/" && !byId("filter-label").hidden) field.focus();
  else if (key.length === 1 && /\p{L}/u.test(key) && !byId("filter-label").hidden) return field.focus(); // the letter goes there
  else return;
  event.preventDefault();
}

function wire(signal) {
  const picture = byId("image");
  picture.addEventListener("load", () => {
    picture.dataset.seen = "";
    picture.classList.toggle("crisp", Math.max(picture.naturalWidth, picture.naturalHeight) <= CRISP);
  });
  picture.addEventListener("error", () => {
    picture.dataset.seen = ""; // what cannot be shown cannot be told, and must not end the review
    byId("why").textContent = REVIEW.lost;
  });
  byId("filter").addEventListener("input", showChoices);
  const clicks = {
    none: () => answer("none"), unclear: () => answer("unclear"), confirm: confirmChosen, keep, exclude: () => answer("exclude"),
    undo, "undo-last": undo, "look-again": () => take("next", {}),
  };
  for (const [id, click] of Object.entries(clicks)) byId(id).addEventListener("click", click);
  document.addEventListener("keydown", onKey, { signal });
}

// All images of the project: classes and findings with their counts, a grid to choose from, and labels for the chosen.

import { announce, ask, button, counted, element, newKey, notice, number } from "../ui.js";
import { ACTS, FILTERS, FLAGS, IMAGES, KINDS, NO_SUSPECTS, SAYING, SORTS } from "../words.js";
import { makeGrid } from "./grid.js";
import { openLarge } from "./large.js";

const MANY = 20; // images: more are labelled only after the number was read
const KEYED = 9; // classes that have a digit
const AT_ONCE = 400; // images that are described in one request
const PERIOD = 1000; // milliseconds between two looks at what the background does
const FIRST_LOOKS = 10; // for images, before the view is shown without any
const TYPING = 200; // milliseconds of rest before a search begins
const GROUPED = { "near-copies": false, "exact-copies": true }; // filters of copies: only exact ones?

/** Show the images that the address asks for. */
export async function open(root, { parameters }) {
  const ended = new AbortController();
  const state = {
    query: { filter: (parameters.get("filter") ?? "").split(",").filter(Boolean), class: parameters.getAll("class"), text: parameters.get("text") ?? "", sort: parameters.get("sort") ?? "", digests: parameters.get("digests") ?? "" },
    summary: { stamp: "", images: 0, classes: [], filters: {}, stage: "reading" },
    order: [], // rows, as they are shown
    known: new Map(), // row → what is known of the image
    chosen: new Set(), // rows
    anchor: 0, // the place from which Shift extends
    sending: Promise.resolve(), // answers go one after the other
    large: null,
    isDoubting: false, // a pretrained network looks at the labels
    hasDoubted: false, // it has done so
  };
  const parts = build();
  const grid = makeGrid(parts.grid, { count: () => state.order.length, make: makeCell, paint, rested: describe }, { moved, pressed });
  let timer = 0;

  // What is shown.

  function parametersOf(query) {
    const asked = new URLSearchParams();
    for (const name of ["text", "sort", "digests"]) if (query[name]) asked.set(name, query[name]);
    if (query.filter.length) asked.set("filter", query.filter.join(","));
    for (const name of query.class) asked.append("class", name);
    return asked;
  }

  async function load({ keep = false } = {}) {
    const asked = parametersOf(state.query);
    if (root.isConnected) history.replaceState(null, "", `#images${asked.size ? `?${asked}` : ""}`);
    try {
      const found = await ask(`images?${asked}`, { signal: ended.signal });
      if (found.stamp !== state.summary.stamp) { state.known.clear(); state.chosen.clear(); }
      state.order = found.order;
      take(found.described);
      if (!keep) { parts.grid.scrollTop = 0; state.chosen.clear(); state.anchor = 0; grid.go(0, { focus: false }); }
      show(found);
      grid.refresh();
      notice();
    } catch (error) {
      if (error.name !== "AbortError") notice(error.message, () => load({ keep }));
    }
  }

  /** Go on looking while the background works: counts change, and images come. */
  async function look() {
    try {
      const before = state.summary, now = await ask("findings", { signal: ended.signal });
      const isOther = now.stamp !== before.stamp, hasEnded = now.stage === "done" && before.stage !== "done";
      show(now);
      if (isOther || hasEnded) await load({ keep: !isOther });
      if (hasEnded && state.hasDoubted && !now.filters["suspect-labels"]) notice(NO_SUSPECTS);
      if (now.stage !== "done") timer = setTimeout(look, PERIOD);
    } catch (error) {
      if (error.name !== "AbortError") timer = setTimeout(look, 5 * PERIOD);
    }
  }

  /** Keep columns as one record an image. */
  function take(columns) {
    (columns.row ?? []).forEach((row, at) => {
      state.known.set(row, { isOld: false, ...Object.fromEntries(Object.entries(columns).map(([name, values]) => [name, values[at]])) });
    });
  }

  async function describe(first, end) {
    const rows = state.order.slice(first, end).filter((row) => state.known.get(row)?.isOld ?? true);
    if (!rows.length) return;
    try {
      const asked = new URLSearchParams({ stamp: state.summary.stamp, rows: rows.slice(0, AT_ONCE).join(",") });
      take((await ask(`images?${asked}`, { signal: ended.signal })).described);
      grid.repaint();
    } catch (error) {
      if (error.code === "conflict") load();
      else if (error.name !== "AbortError") notice(error.message, () => describe(first, end));
    }
  }

  const nameOf = (index) => state.summary.classes[index]?.name ?? "";

  function show(summary) {
    state.summary = Object.fromEntries(Object.entries(summary).filter(([name]) => !["order", "described"].includes(name)));
    const { images, stage, done, total, trouble, filters } = summary;
    parts.title.textContent = counted(images, "image");
    const working = { reading: images ? "" : IMAGES.reading, checking: IMAGES.checking(done, total), done: "" };
    parts.stage.textContent = trouble ?? working[stage];
    showClasses();
    const chips = Object.entries(FILTERS).filter(([code]) => filters[code] || state.query.filter.includes(code));
    fill(parts.chips, chips, ([code]) => code, ([code, [words]]) => chip(code, words), (made, [code]) => {
      made.lastChild.textContent = ` ${number(filters[code] ?? 0)}`;
      made.ariaPressed = String(state.query.filter.includes(code));
    });
    parts.suspects.hidden = summary.has_suspects;
    parts.suspects.disabled = summary.classes.length < 2 || stage !== "done" || state.isDoubting;
    showBar();
  }

  /** Make a list's elements those of its entries; ones that stay keep the focus. */
  function fill(list, entries, keyOf, make, update) {
    const kept = new Map([...list.children].map((child) => [child.dataset.key, child]));
    const made = entries.map((entry, place) => {
      const one = kept.get(keyOf(entry)) ?? make(entry, place);
      one.dataset.key = keyOf(entry);
      update(one, entry, place);
      return one;
    });
    if (made.length !== list.children.length || made.some((one, at) => one !== list.children[at])) list.replaceChildren(...made);
  }

  const chip = (code, words) => element("button", { type: "button", class: "chip", on: { click: (event) => filterBy(code, event.ctrlKey || event.shiftKey) } }, words, element("b"));

  function filterBy(code, isMore) {
    const had = state.query.filter.includes(code);
    const others = isMore ? state.query.filter.filter((one) => one !== code) : [];
    state.query = { ...state.query, filter: had ? others : [...others, code], digests: "" };
    load().then(() => announce(`${counted(state.order.length, "image")}.`));
  }

  function classBy(name) {
    state.query = { ...state.query, class: name === "" ? [] : [name], digests: "" };
    load().then(() => announce(`${counted(state.order.length, "image")}.`));
  }

  function showClasses() {
    const { classes, images } = state.summary, current = state.query.class[0] ?? "";
    const entries = [{ name: "", count: images }, ...classes.filter((one) => one.count || one.name === current)];
    const words = (one) => one.name || "All";
    fill(parts.classes, entries, (one) => one.name, (one) => element("button", { type: "button", on: { click: () => classBy(one.name) } }, element("span", { text: words(one) }), element("b")), (made, one) => {
      made.lastChild.textContent = number(one.count);
      made.setAttribute("aria-current", String(one.name === current));
    });
    fill(parts.classSelect, entries, (one) => one.name, (one) => element("option", { value: one.name }), (made, one) => { made.textContent = `${words(one)} (${number(one.count)})`; });
    parts.classSelect.value = current;
    parts.rename.hidden = !current;
  }

  // The cells.

  function makeCell() {
    const image = element("img", { alt: "", decoding: "async", draggable: "false" });
    image.addEventListener("error", () => { image.hidden = true; });
    return [image, element("span", { class: "label" }), element("span", { class: "mark" })];
  }

  function paint(cell, place, isFast) {
    const row = state.order[place], one = state.known.get(row), [image, label, mark] = cell.children;
    const isChosen = state.chosen.has(row);
    cell.ariaSelected = String(isChosen);
    const source = one && !isFast ? `/api/1/thumbs/${one.id}` : "";
    if (image.dataset.source !== source) {
      image.dataset.source = source;
      image.hidden = !source;
      if (source) image.src = source;
      else image.removeAttribute("src");
    }
    const words = one ? wordsOf(one) : { label: "", mark: "", said: "" };
    if (label.textContent !== words.label) label.textContent = words.label;
    if (mark.textContent !== words.mark) mark.textContent = words.mark;
    cell.ariaLabel = one ? `${words.said}, ${one.path}` : "…";
    cell.classList.toggle("gone", Boolean(one) && ["none", "exclude", "copy", "unclear"].includes(one.kind));
    cell.classList.toggle("said", one?.kind === "label");
  }

  /** What is said of an image: its label, its gravest finding, and both in words. */
  function wordsOf(one) {
    const label = KINDS[one.kind] ?? (nameOf(one.label) || (one.flags & 1 ? "" : IMAGES.unlabelled));
    const found = FLAGS.filter((_, bit) => one.flags & (1 << bit)).map(([, words]) => words);
    const isSuspect = one.flags & 16;
    const mark = isSuspect && one.suggested >= 0 ? `→ ${nameOf(one.suggested)}?` : found[0] ?? "";
    return { label, mark, said: [label, ...found, isSuspect ? IMAGES.like(nameOf(one.suggested)) : ""].filter(Boolean).join(", ") };
  }

  // The choice.

  function moved(place, { extends: isMore, toggles, by }) {
    const row = state.order[place];
    if (isMore) {
      const [first, last] = [state.anchor, place].toSorted((a, b) => a - b);
      state.chosen = new Set(state.order.slice(first, last + 1));
    } else {
      state.anchor = place;
      if (toggles || (by === "touch" && state.chosen.size)) toggle(row);
      else if (by === "key") return showBar();
      else state.chosen = new Set(by === "touch" ? [] : [row]);
      if (by === "touch" && !toggles && !state.chosen.size) return enlarge();
    }
    chosenChanged();
  }

  function pressed(place) {
    state.anchor = place;
    toggle(state.order[place]);
    chosenChanged();
  }

  const toggle = (row) => state.chosen.delete(row) || state.chosen.add(row);

  function chosenChanged() {
    grid.repaint();
    showBar();
    announce(`${IMAGES.selected(state.chosen.size)}.`);
  }

  function chooseAll() {
    state.chosen = new Set(state.order);
    chosenChanged();
  }

  function chooseNone() {
    state.chosen = new Set();
    chosenChanged();
  }

  /** The images that a key is about: the chosen ones, or the one that has the focus. */
  const about = () => state.chosen.size ? [...state.chosen] : state.order.length ? [state.order[grid.active]] : [];

  // The answers.

  const classNames = () => state.summary.classes.map((one) => one.name);

  function showBar() {
    const rows = about(), one = rows.length === 1 ? state.known.get(rows[0]) : null;
    const suggested = new Set(rows.slice(0, 1000).map((row) => state.known.get(row)).filter((one) => one?.flags & 16).map((one) => nameOf(one.suggested)));
    parts.count.textContent = state.chosen.size > 1 || !one ? IMAGES.selected(state.chosen.size) : one.path.split("/").at(-1);
    const names = classNames().slice(0, KEYED);
    fill(parts.keys, names, (name) => name, (name) => element("button", { type: "button", on: { click: () => answer("label", name) } }, element("kbd"), ` ${name}`), (made, name, place) => {
      made.firstChild.textContent = String(place + 1);
      made.setAttribute("aria-keyshortcuts", String(place + 1));
      made.classList.toggle("likely", suggested.has(name));
    });
    fill(parts.names, classNames(), (name) => name, (name) => element("option", { value: name }), () => {});
    parts.suggestion.hidden = !suggested.size;
    parts.suggestionWords.textContent = suggested.size === 1 ? [...suggested][0] : IMAGES.each;
    parts.keepOne.disabled = !rows.some((row) => state.known.get(row)?.flags & 6);
    parts.undo.disabled = !state.summary.can_undo;
    parts.all.textContent = IMAGES.all(state.order.length, parametersOf({ ...state.query, sort: "" }).size > 0);
    parts.all.disabled = !state.order.length;
    parts.nothing.textContent = state.summary.images ? IMAGES.nothing : IMAGES.empty;
    parts.nothing.hidden = state.order.length > 0 || state.summary.stage === "reading";
    for (const one of parts.acts) one.disabled = !rows.length;
  }

  /** Keep an answer about images; of more than a few the number is shown first. */
  async function answer(kind, name = "", rows = about()) {
    if (!rows.length) return false;
    const count = counted(rows.length, "image");
    const words = SAYING[kind](count, name);
    if (rows.length > MANY && !(await agreedTo(words))) return false;
    const body = { stamp: state.summary.stamp, rows, key: newKey(), kind, labels: kind === "label" ? [name] : [], exact: GROUPED[state.query.filter.find((one) => one in GROUPED)] ?? !isNear(rows) };
    return send("labels", body, (said) => IMAGES.saved(kind === "label" ? name : KINDS[kind] ?? IMAGES.asSuggested, said));
  }

  const isNear = (rows) => rows.some((row) => state.known.get(row)?.flags & 4) && !rows.some((row) => state.known.get(row)?.flags & 2);

  const undo = () => state.summary.can_undo ? send("labels/undo", {}, (said) => IMAGES.takenBack(said.count)) : false;

  function send(path, body, words) {
    const sent = state.sending.then(async () => {
      try {
        const said = await ask(path, { body, signal: ended.signal });
        for (const one of state.known.values()) one.isOld = true; // copies of the images have changed, too
        take(said.described);
        show(said);
        parts.said.textContent = words(said);
        announce(words(said));
        const isFiltered = state.query.filter.length || state.query.class.length;
        if (isFiltered && !state.large) { state.chosen = new Set(); await load({ keep: true }); }
        if (!state.large) grid.refresh();
        return true;
      } catch (error) {
        if (error.code === "conflict") await load();
        else if (error.name !== "AbortError") notice(error.message, () => send(path, body, words));
        return false;
      } finally {
        document.body.dataset.ready = String(Number(document.body.dataset.ready ?? 0) + 1);
      }
    });
    state.sending = sent.then(() => {});
    return sent;
  }

  function agreedTo(words) {
    const { dialog, question } = parts;
    question.textContent = `${words}?`;
    dialog.querySelector(".main").textContent = words;
    dialog.returnValue = "";
    dialog.showModal();
    return new Promise((resolve) => dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true }));
  }

  function enlarge() {
    if (!state.order.length) return;
    const at = (place) => state.known.get(state.order[place]);
    state.large = openLarge({
      host: parts.large,
      place: grid.active,
      count: () => state.order.length,
      at,
      prepare: (place) => describe(Math.max(0, place - 2), place + 8),
      words: (one) => ({ ...wordsOf(one), reasons: FLAGS.filter((_, bit) => one.flags & (1 << bit)).map(([, , sentence]) => sentence), suggested: one.flags & 16 ? nameOf(one.suggested) : "", suggestion: one.suggested >= 0 && one.flags & 16 ? IMAGES.doubted(nameOf(one.suggested), one.share) : "" }),
      classes: classNames,
      answer: (kind, name, place) => answer(kind, name, [state.order[place]]),
      undo,
      forgotten: () => load(),
      closed: closeLarge,
    });
  }

  /** Back to the grid, at the image that was looked at last, or where it was. */
  async function closeLarge(place) {
    const row = state.order[place];
    state.large = null;
    state.chosen = new Set();
    if (state.query.filter.length || state.query.class.length) await load({ keep: true });
    else grid.refresh();
    const now = state.order.indexOf(row);
    grid.go(now < 0 ? place : now);
    chosenChanged();
  }

  async function doubt() {
    parts.suspects.disabled = state.isDoubting = true;
    try {
      let job = await ask("jobs", { body: { verb: "check", request: { suspects: true } } });
      parts.stage.textContent = IMAGES.doubting;
      while (job.state === "running") {
        await new Promise((resolve) => { setTimeout(resolve, PERIOD); });
        if (ended.signal.aborted) return;
        ({ job } = await ask(`jobs/${job.id}?from=0`, { signal: ended.signal }));
      }
      if (job.cause) notice(`${job.cause} ${job.remedy}`);
      await ask("findings", { method: "POST" });
      state.summary.stage = "checking";
      state.hasDoubted = !job.cause;
      await look();
    } catch (error) {
      if (error.name !== "AbortError") notice(error.message, doubt);
    } finally {
      parts.suspects.disabled = state.isDoubting = false;
    }
  }

  async function rename() {
    const name = parts.newName.value.trim(), from = state.query.class[0];
    if (!name || name === from) return;
    const found = await ask(`images?${new URLSearchParams({ class: from, n: "0" })}`);
    parts.renaming.close();
    if (await answer("label", name, found.order)) classBy(name);
  }

  // Keys and buttons.

  function wire() {
    const on = (target, event, heard) => target.addEventListener(event, heard, { signal: ended.signal });
    on(root, "keydown", onKey);
    on(parts.grid, "dblclick", (event) => { if (event.target.closest(".cell")) enlarge(); });
    on(parts.all, "click", chooseAll);
    on(parts.clear, "click", chooseNone);
    on(parts.look, "click", enlarge);
    on(parts.undo, "click", undo);
    on(parts.suggestion, "click", () => answer("suggested"));
    on(parts.keepOne, "click", () => answer("copy"));
    on(parts.none, "click", () => answer("none"));
    on(parts.exclude, "click", () => answer("exclude"));
    on(parts.unclear, "click", () => answer("unclear"));
    on(parts.suspects, "click", doubt);
    on(parts.classSelect, "change", () => classBy(parts.classSelect.value));
    on(parts.sort, "change", () => { state.query.sort = parts.sort.value; load(); });
    on(parts.typed, "submit", (event) => {
      event.preventDefault();
      const name = parts.typedName.value.trim();
      parts.typedName.value = "";
      if (!name) return;
      grid.go(grid.active);
      answer("label", name);
    });
    let typing = 0;
    on(parts.search, "input", () => {
      clearTimeout(typing);
      typing = setTimeout(() => { state.query.text = parts.search.value; load().then(() => announce(`${counted(state.order.length, "image")}.`)); }, TYPING);
    });
    on(parts.rename, "click", () => { parts.newName.value = state.query.class[0]; parts.renaming.showModal(); });
    on(parts.renaming.querySelector("form"), "submit", (event) => { event.preventDefault(); if (event.submitter.value === "yes") rename(); else parts.renaming.close(); });
    parts.search.value = state.query.text;
    parts.sort.value = state.query.sort;
  }

  function onKey(event) {
    const isCell = Boolean(event.target.closest?.(".cell"));
    if (event.target.closest?.("input, select, dialog") || event.altKey) {
      if (event.key === "Escape" && event.target.closest("input")) grid.go(grid.active);
      return;
    }
    const isSystem = event.ctrlKey || event.metaKey;
    const keys = {
      n: () => answer("none"), x: () => answer("exclude"), u: () => answer("unclear"), z: undo, k: () => answer("copy"),
      o: enlarge, "/": () => parts.typedName.focus(), Escape: chooseNone,
      ...(isCell ? { " ": () => { toggle(state.order[grid.active]); state.anchor = grid.active; chosenChanged(); }, Enter: () => parts.suggestion.hidden ? enlarge() : answer("suggested") } : {}),
    };
    const named = Number(event.key) >= 1 ? classNames()[Number(event.key) - 1] : undefined;
    const act = isSystem ? (event.key === "a" && isCell ? chooseAll : event.key === "z" ? undo : null) : named !== undefined ? () => answer("label", named) : keys[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  }

  wire();
  await load();
  for (let look = 0; look < FIRST_LOOKS && state.summary.stage === "reading" && !state.summary.images; look += 1) {
    await new Promise((resolve) => { setTimeout(resolve, PERIOD / 10); });
    await load();
  }
  if (ended.signal.aborted) return undefined;
  root.append(...parts.page); // with what it shows: nothing moves
  ask("findings", { method: "POST" }).catch(() => {}); // images that were brought meanwhile
  timer = setTimeout(look, PERIOD / 4);
  return () => { ended.abort(); clearTimeout(timer); grid.stop(); state.large?.close(); };
}

/** The elements of the view. */
function build() {
  const parts = {};
  const part = (name, made) => { parts[name] = made; return made; };
  const act = (name, key, words) => part(name, button(words, () => {}, { key }));
  part("suggestionWords", element("span"));
  parts.page = [
    element("header", { class: "heading" }, part("title", element("h1")), part("stage", element("p", { class: "soft", role: "status" }))),
    element("div", { class: "gallery" },
      element("nav", { class: "class-list", "aria-label": IMAGES.classes },
        part("classes", element("div", { class: "wide" })),
        element("label", { class: "narrow" }, element("span", { class: "hidden", text: IMAGES.class }), part("classSelect", element("select"))),
        part("rename", element("button", { type: "button", class: "aside", text: IMAGES.rename, hidden: true })),
        part("suspects", element("button", { type: "button", class: "aside", text: IMAGES.doubt }))),
      element("div", { class: "shown" },
        element("div", { class: "tools" },
          part("chips", element("div", { class: "chips", role: "group", "aria-label": IMAGES.findings })),
          element("label", {}, element("span", { class: "hidden", text: IMAGES.search }), part("search", element("input", { type: "search", placeholder: IMAGES.search, spellcheck: "false" }))),
          element("label", {}, element("span", { class: "hidden", text: IMAGES.order }), part("sort", element("select", {}, ...Object.entries(SORTS).map(([value, text]) => element("option", { value, text }))))),
          part("all", element("button", { type: "button", "aria-keyshortcuts": "Control+A" }))),
        part("grid", element("div", { class: "grid", "aria-label": IMAGES.title })),
        part("nothing", element("p", { class: "soft", hidden: true })),
        element("section", { class: "bar", "aria-label": IMAGES.bar },
          element("p", {}, part("count", element("strong")), part("said", element("span", { class: "soft" })), part("suggestion", element("button", { type: "button", class: "main", "aria-keyshortcuts": "Enter", hidden: true }, element("kbd", { text: "Enter" }), " ", parts.suggestionWords))),
          element("div", { class: "acts" },
            part("keys", element("div", { class: "keys" })),
            part("typed", element("form", {}, part("names", element("datalist", { id: "class-names" })), element("label", {}, element("span", { class: "hidden", text: IMAGES.another }), part("typedName", element("input", { list: "class-names", placeholder: IMAGES.anotherKey, maxlength: "100", autocomplete: "off", spellcheck: "false", "aria-keyshortcuts": "/" }))))),
            part("keepOne", button(ACTS.copy, () => {}, { key: "k" })),
            act("none", "n", ACTS.none), act("exclude", "x", ACTS.exclude), act("unclear", "u", ACTS.unclear), act("look", "o", ACTS.look), act("undo", "z", ACTS.undo),
            part("clear", button(ACTS.clear, () => {}, { key: "Esc", keys: "Escape" })))))),
    part("dialog", element("dialog", { "aria-labelledby": "question" }, element("form", { method: "dialog" }, part("question", element("p", { id: "question" })), element("p", { class: "others" }, element("button", { class: "main", value: "yes", autofocus: true }), element("button", { value: "no", text: ACTS.cancel }))))),
    part("renaming", element("dialog", { "aria-labelledby": "new-name-words" }, element("form", {}, element("label", { class: "filter" }, element("span", { id: "new-name-words", text: IMAGES.newName }), part("newName", element("input", { maxlength: "100", autocomplete: "off" }))), element("p", { class: "others" }, element("button", { class: "main", value: "yes", text: ACTS.rename }), element("button", { value: "no", text: ACTS.cancel }))))),
    part("large", element("dialog", { class: "large", "aria-label": IMAGES.one })),
  ];
  parts.acts = [parts.none, parts.exclude, parts.unclear, parts.look];
  return parts;
}

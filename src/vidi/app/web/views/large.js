// One image, large: with its label, what was found about it, and the same keys; the next one is ready before it is asked for.

import { announce, ask, button, element, notice, number } from "../ui.js";
import { ACTS, FORGET, LARGE } from "../words.js";

const KEYED = 9; // classes that have a digit
const CRISP = 100; // pixels: smaller images are shown in whole pixels
const KEPT = 5; // places to both sides whose pictures are not let go
const AHEAD = [0, 1, 2, 3, -1]; // places that are kept ready, the nearest first

/**
 * Open the dialog at a place.
 * @param shown {host, place, count() → images, at(place) → what is known of one or undefined, prepare(place) → a promise
 *   that it is known, words(one), classes() → names, answer(kind, name, place) → a promise, undo(), closed(place), forgotten()}
 */
export function openLarge(shown) {
  const { host } = shown;
  const ready = new Map(); // place → its picture, loading or loaded
  const ended = new AbortController();
  let place = shown.place;
  const title = element("h2", { tabindex: "-1" }), where = element("p", { class: "soft" }), reasons = element("ul", { class: "reasons" }), suggestion = element("p");
  const stage = element("figure", { class: "stage" }), keys = element("div", { class: "keys" });
  const take = button("", () => say("suggested"), { key: "Enter", class: "main" });
  const acts = [["n", ACTS.none, () => say("none")], ["x", ACTS.exclude, () => say("exclude")], ["u", ACTS.unclear, () => say("unclear")], ["z", ACTS.undo, () => undo()]];
  const previous = button(LARGE.previous, () => go(place - 1), { key: "←", keys: "ArrowLeft" }), next = button(LARGE.next, () => go(place + 1), { key: "→", keys: "ArrowRight" });
  const forgetting = element("details", { class: "forget" }, element("summary", { text: FORGET.title }), element("p", { text: FORGET.how }), button(FORGET.act, forget));
  host.replaceChildren(
    element("header", {}, previous, where, next, button(LARGE.close, () => host.close(), { key: "Esc", keys: "Escape" })),
    stage,
    element("section", {}, title, reasons, suggestion, element("div", { class: "acts" }, take, keys, ...acts.map(([key, words, act]) => button(words, act, { key }))), forgetting),
  );
  host.addEventListener("keydown", onKey, { signal: ended.signal });
  host.addEventListener("close", () => { ended.abort(); shown.closed(place); }, { once: true });
  host.showModal();
  title.focus();
  go(place);
  return { close: () => host.close() };

  function pictureOf(at) {
    const one = shown.at(at);
    if (!one) return null;
    const kept = ready.get(at);
    if (kept) return kept;
    const image = element("img", { alt: LARGE.alt(one.path) });
    image.src = `/api/1/image/${one.id}`;
    image.decode().catch(() => {}).finally(() => {
      image.classList.toggle("crisp", Math.max(image.naturalWidth, image.naturalHeight) < CRISP);
      image.dataset.seen = "yes";
    });
    ready.set(at, image);
    return image;
  }

  async function go(to) {
    if (to < 0 || to >= shown.count()) return announce(to < 0 ? LARGE.first : LARGE.last);
    place = to;
    if (!shown.at(place)) await shown.prepare(place);
    if (ended.signal.aborted || place !== to) return;
    show();
    for (const at of ready.keys()) if (Math.abs(at - place) > KEPT) ready.delete(at);
    shown.prepare(place);
    for (const step of AHEAD) pictureOf(place + step);
  }

  function show() {
    const one = shown.at(place);
    if (!one) return;
    const words = shown.words(one), picture = pictureOf(place);
    if (stage.firstChild !== picture) stage.replaceChildren(picture);
    title.textContent = words.label;
    where.textContent = `${number(place + 1)} of ${number(shown.count())} · ${one.path}`;
    forgetting.open = false;
    reasons.replaceChildren(...words.reasons.map((text) => element("li", { text })));
    suggestion.textContent = words.suggestion;
    take.hidden = !words.suggested;
    take.lastChild.textContent = words.suggested;
    previous.disabled = place === 0;
    next.disabled = place === shown.count() - 1;
    keys.replaceChildren(...shown.classes().slice(0, KEYED).map((name, at) => button(name, () => say("label", name), { key: String(at + 1) })));
    host.dataset.place = place;
  }

  /** Answer, and go on at once: the answer is kept while the next image is looked at. */
  function say(kind, name = "") {
    if (kind === "suggested" && take.hidden) return;
    const at = place;
    shown.answer(kind, name, at).then(() => { if (place === at) show(); });
    if (place < shown.count() - 1) go(place + 1);
  }

  /** Remove the image from all that is kept of it; there is no way back. */
  async function forget() {
    try {
      const { removed, left } = await ask("forget", { body: { id: shown.at(place).id } });
      host.close();
      notice(`${FORGET.done} ${removed.join("; ")}. ${FORGET.left} ${left.join("; ")}.`);
      shown.forgotten();
    } catch (error) {
      host.close();
      notice(error.message);
    }
  }

  async function undo() {
    await shown.undo();
    show();
  }

  function onKey(event) {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const moves = { ArrowLeft: () => go(place - 1), ArrowRight: () => go(place + 1), Home: () => go(0), End: () => go(shown.count() - 1) };
    const named = shown.classes()[Number(event.key) - 1];
    const isButton = Boolean(event.target.closest("button"));
    const act = moves[event.key] ?? (event.key === "Enter" && !isButton ? () => say("suggested") : acts.find(([key]) => key === event.key)?.[2]) ?? (named ? () => say("label", named) : null);
    if (!act) return;
    event.preventDefault();
    act();
  }
}

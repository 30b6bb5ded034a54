// What a camera or a video shows: asks once a second what is known, and shows frames as they come.

import { ask, element, lasting, percent } from "../ui.js";
import { LIVE } from "../words.js";

const PERIOD = 1000; // milliseconds
const MINUTE = 60; // seconds

const PAGE = `
<header class="heading">
  <h1 id="source"></h1>
  <p id="state" class="state" role="status">${LIVE.loading}</p>
</header>
<div class="live">
  <figure class="stage">
    <img id="frame" alt="${LIVE.frame}" hidden>
    <p id="no-frame" class="soft">${LIVE.noFrame}</p>
    <figcaption><ul id="scores" class="scores" aria-label="${LIVE.scores}"></ul></figcaption>
  </figure>
  <section class="panel" aria-labelledby="events-title">
    <h2 id="events-title">${LIVE.events}</h2>
    <p id="no-events" class="soft">${LIVE.nothing}</p>
    <ol id="events" class="events"></ol>
  </section>
</div>
`;

const byId = (id) => document.getElementById(id);

/** Show the watch that the server runs. */
export async function open(root) {
  root.innerHTML = PAGE;
  let timer = 0, isOver = false;
  async function look() {
    try {
      const now = await ask("live");
      if (isOver) return;
      show(now);
      if (now.over) return;
    } catch {
      byId("state").textContent = LIVE.lost;
      byId("state").className = "state lost";
    }
    timer = setTimeout(look, PERIOD);
  }
  await look();
  return () => { isOver = true; clearTimeout(timer); };
}

function position(seconds) {
  const tenths = Math.round(10 * seconds);
  const rest = tenths % (10 * MINUTE);
  const minutes = Math.floor(tenths / (10 * MINUTE));
  const two = (number) => String(number).padStart(2, "0");
  const short = `${two(minutes % MINUTE)}:${two(Math.floor(rest / 10))}.${rest % 10}`;
  return minutes >= MINUTE ? `${Math.floor(minutes / MINUTE)}:${short}` : short;
}

function when(at, seconds) {
  return at === null ? position(seconds) : new Date(at).toLocaleTimeString();
}

function eventLine(event) {
  const line = element("li");
  const isOpen = event.event !== "end";
  const said = LIVE.seen(event.label, lasting(event.duration), isOpen);
  line.append(element("time", { text: when(event.began_at, event.began) }), element("span", { text: said, class: isOpen ? "open" : "" }));
  return [event.began, line];
}

function changeLine(change) {
  const line = element("li");
  line.append(element("time", { text: when(change.at, change.seconds) }), element("span", { text: `${change.event}: ${change.reason}`, class: "lost" }));
  return [change.seconds, line];
}

/** The verdict and what it allows to be said; the probabilities where the model gives no verdicts. */
function showAnswer({ answer, scores: { verdict, ...shares } }) {
  const lines = verdict
    ? [element("li", { text: verdict, class: `verdict ${verdict}` }), element("li", { text: answer })]
    : Object.entries(shares).map(([name, value]) => element("li", { text: `${name} ${percent(value)}` }));
  byId("scores").replaceChildren(...lines);
}

function showFrame(now) {
  const image = byId("frame");
  const shows = now.images && now.frames > 0;
  byId("no-frame").hidden = shows;
  byId("no-frame").textContent = now.images ? LIVE.noFrame : LIVE.hidden;
  if (shows && image.hidden) {
    image.hidden = false;
    image.src = "/api/1/live/frames";
  }
  if (image.naturalWidth > 0) image.dataset.shown = "yes"; // no `load` event tells of the first of many frames
}

function stateOf(now) {
  if (now.over) return [LIVE.over, ""];
  const last = now.changes.find((one) => one.event === "offline" || one.event === "online");
  if (last !== undefined && last.event === "offline") return [LIVE.offline(last.reason), "lost"];
  return [LIVE.watching(now.classes.join(", "), position(now.seconds)), "live"];
}

function show(now) {
  byId("source").textContent = now.source;
  const [words, kind] = stateOf(now);
  byId("state").textContent = words;
  byId("state").className = `state ${kind}`;
  showAnswer(now);
  showFrame(now);
  const lines = [...now.events.map(eventLine), ...now.changes.map(changeLine)].sort((one, other) => other[0] - one[0]);
  byId("events").replaceChildren(...lines.map(([, line]) => line));
  byId("no-events").hidden = lines.length > 0;
}

// The live page: asks once a second what is known, and shows frames as they come.

const PERIOD = 1000; // milliseconds
const MINUTE = 60, HOUR = 3600; // seconds

const element = (id) => document.getElementById(id);

function position(seconds) {
  const tenths = Math.round(10 * seconds);
  const rest = tenths % (10 * MINUTE);
  const minutes = Math.floor(tenths / (10 * MINUTE));
  const two = (number) => String(number).padStart(2, "0");
  const short = `${two(minutes % MINUTE)}:${two(Math.floor(rest / 10))}.${rest % 10}`;
  return minutes >= MINUTE ? `${Math.floor(minutes / MINUTE)}:${short}` : short;
}

function lasting(seconds) {
  if (seconds < MINUTE) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < HOUR) return `${Math.floor(whole / MINUTE)} min ${whole % MINUTE} s`;
  return `${Math.floor(whole / HOUR)} h ${Math.floor((whole % HOUR) / MINUTE)} min`;
}

function when(at, seconds) {
  return at === null ? position(seconds) : new Date(at).toLocaleTimeString();
}

// A share below 1 is never shown as 100 %.
function percent(share) {
  const shown = Math.round(100 * share);
  return shown === 100 && share < 1 ? "> 99 %" : shown === 0 && share > 0 ? "< 1 %" : `${shown} %`;
}

function make(name, text, kind = "") {
  const made = document.createElement(name);
  made.textContent = text;
  if (kind) made.className = kind;
  return made;
}

function eventLine(event) {
  const line = document.createElement("li");
  const isOpen = event.event !== "end";
  const said = isOpen
    ? `${event.label} in view for ${lasting(event.duration)}`
    : `${event.label} for ${lasting(event.duration)}`;
  line.append(make("time", when(event.began_at, event.began)), make("span", said, isOpen ? "open" : ""));
  return [event.began, line];
}

function changeLine(change) {
  const line = document.createElement("li");
  line.append(make("time", when(change.at, change.seconds)), make("span", `${change.event}: ${change.reason}`, "lost"));
  return [change.seconds, line];
}

/** The verdict and what it allows to be said; the probabilities where the model gives no verdicts. */
function showAnswer({ answer, scores: { verdict, ...shares } }) {
  const lines = verdict
    ? [make("li", verdict, `verdict ${verdict}`), make("li", answer)]
    : Object.entries(shares).map(([name, value]) => make("li", `${name} ${percent(value)}`));
  element("scores").replaceChildren(...lines);
}

function showFrame(now) {
  const image = element("frame");
  const shows = now.images && now.frames > 0;
  element("no-frame").hidden = shows;
  element("no-frame").textContent = now.images ? "No frame yet." : "Frames are not shown: VIDI_NO_IMAGES.";
  if (shows && image.hidden) {
    image.hidden = false;
    image.src = "/frames";
  }
  if (image.naturalWidth > 0) image.dataset.shown = "yes"; // no `load` event tells of the first of many frames
}

function stateOf(now) {
  if (now.over) return ["The watch is over.", ""];
  const last = now.changes.find((one) => one.event === "offline" || one.event === "online");
  if (last !== undefined && last.event === "offline") return [`Offline: ${last.reason}`, "lost"];
  return [`Watching for ${now.classes.join(", ")} · ${position(now.seconds)}`, "live"];
}

function show(now) {
  element("source").textContent = now.source;
  const [words, kind] = stateOf(now);
  element("state").textContent = words;
  element("state").className = `state ${kind}`;
  showAnswer(now);
  showFrame(now);
  const lines = [...now.events.map(eventLine), ...now.changes.map(changeLine)].sort((one, other) => other[0] - one[0]);
  element("events").replaceChildren(...lines.map(([, line]) => line));
  element("no-events").hidden = lines.length > 0;
}

async function look() {
  try {
    const response = await fetch("/now", { cache: "no-store" });
    if (!response.ok) throw new Error(`status ${response.status}`);
    const now = await response.json();
    show(now);
    if (now.over) return;
  } catch {
    element("state").textContent = "The watch has ended, or does not answer.";
    element("state").className = "state lost";
  }
  setTimeout(look, PERIOD);
}

look();

// Images of classes from the camera: each is kept in the project as it is taken.

import { send } from "../bring.js";
import { Camera } from "../camera.js";
import { withExif } from "../exif.js";
import { announce, ask, button, element, notice } from "../ui.js";
import { CAMERA } from "../words.js";

const FRAME_MILLISECONDS = 150; // between two images of a burst
const LEAST_TAKES = 5; // of a class, for a first model
const PAUSE_MILLISECONDS = 2000; // images that lie no further apart are one take: vidi keeps them in one part
const QUALITY = 0.92;
const SIDE = 640; // pixels of the longer side of an image
// One name for all images of a session: what was taken within seconds by one camera is kept in one part.
const SESSION = `vidi page ${Date.now().toString(36)}`;

/** Show the camera and a button for each class. */
export async function open(root, { project, go }) {
  const taken = new Map(); // class → times of its images, milliseconds
  const canvas = element("canvas");
  let held = null; // the class whose button is held
  let count = 0;
  const video = element("video", { playsinline: true, muted: true, hidden: true });
  const camera = new Camera(video, () => failed({ name: "ended" }));
  const invitation = element("p", { class: "soft", text: CAMERA.empty });
  const live = button(CAMERA.open, () => (camera.runs ? close() : start()), { class: "main" });
  const turn = button(CAMERA.turn, () => camera.turn().catch(failed), { hidden: true });
  const list = element("ul", { class: "classes" });
  const advice = element("p", { class: "soft small" });
  const field = element("input", { id: "new-class", maxlength: 60, autocomplete: "off", required: true, placeholder: CAMERA.name });
  const add = (event) => {
    event.preventDefault();
    const name = field.value.trim();
    if (name && !taken.has(name)) taken.set(name, []);
    field.value = "";
    show();
  };
  root.append(
    element("h1", { text: CAMERA.title }), element("p", { class: "soft", text: CAMERA.how }),
    element("div", { class: "look" },
      element("section", { class: "stage camera", "aria-label": CAMERA.title }, element("div", { class: "video" }, video, invitation), element("div", { class: "others" }, live, turn)),
      element("section", { class: "panel", "aria-labelledby": "classes-title" },
        element("h2", { id: "classes-title", text: CAMERA.classes }), list,
        element("form", { class: "others", on: { submit: add } }, element("label", { class: "hidden", for: "new-class", text: CAMERA.name }), field, element("button", { text: CAMERA.add })),
        advice, button(CAMERA.done, () => go("images")))),
  );

  async function start() {
    try {
      await camera.start();
    } catch (error) {
      return failed(error);
    }
    turn.hidden = !(await Camera.several());
    show();
  }

  function close() {
    camera.stop();
    letGo();
    show();
  }

  function failed(error) {
    close();
    notice(CAMERA[error.name] ?? CAMERA.other);
  }

  /** While the button is held, one image after the other. */
  async function hold(name, pressed) {
    if (!camera.runs || held) return;
    held = name;
    pressed.classList.add("held");
    try {
      while (held === name && camera.runs) {
        await take(name);
        pressed.nextElementSibling.textContent = said(taken.get(name));
        await new Promise((done) => setTimeout(done, FRAME_MILLISECONDS));
      }
    } catch (error) {
      letGo();
      notice(error.message);
    }
  }

  function letGo() {
    if (!held) return;
    announce(`${held}: ${said(taken.get(held))}`);
    held = null;
    show();
  }

  async function take(name) {
    camera.draw(canvas, SIDE);
    const time = new Date();
    const blob = await new Promise((done) => canvas.toBlob(done, "image/jpeg", QUALITY));
    const bytes = withExif(new Uint8Array(await blob.arrayBuffer()), { time, camera: SESSION });
    const file = new Blob([bytes], { type: "image/jpeg" });
    count += 1;
    await send({ path: `${name.replaceAll("/", "-")}/${time.getTime()}-${String(count).padStart(4, "0")}.jpg`, file });
    taken.get(name).push(time.getTime());
  }

  const takes = (times) => times.filter((time, index) => !index || time - times[index - 1] > PAUSE_MILLISECONDS).length;
  const said = (times) => CAMERA.taken(times.length, takes(times));

  function row(name) {
    const pressed = element("button", { type: "button", class: "hold", text: camera.runs ? CAMERA.hold(name) : name, disabled: !camera.runs, on: {
      pointerdown: (event) => { event.preventDefault(); pressed.setPointerCapture?.(event.pointerId); hold(name, pressed); },
      keydown: (event) => { if (event.key === " " || event.key === "Enter") { event.preventDefault(); hold(name, pressed); } },
      keyup: letGo,
      contextmenu: (event) => event.preventDefault(),
    } });
    return element("li", {}, pressed, element("span", { class: "soft", text: said(taken.get(name)) }));
  }

  function show() {
    video.hidden = !camera.runs;
    invitation.hidden = camera.runs;
    live.textContent = camera.runs ? CAMERA.close : CAMERA.open;
    live.setAttribute("aria-pressed", String(camera.runs));
    list.replaceChildren(...[...taken.keys()].map(row));
    const counts = [...taken.values()].map(takes);
    if (counts.length < 2) advice.textContent = CAMERA.few;
    else if (counts.every((one) => one >= LEAST_TAKES)) advice.textContent = CAMERA.enough;
    else advice.textContent = CAMERA.more(LEAST_TAKES);
  }

  for (const name of (await ask("files/classes")).classes) taken.set(name, []);
  const events = ["pointerup", "pointercancel", "blur"];
  for (const event of events) addEventListener(event, letGo);
  show();
  return () => {
    camera.stop();
    for (const event of events) removeEventListener(event, letGo);
  };
}

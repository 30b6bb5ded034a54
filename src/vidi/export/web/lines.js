// What is said around the answer: one line each, and a notice.

const byId = (id) => document.getElementById(id);
const make = (tag, textContent) => Object.assign(document.createElement(tag), { textContent });

/** The line below the title. */
export function lead(sentence) {
  byId("lead").textContent = sentence;
}

/** The line below the image, while several come in. */
export function progress(sentence) {
  byId("progress").textContent = sentence;
}

/** Say something until the next image comes in: each sentence a line; the last argument may be {action, act}. */
export function notice(...said) {
  const place = byId("notice");
  place.replaceChildren(...said.map((one) => (typeof one === "string" ? make("p", one) : buttonFor(one))));
  place.hidden = false;
}

function buttonFor({ action, act }) {
  const button = Object.assign(make("button", action), { type: "button" });
  button.addEventListener("click", act);
  return button;
}

// What all views have in common: elements, requests, what is spoken, numbers.

const byId = (id) => document.getElementById(id);

/**
 * An element. Properties are attributes, but for `text`, `class`, `on` (event → listener) and `data` (name → value);
 * false, null and undefined leave an attribute out, true makes it an empty one.
 */
export function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name === "text") made.textContent = value;
    else if (name === "class") made.className = value;
    else if (name === "on") for (const [event, heard] of Object.entries(value)) made.addEventListener(event, heard);
    else if (name === "data") Object.assign(made.dataset, value);
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

/** A button with a key beside its words, where it has one. */
export function button(words, click, { key = "", keys = key.toLowerCase(), ...properties } = {}) {
  const made = element("button", { type: "button", on: { click }, "aria-keyshortcuts": keys || null, ...properties });
  if (key) made.append(element("kbd", { text: key }), " ");
  made.append(words);
  return made;
}

/** Ask the server: the document that it gives. @throws {Error} with `code`, and cause and remedy as its message. */
export async function ask(path, { method, body, headers = {}, signal } = {}) {
  const options = { method: method ?? (body === undefined ? "GET" : "POST"), headers, signal };
  if (body instanceof Blob) options.body = body;
  else if (body !== undefined) {
    options.body = JSON.stringify(body);
    options.headers = { "content-type": "application/json", ...headers };
  }
  let response;
  try {
    response = await fetch(`/api/1/${path}`, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw Object.assign(new Error("The server does not answer. Is vidi still running in its terminal?"), { code: "gone" });
  }
  const said = await response.json().catch(() => ({}));
  if (!response.ok) throw Object.assign(new Error(said.error ?? `The server answers ${response.status}.`), { code: said.code, status: response.status });
  return said;
}

/** Have words spoken by a screen reader. */
export const announce = (words) => { byId("status").textContent = words; };

/** Say above the view what went wrong, with a button that tries again; no words take it away. */
export function notice(words = "", again = null) {
  byId("notice").hidden = !words;
  byId("notice-words").textContent = words;
  byId("notice-again").hidden = !again;
  byId("notice-again").onclick = () => { notice(); again?.(); };
}

export const number = (value) => value.toLocaleString("en");
export const counted = (count, word, several = `${word}s`) => `${number(count)} ${count === 1 ? word : several}`;

/** A share as people read it: below 1 it is never shown as 100 %. */
export function percent(share, digits = 0) {
  const shown = (100 * share).toFixed(digits);
  if (Number(shown) === 100 && share < 1) return "> 99 %";
  return Number(shown) === 0 && share > 0 ? "< 1 %" : `${shown} %`;
}

const MINUTE = 60, HOUR = 3600; // seconds

/** How long something lasts, in words. */
export function lasting(seconds) {
  if (seconds < MINUTE) return `${Number(seconds.toFixed(1))} s`;
  const whole = Math.round(seconds);
  if (whole < HOUR) return `${Math.floor(whole / MINUTE)} min ${whole % MINUTE} s`;
  return `${Math.floor(whole / HOUR)} h ${Math.floor((whole % HOUR) / MINUTE)} min`;
}

/** A name that no other answer has. */
export const newKey = () => Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");

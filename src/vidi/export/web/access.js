// The models of this page, and the access token of a server that asks for one: it is kept for this tab alone.

import { readModels } from "./engine.js";
import { lead } from "./lines.js";

const KEPT = "vidi-token";
const byId = (id) => document.getElementById(id);

/** What the host offers; the person is asked for the token until it is the right one. @returns {Promise<{listed: object, token?: string}>} */
export async function readListed() {
  let token = sessionStorage.getItem(KEPT) ?? undefined;
  for (;;) {
    try {
      return { listed: await readModels({ token }), token };
    } catch (error) {
      if (error.code !== "unauthorized") throw error;
      lead(token ? "This is not the access token of the server." : "This server asks for its access token. It was shown where the server was started.");
      token = await askForToken();
      sessionStorage.setItem(KEPT, token);
    }
  }
}

/** Show the form in place of the rest, until it is sent. */
function askForToken() {
  const form = byId("token-form");
  form.hidden = false;
  byId("look").hidden = true;
  byId("token").value = "";
  byId("token").focus();
  return new Promise((given) => {
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      form.hidden = true;
      byId("look").hidden = false;
      given(byId("token").value.trim());
    }, { once: true });
  });
}

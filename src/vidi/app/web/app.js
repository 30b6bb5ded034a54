// The shell: lets in whoever holds the token, and shows one view at a time, by the address's fragment.

import { announce, ask, element, notice } from "./ui.js";
import { VIEWS } from "./words.js";

const byId = (id) => document.getElementById(id);
let settings = null; // {view, who, shared, project, projects}: what the server says
let leave = null; // ends what the view that is shown has begun
let turn = 0; // of views that were asked for: a slow one gives way to the next

/** `#images?filter=odd` → the view and its parameters. */
function place() {
  const [view, query = ""] = decodeURI(location.hash.slice(1)).split(/\?(.*)/s);
  const known = VIEWS[view] && (VIEWS[view].isShared || !settings.shared) ? view : settings.view;
  return { view: known, parameters: new URLSearchParams(query) };
}

/** Go to a view. */
export function go(view, parameters = {}) {
  const query = new URLSearchParams(parameters).toString();
  const hash = `#${view}${query ? `?${query}` : ""}`;
  if (location.hash === hash) show();
  else location.hash = hash;
}

/** Exchange the token for a cookie; the token leaves the address and the history. */
async function enter(token, view) {
  history.replaceState(null, "", view ? `/#${view}` : "/");
  await ask("session", { method: "POST", headers: { authorization: `Bearer ${token}` } });
}

async function show() {
  const mine = ++turn;
  const { view, parameters } = place();
  leave?.();
  leave = null;
  notice();
  showBar(view);
  document.title = [VIEWS[view].title, settings.project?.name, "vidi"].filter(Boolean).join(" · ");
  const root = byId("view").cloneNode(false); // what a view that was left still adds is not shown
  byId("view").replaceWith(root);
  root.className = `view-${view}`;
  delete document.body.dataset.ready;
  try {
    const { open } = await import(`./views/${view}.js`);
    if (mine !== turn) return;
    const ended = await open(root, { settings, project: settings.project, parameters, go, open: openProject });
    if (mine === turn) leave = ended ?? null;
    else ended?.();
  } catch (error) {
    if (mine === turn) notice(error.message, show);
  }
  if (mine === turn) document.body.dataset.view = view;
}

function showBar(current) {
  byId("project").textContent = settings.project?.name ?? "";
  const isOffered = ([name, one]) => (settings.shared ? one.isShared : one.inBar) || (name === settings.view && !one.hidden);
  const offered = settings.project ? Object.entries(VIEWS).filter(isOffered) : [];
  byId("views").replaceChildren(...offered.map(([name, one]) => element("a", { href: `#${name}`, text: one.title, "aria-current": name === current ? "page" : null })));
}

/** Open a project by its folder, and show its images. */
async function openProject(folder, view = "images") {
  settings = { ...settings, ...(await ask("project", { body: { folder } })) };
  announce(`${settings.project.name} is open.`);
  go(view);
}

async function start() {
  const given = new URLSearchParams(location.hash.slice(1));
  try {
    if (given.has("token")) await enter(given.get("token"), given.get("view"));
    settings = await ask("project");
  } catch (error) {
    if (error.status !== 401) return notice(error.message, () => location.reload());
    byId("token-form").hidden = false;
    return byId("token").focus();
  }
  byId("token-form").hidden = true;
  addEventListener("hashchange", show);
  await show();
}

byId("token-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  try {
    await enter(byId("token").value.trim());
    await start();
  } catch (error) {
    notice(error.message);
  }
});
start();

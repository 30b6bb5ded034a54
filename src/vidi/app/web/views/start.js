// The first screen: the projects of this computer.

import { element } from "../ui.js";
import { START } from "../words.js";

/** Show the projects, each with a button that opens it. */
export async function open(root, { settings, open: openProject }) {
  const rows = settings.projects.map((one) => element("li", {},
    element("button", { type: "button", class: "row", on: { click: () => openProject(one.folder) } },
      element("strong", { text: one.name }), element("span", { class: "soft", text: one.owns_images ? one.folder : one.source }))));
  root.append(
    element("h1", { text: START.title }),
    element("h2", { text: START.projects }),
    rows.length ? element("ul", { class: "rows" }, rows) : element("p", { class: "soft", text: START.noProject }),
  );
}

// The page: an image in, the answer as text.

import { openModel, readModels } from "./engine.js";

const shown = document.querySelector("#answer");

async function start() {
  const { models } = await readModels();
  const model = await openModel(models[0].path);
  document.querySelector("#file").addEventListener("change", async (event) => {
    shown.textContent = JSON.stringify(await model.classify(event.target.files[0]).catch(told), null, 1);
  });
  shown.textContent = `${model.name}: ${model.metadata.classes.join(", ")}`;
}

function told({ code, message }) {
  return { error: { code, message } };
}

start().catch((error) => {
  shown.textContent = error.message;
});

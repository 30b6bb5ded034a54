// The model on the server, where the browser cannot run it: the same interface as engine.js. Images leave the device.

import { REFUSALS } from "./words.js";

/** A model whose answers the server gives. */
export async function openRemote(base, entry, { token } = {}) {
  const access = token ? { Authorization: `Bearer ${token}` } : {};
  const document = await (await fetch(new URL("model.json", base), { headers: access })).json();
  return {
    ...document,
    isRemote: true,
    async classify(blob, { evidence = false } = {}) {
      const began = performance.now();
      const query = new URLSearchParams({ model: entry.name, ...(evidence ? { explain: "evidence" } : {}) });
      const headers = { ...access, "Content-Type": blob.type || "application/octet-stream" };
      const response = await fetch(new URL(`../../v1/predict?${query}`, base), { method: "POST", headers, body: blob }).catch(() => null);
      if (!response) throw Object.assign(new Error("no connection"), { sentence: "The server of this page does not answer. Try again when it runs." });
      const said = await response.json();
      if (!response.ok) throw Object.assign(new Error(said.detail), { code: said.image?.code ?? said.code, sentence: REFUSALS[said.image?.code] ?? `${said.detail} ${said.remedy}` });
      return asAnswer(said.predictions[0], document.metadata, performance.now() - began);
    },
    close() {},
  };
}

function asAnswer(row, metadata, milliseconds) {
  const multiLabel = metadata.task === "multi-label";
  const regions = row.why?.regions ?? null;
  const first = regions && Object.values(regions)[0];
  return {
    label: row.label,
    labelIndex: metadata.classes.indexOf(row.label),
    probability: row.probability,
    probabilities: metadata.classes.map((name) => row.probabilities[name]),
    verdict: row.verdict,
    candidates: row.candidates,
    decision: row.decision,
    predicted: multiLabel ? (row.decision ?? []) : [row.label],
    novelty: row.novelty,
    multiLabel,
    evidence: first ? { rows: first.length, columns: first[0].length, byLabel: regions } : null,
    milliseconds,
  };
}

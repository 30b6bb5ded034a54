// Whether a host gives the answers that a model file holds about its own drawn images: the twin of
// `vidi/model_file/replay.py`.

/** The image of a golden vector: {pixels, width, height}. */
export function goldenImage(vector) {
  const [height, width] = vector.size;
  return { pixels: Uint8Array.from(atob(vector.image), (sign) => sign.charCodeAt(0)), width, height };
}

/**
 * Compare a host's answers with those in the file.
 *
 * @param {object[]} answers of `decide`, one for each golden vector, in their order
 * @param {object} metadata of the model
 */
export function compareGolden(answers, metadata) {
  const tolerance = metadata.golden_tolerance ?? { probability: 1e-4, novelty: 1e-3 };
  const differing = [];
  let probability = 0, novelty = null;
  metadata.golden.forEach((vector, index) => {
    const answer = answers[index];
    vector.probabilities.forEach((value, place) => {
      probability = Math.max(probability, Math.abs(answer.probabilities[place] - value));
    });
    if (typeof vector.novelty === "number") {
      const share = Math.abs(answer.novelty - vector.novelty) / Math.max(Math.abs(vector.novelty), 1);
      novelty = Math.max(novelty ?? 0, share);
    }
    const say = (what) => differing.push(`golden vector ${index + 1}: ${what}`);
    if (vector.verdict && answer.verdict !== vector.verdict) say(`the verdict is ${answer.verdict}, not ${vector.verdict}`);
    const candidates = vector.candidates?.map((place) => metadata.classes[place]);
    if (candidates && !isSameSet(candidates, answer.candidates)) {
      say(`the candidates are ${answer.candidates.join(", ")}, not ${candidates.join(", ")}`);
    }
  });
  const within = probability <= tolerance.probability && (novelty === null || novelty <= tolerance.novelty);
  return {
    passed: metadata.golden.length > 0 && within && !differing.length,
    vectorCount: metadata.golden.length,
    probabilityDifference: probability,
    noveltyDifference: novelty,
    tolerance,
    differing,
  };
}

function isSameSet(one, other) {
  return one.length === other.length && one.every((value) => other.includes(value));
}

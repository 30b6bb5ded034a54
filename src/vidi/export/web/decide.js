// Turns a row of probabilities into an answer: the twin of vidi's Python `decide` (prediction/prediction.py,
// model_file/decisions.py). It reads the same metadata, as JSON, and compares in the same precision: probabilities are
// float32, and so is a limit that Python compares them with as a plain number. tests/export/test_decide.py holds both
// to one table of cases.

const SMALLEST_PROBABILITY = 2 ** -126; // of float32, as in Python
const ALL_CLASSES = "all-classes";

/**
 * The answer for one image.
 *
 * @param {Float32Array} probabilities one for each class, in the model's order
 * @param {object} metadata of the model, as `model.json` holds it
 * @param {number | null} novelty of the same image; null if the model has no measure of it
 */
export function decide(probabilities, metadata, novelty = null) {
  const { classes } = metadata;
  if (probabilities.length !== classes.length) {
    throw new RangeError(`${probabilities.length} probabilities for ${classes.length} classes`);
  }
  const multiLabel = metadata.task === "multi-label";
  const points = metadata.operating_points;
  const called = points ? callClasses(probabilities, points, classes) : null;
  const decision = called && namesOf(falling(probabilities, called), classes);
  const index = argmax(probabilities);
  return {
    label: classes[index],
    labelIndex: index,
    probability: probabilities[index],
    probabilities: Array.from(probabilities),
    verdict: metadata.verdict ? findVerdict(probabilities, metadata.verdict, novelty, called) : null,
    candidates: namesOf(findCandidates(probabilities, metadata, called, multiLabel), classes),
    decision,
    predicted: multiLabel ? (decision ?? []) : [classes[index]],
    novelty,
    multiLabel,
  };
}

/** Indexes of the most probable classes, highest first; ties in the model's order. */
export function ranked(probabilities) {
  return falling(probabilities, Array.from(probabilities, () => true));
}

function namesOf(indexes, classes) {
  return indexes.map((index) => classes[index]);
}

/** The index of the greatest value; of equal ones the first. */
function argmax(values) {
  let best = 0;
  for (let index = 1; index < values.length; index += 1) if (values[index] > values[best]) best = index;
  return best;
}

function falling(probabilities, chosen) {
  const indexes = [];
  chosen.forEach((isChosen, index) => isChosen && indexes.push(index));
  return indexes.sort((one, other) => probabilities[other] - probabilities[one] || one - other);
}

function onlyAt(count, index) {
  return Array.from({ length: count }, (_, place) => place === index);
}

function findVerdict(probabilities, limits, novelty, called) {
  if (novelty !== null && limits.novelty_limit !== null && novelty > limits.novelty_limit) return "unknown";
  const score = confidence(probabilities, limits.ranking, called);
  return limits.sure.limit !== null && score >= limits.sure.limit ? "sure" : "unsure";
}

function confidence(probabilities, ranking, called) {
  if (ranking === ALL_CLASSES) return probabilityOfAll(probabilities, called);
  const score = RANKINGS[ranking];
  if (!score) throw new RangeError(`the ranking ${ranking} is not known here`);
  return score(probabilities);
}

/** How likely all that is said of an image is right, the classes taken as independent. */
function probabilityOfAll(probabilities, called) {
  let product = 1;
  probabilities.forEach((value, index) => {
    product *= called?.[index] ? value : 1 - value;
  });
  return product;
}

const RANKINGS = {
  probability: (probabilities) => probabilities[argmax(probabilities)],
  margin(probabilities) {
    const [first, second] = ranked(probabilities);
    return Math.fround(probabilities[first] - probabilities[second]);
  },
  "normalised-logit"(probabilities) {
    const logits = Array.from(probabilities, (value) => Math.log(Math.max(value, SMALLEST_PROBABILITY)));
    const mean = meanOf(logits);
    const centred = logits.map((value) => value - mean);
    const size = Math.sqrt(meanOf(centred.map((value) => value * value)));
    return Math.max(...centred) / Math.max(size, SMALLEST_PROBABILITY);
  },
};

function meanOf(values) {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Indexes of the possible classes, the most probable first; of one label each, the most probable always is one. */
function findCandidates(probabilities, metadata, called, multiLabel) {
  const limit = Math.fround(metadata.verdict?.candidates.limit ?? Infinity);
  const said = multiLabel ? called : onlyAt(probabilities.length, argmax(probabilities));
  return falling(probabilities, Array.from(probabilities, (value, index) => value >= limit || Boolean(said?.[index])));
}

/** Which classes an image is called at the model's operating points. */
function callClasses(probabilities, points, classes) {
  if (points.costs !== null) return onlyAt(classes.length, leastCostly(probabilities, points.costs));
  const thresholds = new Map(points.thresholds.map((point) => [point.class, point.threshold]));
  const called = classes.map((name, index) => probabilities[index] >= (thresholds.get(name) ?? Infinity));
  if (points.positive === null) return called;
  const index = classes.indexOf(points.positive);
  if (called[index]) return onlyAt(classes.length, index);
  return onlyAt(classes.length, argmax(Array.from(probabilities, (value, place) => (place === index ? -1 : value))));
}

/** The answer that is cheapest to give, if the probabilities are right; rows of costs are true classes. */
function leastCostly(probabilities, costs) {
  const expected = costs.map((_, answer) =>
    costs.reduce((sum, row, truth) => sum + probabilities[truth] * row[answer], 0),
  );
  return argmax(expected.map((cost) => -cost));
}

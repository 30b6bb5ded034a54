// What the page says about an answer. Every sentence for people stands here, but for the model's own, in model.json.

const STRANGE = "strange image";
const MOST_NAMED = 4; // classes in a line

/** A share as percent: never 100 % below 1, never 0 % above 0. */
export function percent(share, digits = 0) {
  if (share === 1) return "100 %";
  if (share === 0) return "0 %";
  const step = 10 ** -digits;
  const value = Math.min(100 - step, Math.max(step, 100 * share));
  return `${value.toFixed(digits)} %`;
}

/** What a verdict means for the person, in a sentence or two: Python's words, from model.json. */
export function meaningOf(answer, { verdicts }) {
  if (answer.verdict && verdicts) {
    const sentence = answer.verdict === "unsure" && answer.candidates.length > 1 ? verdicts.among : verdicts[answer.verdict];
    const never = answer.verdict === "unsure" && verdicts.never_sure;
    return never ? `${sentence} ${never[0].toUpperCase()}${never.slice(1)}.` : sentence;
  }
  if (isUndecided(answer)) return "This model file has no thresholds, so it does not say which classes the image shows, only how probable each is. `vidi calibrate` sets thresholds.";
  return "This model file does not say how far its answers can be relied on.";
}

/** Whether nothing says from which probability on an image shows a class. */
const isUndecided = ({ multiLabel, decision }) => multiLabel && !decision;

/** What the image shows, as far as the verdict allows it to be said; the twin of Python's `Prediction.describe`. */
export function describeAnswer({ verdict, label, predicted, candidates, multiLabel }) {
  if (verdict === "unknown") return `${STRANGE}, unlike the training images; nearest: ${label}`;
  const others = verdict === "unsure" ? candidates.filter((name) => !predicted.includes(name)) : [];
  if (!multiLabel) return listed([...predicted, ...others]);
  const shown = predicted.join(", ") || "none of its classes";
  return others.length ? `${shown}, perhaps also ${listed(others)}` : shown;
}

/** Names, any of which it may be. */
function listed(names) {
  const shown = names.slice(0, MOST_NAMED);
  if (names.length > MOST_NAMED) shown.push(`${names.length - MOST_NAMED} more`);
  const last = shown.pop();
  return shown.length ? `${shown.join(", ")} or ${last}` : last;
}

/** The answer as a title: a class, several, or none. */
export function labelOf(answer) {
  if (answer.verdict === "unknown") return STRANGE;
  return isUndecided(answer) ? "not decided" : describeAnswer(answer);
}

/** What stands below the title: the nearest class, or how many classes it is of; empty where the verdict says enough. */
export function shareOf(answer, metadata) {
  if (answer.verdict === "unknown") return `nearest: ${answer.label}`;
  if (isUndecided(answer)) return `most probable: ${answer.label}, ${percent(answer.probability, 1)}`;
  if (answer.multiLabel) return `${answer.predicted.length} of ${metadata.classes.length} classes`;
  return answer.verdict ? "" : `${percent(answer.probability, 1)} probable`;
}

/** Which decision the operating point makes, where it is another than the label. */
export function decisionOf(answer) {
  if (!answer.decision || answer.multiLabel) return "";
  if (answer.decision.length === 1 && answer.decision[0] === answer.label) return "";
  return `At the operating point it counts as: ${answer.decision.join(", ") || "none"}.`;
}

/** What stands beside a title in brief: the verdict, or the probability of a model without verdicts. */
export function briefOf(answer) {
  return answer.verdict ?? (answer.multiLabel ? "" : percent(answer.probability, 1));
}

/** One spoken sentence for a screen reader. */
export function spokenAnswer(answer) {
  return [briefOf(answer), answer.verdict ? describeAnswer(answer) : labelOf(answer)].filter(Boolean).join(": ");
}

/** Where images and answers go. @param {{isRemote: boolean, answers: boolean, images: boolean, labels: boolean}} state */
export function whereOf({ isRemote, answers, images, labels }) {
  if (labels) return `${whereOf({ isRemote, answers, images })} An image about which you say something is kept in the project.`;
  if (isRemote) return "Images are sent to the server of this page.";
  if (images) return "The model runs in this browser. As you ticked, answers and images are sent to the log of this server.";
  if (answers) return "Images stay on this device: the model runs in this browser. As you ticked, answers are sent to the log of this server.";
  return "Images stay on this device: the model runs in this browser.";
}

export const OTHER_ANSWERS = "In this browser the model gives other answers than its file states. Do not rely on them; try another browser.";

export const SAID = {
  none: "none of these",
  unclear: "I cannot tell",
  thanks: "Thank you. It is noted.",
  kept: "Kept in the project, with the image.",
  failed: "It could not be noted. Try again later.",
  notLogged: "The last answer could not be sent to the server.",
};

export const REFUSALS = {
  "unsupported-format": "This page opens JPEG, PNG, WebP, GIF and AVIF images. Save it as one of these.",
  "too-many-pixels": "The image is too large. Make it smaller and try again.",
  "not-an-image": "This file is not an image.",
  "broken": "The file is damaged or not an image.",
  "truncated": "The file ends before the image is complete.",
  "empty": "The file is empty.",
};

export const CAMERA = {
  NotAllowedError: "The camera is not allowed. Allow it in the browser's settings for this page, or choose images instead.",
  NotFoundError: "No camera was found. Choose images instead.",
  NotReadableError: "The camera is in use by another program. Close that one, or choose images instead.",
  ended: "The camera was closed or is no longer allowed. Start it again, or choose images instead.",
  insecure: "Browsers give the camera only to pages over HTTPS or from this computer. Choose images instead.",
  other: "The camera could not be opened. Choose images instead.",
};

export const NO_FILES = {
  dropped: "What was dropped holds no image file. Save the image first, then drop the file.",
  pasted: "The clipboard holds no image.",
};

const NAMED = 90; // letters of class names in the first line

/** What a model can answer, in a sentence. */
export function subjectOf({ classes, task }) {
  let count = 1;
  while (count < classes.length && classes.slice(0, count + 1).join(", ").length <= NAMED) count += 1;
  const few = classes.slice(0, count).join(", ") + (classes.length > count ? ` and ${classes.length - count} more` : "");
  return task === "multi-label" ? `This model looks for: ${few}.` : `This model tells apart: ${few}.`;
}

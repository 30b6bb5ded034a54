// What the page says about an answer. Every sentence for people stands here.

/** A share as percent: never 100 % below 1, never 0 % above 0. */
export function percent(share, digits = 0) {
  if (share === 1) return "100 %";
  if (share === 0) return "0 %";
  const step = 10 ** -digits;
  const value = Math.min(100 - step, Math.max(step, 100 * share));
  return `${value.toFixed(digits)} %`;
}

/** What a verdict means for the person, in a sentence. */
export function meaningOf(answer, metadata) {
  const verdict = metadata.verdict;
  switch (answer.verdict) {
    case "sure":
      return `Sure: at most ${percent(verdict.sure.max_error)} of such answers are wrong, for images like those it was calibrated on.`;
    case "unsure":
      return "Unsure: look for yourself. The answer may be wrong.";
    case "unknown":
      return "Unknown: this is unlike the images that the model learnt from. Do not rely on the answer.";
    default:
      if (isUndecided(answer)) return "This model file has no thresholds, so it does not say which classes the image shows, only how probable each is. `vidi calibrate` sets thresholds.";
      return "This model file states no limits, so nothing is promised about the answer.";
  }
}

/** Whether nothing says from which probability on an image shows a class. */
const isUndecided = ({ multiLabel, decision }) => multiLabel && !decision;

/** The name of what was predicted: a class, several, or none. */
export function labelOf(answer) {
  if (!answer.multiLabel) return answer.label;
  if (isUndecided(answer)) return "not decided";
  return answer.predicted.length ? answer.predicted.join(", ") : "none of its classes";
}

/** What stands below the name: how probable it is, or how many classes it is of. */
export function shareOf(answer, metadata) {
  if (!answer.multiLabel) return `${percent(answer.probability, 1)} probable`;
  if (isUndecided(answer)) return `most probable: ${answer.label}, ${percent(answer.probability, 1)}`;
  return `${answer.predicted.length} of ${metadata.classes.length} classes`;
}

/** The classes that it may be besides, in a sentence; empty where there are none. */
export function othersOf(answer, metadata) {
  const others = answer.candidates.filter((name) => !answer.predicted.includes(name));
  if (!others.length) return "";
  const shown = others.slice(0, 3).map((name) => `“${name}”`).join(", ") + (others.length > 3 ? ` and ${others.length - 3} more` : "");
  const coverage = metadata.verdict?.candidates?.coverage;
  const promise = coverage && !answer.multiLabel ? ` In ${percent(coverage)} of cases the truth is among the possible classes.` : "";
  return `It may also be ${shown}.${promise}`;
}

/** Which decision the operating point makes, where it is another than the label. */
export function decisionOf(answer) {
  if (!answer.decision || answer.multiLabel) return "";
  if (answer.decision.length === 1 && answer.decision[0] === answer.label) return "";
  return `At the operating point it counts as: ${answer.decision.join(", ") || "none"}.`;
}

/** What stands beside a label in brief: its probability, where it is about one class, and the verdict. */
export function sharesOf(answer, digits) {
  return [answer.multiLabel ? "" : percent(answer.probability, digits), answer.verdict ?? ""].filter(Boolean);
}

/** One spoken sentence for a screen reader. */
export function spokenAnswer(answer) {
  return [labelOf(answer), ...sharesOf(answer, 0)].join(", ");
}

/** Where images and answers go. @param {{isRemote: boolean, answers: boolean, images: boolean}} state */
export function whereOf({ isRemote, answers, images }) {
  if (isRemote) return "Images are sent to the server of this page.";
  if (images) return "The model runs in this browser. As you ticked, answers and images are sent to the log of this server.";
  if (answers) return "Images stay on this device: the model runs in this browser. As you ticked, answers are sent to the log of this server.";
  return "Images stay on this device: the model runs in this browser.";
}

export const SAID = {
  none: "none of these",
  unclear: "I cannot tell",
  thanks: "Thank you. It is noted.",
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

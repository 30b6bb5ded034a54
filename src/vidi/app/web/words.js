// Words of the page by code; a second language is a second file like this one.

import { counted, lasting, number, percent } from "./ui.js";

/** The views: what each is called, whether the bar offers it in a project, and whether others of the network see it. */
export const VIEWS = {
  camera: { title: "Camera", inBar: false, isShared: true },
  start: { title: "Start", inBar: false, hidden: true, isShared: false },
  images: { title: "Images", inBar: true, isShared: false },
  train: { title: "Train", inBar: true, isShared: false },
  try: { title: "Try", inBar: true, isShared: true },
  use: { title: "In use", inBar: true, isShared: false },
  runs: { title: "Runs", inBar: false, isShared: false },
  report: { title: "Report", inBar: false, isShared: false },
  review: { title: "Review", inBar: false, isShared: true },
  live: { title: "Live", inBar: false, isShared: false },
};

export const TRAIN = {
  title: "Train",
  first: "Train the first model",
  again: "Train again",
  compared: (name) => `It learns from the labels that changed since “${name}” was trained. Both models are then tested on the same images, and the new one takes the place of the old one only if it is really better.`,
  unchanged: (name) => `No label has changed since “${name}” was trained, so there is nothing new to learn. A new training starts over: with new test images, and not compared with the model before.`,
  correct: "Correct labels in Images",
  minutes: "Minutes, from reading the images to the report",
  buys(minutes, images, { model, comparing }) {
    if (!images) return "";
    const whole = 60 * minutes, needed = model.seconds + model.per_image * images;
    const all = needed + comparing.seconds + comparing.per_image * images;
    if (whole < needed) return `This is short for ${counted(images, "image")}: about ${lasting(needed)} are needed.`;
    if (whole < all) return `Enough for one pretrained network on ${counted(images, "image")}. From ${lasting(all)} on several are compared.`;
    return `Enough to compare pretrained networks on ${counted(images, "image")}; the rest of the time improves the best one.`;
  },
  more: "More",
  anew: "Start over: new test images, and no comparison with the model before",
  usual: "as usual",
  start: "Start",
  begins: "Starting",
  works: "Working",
  stage: (what) => what.charAt(0).toUpperCase() + what.slice(1),
  epoch: (now) => `Epoch ${number(now.epoch)} of ${number(Math.ceil(now.epochs))}`,
  facts: (now) => [`training accuracy ${percent(now.accuracy, 1)}`, now.validation_accuracy !== null && `on held-out images ${percent(now.validation_accuracy, 1)}`].filter(Boolean).join(" · "),
  left: (seconds) => `about ${lasting(Math.round(seconds))} left`,
  atMost: (seconds) => `at most ${lasting(Math.round(seconds))} left`,
  stop: "Stop and keep",
  stopping: "Stopping …",
  alone: "It goes on alone: you may close this page, or stop vidi.",
  happened: "What happened",
  over: "The training has ended.",
  curve: (epochs) => `Accuracy in ${counted(epochs.length, "epoch")}`,
  curves: {
    train_accuracy: (share) => `training images ${percent(share, 1)}`,
    validation_accuracy: (share) => `held-out images ${share === null ? "–" : percent(share, 1)}`,
  },
  epochOne: "epoch 1",
  accuracy: ({ value, low, high, n }) => `${percent(value, 1)} of ${counted(n, "image")} that it had not seen are correct${low === null ? "" : ` (95 % interval ${percent(low, 1)} to ${percent(high, 1)})`}.`,
  took: (words) => `It took ${words}.`,
  resume: "Continue",
  finish: "Finish now with what it has",
  judge: "Compare with the model before",
  report: "Report",
  try: "Try it",
  runs: "All runs",
};

/** How a training ended. */
export const STATES = {
  finished: { title: () => "The model is ready", cause: "" },
  judged: { title: () => "Trained and compared", cause: "" },
  unjudged: { title: () => "Trained, not yet compared", cause: "The new model has not been compared with the one before." },
  stopped: { title: () => "Stopped", cause: "What it had is kept." },
  interrupted: { title: () => "Interrupted", cause: "The training was ended from outside, as by a power cut. It continues to the same result, bit for bit." },
  failed: { title: () => "It did not work", cause: "" },
};

export const REPORT = {
  title: (name) => `Report of ${name}`,
  wrong: (count) => `The ${number(count)} it got wrong`,
  pair: (one) => `${one.label}, taken for ${one.predicted}`,
  pairs: "Most frequent mistakes",
  none: (tested) => `It got all ${counted(tested, "test image")} right.`,
  try: "Try it",
  use: "Put in use",
  compare: "Compare",
  gate: "How it compares with the model before",
  report: "Its report",
  comparison: "Comparison",
  works: "Comparing …",
  missing: "There is no report yet.",
};

export const RUNS = {
  title: "Runs",
  none: "Nothing has been trained yet.",
  head: ["Run", "Accuracy (95 % interval)", "Time", "Size", "Date", "State"],
  states: { finished: "finished", running: "running", interrupted: "interrupted", failed: "failed" },
  accuracy: ({ value, low, high, n }) => (value === null ? "not tested" : `${percent(value, 1)}${low === null ? "" : ` (${percent(low, 1)} to ${percent(high, 1)})`}, n = ${number(n)}`),
  size: (bytes) => `${(bytes / 1e6).toFixed(1)} MB`,
  better: "better than the model before",
  notBetter: "not better than the model before",
  choose: (name) => `Compare ${name}`,
  compare: "Compare the two chosen",
  two: "Choose two runs to compare them.",
  remove: "Delete",
  removing: (name) => `Delete the run “${name}”? Its model and its report go with it. This cannot be undone.`,
  keep: "Keep it",
  removed: (name) => `${name} is deleted.`,
  train: "Train",
};

export const REVIEW = {
  question: "What does it show?",
  ofCopies: "Which of them are needed?",
  none: "none of these",
  unclear: "cannot tell",
  exclude: "left out",
  copy: "one of them stays",
  saved: (words) => `Saved: ${words}. `,
  takenBack: "Taken back. ",
  keepOne: (others) => `Keep one, leave ${others} out`,
  keepAll: "Keep all of them",
  these: "It shows these",
  shows: (names) => `It shows ${names}`,
  stays: (names) => `It stays ${names}`,
  leave: "Leave it out",
  leaveAll: "Leave all out",
  lost: "The image cannot be shown.",
};

export const LIVE = {
  loading: "Loading …",
  frame: "The last frame",
  noFrame: "No frame yet.",
  hidden: "Frames are not shown: VIDI_NO_IMAGES.",
  scores: "Scores of the last frame",
  events: "Events",
  nothing: "Nothing was seen yet.",
  lost: "The watch has ended, or does not answer.",
  over: "The watch is over.",
  offline: (why) => `Offline: ${why}`,
  watching: (classes, position) => `Watching for ${classes} · ${position}`,
  seen: (label, time, isOpen) => (isOpen ? `${label} in view for ${time}` : `${label} for ${time}`),
};

export const TRY = {
  title: "Try",
  frame: "Ask a model",
  none: "There is no model yet. Train one, then try it here.",
  train: "Train",
  refused: (name, why) => `${name} cannot be tried: ${why}`,
  sort: "Sort a pile",
  how: "Drop images, a folder or a zip here. Each image is copied into a folder of the class that the model answers, and a table lists all answers. Your own files stay as they are.",
  files: "Choose images or a zip",
  by: "Model",
  sorting: (folder) => `Sorting ${folder} …`,
  sorted: (folder, into) => `${folder} is sorted: the copies are in ${into}.`,
  zip: "Download the sorted images",
  table: "Download the table",
  stop: "Stop",
  similar: "Most alike among the training images",
  alike: (label, similarity) => `${label}, ${similarity} alike`,
};

export const USE = {
  title: "In use",
  none: "No model is in use yet. A model in use has a name and versions: what you put in use later takes its place, and you can go back.",
  train: "Train",
  put: "Put in use",
  choose: "Run",
  name: "Name of the model",
  why: "Why (optional)",
  done: (name, version) => `${name} is now version ${version}.`,
  version: (one) => `Version ${one.version}, ${one.tested}`,
  since: (one) => `Since ${new Date(one.at).toLocaleString()}, by ${one.who}${one.why ? `: ${one.why}` : ""}.`,
  back: (version) => `Go back to version ${version}`,
  report: "Report",
  try: "Try it",
  file: "Download the model file",
  page: "Make a page for phones",
  int8: "Make a smaller file (int8)",
  retrain: "Train again",
  label: "Label the images that would help most",
  history: "All decisions",
  actions: { promote: "put in use", rollback: "went back", keep: "stayed, a new model was not better" },
  head: ["What", "Version", "Test", "When", "By", "Why"],
  learn: (count) => `Train again with ${counted(count, "labelled image")} from use`,
  looking: "Looking at what it answered …",
  unwatched: (name, folder) => `It is not watched: there is no log of its answers. Answers are logged by, for example, vidi serve ${name} --log log.sqlite in the folder ${folder}.`,
  unknown: (why, remedy) => `What it answered cannot be judged: ${why}. ${remedy}`,
  exports: "Exports",
  working: (what) => `${what} …`,
  forms: { web: "Page for phones", int8: "Smaller file (int8)" },
  folder: (path) => `The page is the folder ${path}. Copy it to any web host; phones need HTTPS for the camera.`,
  address: "Its address, once it is there",
  code: "QR code",
  picture: (address) => `QR code of ${address}`,
  get: "Download",
  gone: "The run that it came from is gone, so that nothing can be exported.",
};

export const START = {
  drop: "Drop a folder of images here",
  how: "Best with a folder for each class, such as cat and dog. Images without a class are welcome, too: label them here. Nothing leaves this computer.",
  choose: "Choose a folder",
  archive: "Choose a zip file",
  here: "A folder on this computer",
  camera: "Take images with the camera",
  cameraName: "camera",
  example: "200 example photographs",
  bringing: "Files brought so far",
  unnamed: "images",
  nothing: "What was dropped holds no file.",
  refused: "were not taken. The first:",
  brought: "are here.",
  kept: "What was brought is kept.",
  projects: "Projects of this computer",
  noProject: "There is no project yet.",
  use: "Use this folder",
  cancel: "Cancel",
  up: "One folder up",
  images: "that may be images, here or one folder down.",
  noImages: "No images here.",
};

export const CAMERA = {
  title: "Take images",
  how: "Name the classes, point the camera, and hold the button of a class while you move around the object. Each image is kept at once.",
  empty: "The camera image appears here.",
  open: "Open the camera",
  close: "Close the camera",
  turn: "Other camera",
  classes: "Classes",
  name: "Name of a class",
  add: "Add",
  few: "A classifier needs two classes or more. A class called “background” teaches it what nothing looks like.",
  enough: "More takes make it better, above all from other places and in other light.",
  done: "Look at the images",
  hold: (name) => `Hold for ${name}`,
  taken: (images, takes) => `${counted(images, "image")} in ${counted(takes, "take")}`,
  more: (takes) => `Make ${takes} takes or more of each class: hold, let go, move to another place or light, wait two seconds, hold again. Images of one take teach little more than one.`,
  NotAllowedError: "The camera is not allowed. Allow it in the browser's settings for this page.",
  NotFoundError: "No camera was found.",
  NotReadableError: "The camera is in use by another program. Close that one.",
  ended: "The camera was closed or is no longer allowed. Open it again.",
  insecure: "Browsers give the camera only to pages over HTTPS or from this computer.",
  other: "The camera could not be opened.",
};

/** What filters are called, by code, in the order of the page; and what each says of one image. */
export const FILTERS = {
  unreadable: ["broken", "It cannot be used."],
  "conflicting-labels": ["two labels", "The same photograph has two labels."],
  "suspect-labels": ["likely wrong", "Its label is likely wrong."],
  "exact-copies": ["twice", "Another file is an exact copy."],
  "near-copies": ["nearly the same", "Another image is nearly the same."],
  odd: ["odd", ""],
  unlabelled: ["without a label", "It has no label."],
  excluded: ["left out", "It is left out."],
  none: ["none of the classes", "It shows none of the classes."],
  unclear: ["cannot tell", "Nobody can tell what it shows."],
  disputed: ["disputed", "People gave it different labels."],
  changed: ["changed", ""],
  bulk: ["labelled in bulk", ""],
};

/** The findings by their bit, with what each says of one image. */
export const FLAGS = [
  ...["unreadable", "exact-copies", "near-copies", "conflicting-labels", "suspect-labels"].map((code) => [code, ...FILTERS[code]]),
  ["blank", "a single colour", "It is a single colour."],
  ["dark", "nearly black", "It is nearly black."],
  ["bright", "nearly white", "It is nearly white."],
  ["blurred", "blurred", "It is blurred."],
  ["tiny", "tiny", "It is under 64 pixels, and under half the usual size."],
  ["odd-shape", "odd shape", "It is over twice as long or as flat as usual."],
];

export const IMAGES = {
  title: "Images",
  one: "One image",
  classes: "Classes",
  class: "Class",
  findings: "Findings",
  search: "Search in names",
  order: "Order",
  bar: "Label the selected images",
  reading: "Reading the folder …",
  checking: (done, total) => (total ? `Checking ${number(done)} of ${number(total)} …` : "Checking …"),
  doubting: "A pretrained network looks at the labels …",
  doubted: (name, share) => `A pretrained network that did not learn from it says ${name}, ${percent(share)}.`,
  doubt: "Look for wrong labels",
  unlabelled: "no label",
  like: (name) => `looks like ${name}`,
  each: "what each looks like",
  selected: (count) => `${number(count)} selected`,
  all: (count, isFiltered) => `Select all ${number(count)}${isFiltered ? " of this filter" : ""}`,
  nothing: "No image passes this filter.",
  empty: "There is no image here yet. Put some into the folder, or bring a folder on the start page.",
  another: "Another class, also a new one",
  anotherKey: "/ another class",
  rename: "Rename or merge …",
  newName: "New name; that of another class merges both",
  asSuggested: "as suggested",
  saved: (what, { count, lost }) => `${count ? `Saved: ${what}, ${counted(count, "image")}.` : "Nothing to change."}${lost ? ` ${counted(lost, "file")} cannot be read.` : ""}`,
  takenBack: (count) => `Taken back: ${counted(count, "image")}.`,
};

export const LARGE = { alt: (path) => `The image ${path}`, first: "This is the first image.", last: "This is the last image.", previous: "Previous", next: "Next", close: "Close" };

/** What buttons do, by code. */
export const ACTS = {
  none: "none of these",
  exclude: "leave out",
  unclear: "cannot tell",
  copy: "keep one of each",
  look: "open",
  undo: "undo",
  clear: "clear",
  rename: "Rename",
  cancel: "Cancel",
};

/** What is about to be said of many images, by kind. */
export const SAYING = {
  label: (count, name) => `Label ${count} as ${name}`,
  none: (count) => `Say that ${count} show none of the classes`,
  unclear: (count) => `Say that nobody can tell ${count}`,
  exclude: (count) => `Leave out ${count}`,
  copy: (count) => `Keep one of each among ${count}`,
  suggested: (count) => `Label ${count} as what each looks like`,
};

export const NO_SUSPECTS = "The network doubts no label.";

export const SORTS = { "": "Best order", path: "As stored", name: "By name", class: "By class", odd: "Odd first", alike: "Alike together" };

export const FORGET = {
  title: "Forget this image",
  how: "Removes it from labels, cache, thumbnails, similar images and reports, and the copy that was brought into the project. This cannot be undone. Your own file elsewhere stays.",
  act: "Forget it for good",
  done: "Forgotten:",
  left: "Not removed:",
};

/** What was said of an image, by kind; and what is said while it is kept. */
export const KINDS = {
  none: "none of the classes",
  unclear: "cannot tell",
  exclude: "left out",
  copy: "left out as a copy",
  disputed: "people disagree",
};

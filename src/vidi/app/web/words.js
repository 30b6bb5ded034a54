// Words of the page by code; a second language is a second file like this one.

/** The views: what each is called, whether the bar offers it in a project, and whether others of the network see it. */
export const VIEWS = {
  camera: { title: "Camera", inBar: false, isShared: true },
  start: { title: "Start", inBar: false, hidden: true, isShared: false },
  images: { title: "Images", inBar: false, isShared: false },
  train: { title: "Train", inBar: false, isShared: false },
  try: { title: "Try", inBar: false, isShared: true },
  use: { title: "In use", inBar: false, isShared: false },
  runs: { title: "Runs", inBar: false, isShared: false },
  report: { title: "Report", inBar: false, isShared: false },
  review: { title: "Review", inBar: false, isShared: true },
  live: { title: "Live", inBar: false, isShared: true },
};

export const REVIEW = {
  question: "What does it show?",
  ofCopies: "Which of them are needed?",
  none: "none of these",
  unclear: "cannot tell",
  exclude: "left out",
  copy: "one of them stays",
};

export const START = {
  drop: "Drop a folder of images here",
  how: "Best with a folder for each class, such as cat and dog. Images without a class are welcome, too: label them here. Nothing leaves this computer.",
  choose: "Choose a folder to copy",
  archive: "Choose a zip file",
  here: "A folder on this computer",
  camera: "Take images with the camera",
  cameraName: "camera",
  example: "200 example photographs",
  bringing: "Files brought so far",
  unnamed: "images",
  nothing: "What was dropped holds no file.",
  refused: "were not taken. The first:",
  brought: "are in the project.",
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
  NotAllowedError: "The camera is not allowed. Allow it in the browser's settings for this page.",
  NotFoundError: "No camera was found.",
  NotReadableError: "The camera is in use by another program. Close that one.",
  ended: "The camera was closed or is no longer allowed. Open it again.",
  insecure: "Browsers give the camera only to pages over HTTPS or from this computer.",
  other: "The camera could not be opened.",
};

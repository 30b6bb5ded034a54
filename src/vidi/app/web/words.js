// Words of the page by code; a second language is a second file like this one.

/** The views: what each is called, whether the bar offers it in a project, and whether others of the network see it. */
export const VIEWS = {
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
  title: "Start",
  projects: "Projects of this computer",
  noProject: "There is no project yet.",
};

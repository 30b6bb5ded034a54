// What leaves the device, for the person to read.

import { isVersionCheck } from "./traffic.js";

const LISTED = 10; // addresses, the last ones

/** Fill an element. @param {{isRemote: boolean, answers: boolean, images: boolean, labels: boolean, requests: {name: string}[], flight: string}} state */
export function fillPrivacy(body, { isRemote, answers, images, labels, requests, flight }) {
  const sent = requests.filter(({ name }) => !isVersionCheck(name));
  const checks = requests.length - sent.length;
  const lines = [
    isRemote ? "The model does not run in this browser, so each image is sent to the server of this page. Nothing is sent elsewhere." : images ? "The model runs in this browser." : "The model runs in this browser. No image leaves this device.",
    labels ? "The exception: an image about which you say something is kept in the project, on the computer that runs vidi." : "",
    answers && !isRemote ? `As you ticked, the server's log gets each answer${images ? " with its image" : ", with the digest of the image and without the image"}.` : "",
    `Requests since the model was opened: ${sent.length}.`,
    ...sent.slice(-LISTED).map(({ name }) => new URL(name).pathname),
    `Version checks: ${checks}. They ask the host of this page whether it has a newer model, and send nothing else.`,
    flight,
  ];
  body.replaceChildren(...lines.filter(Boolean).map((textContent) => Object.assign(document.createElement("p"), { textContent })));
}

// Flight mode: the page and its model are kept on the device by a service worker.

// What this page itself does not load: what an installed page needs.
const BESIDES = ["icon.svg", "icon-512.png", "manifest.webmanifest"];

/**
 * Have the page kept, with all that it has loaded so far.
 *
 * @param {{token?: string, model: object, traffic: object}} given
 * @returns {Promise<{isReady: boolean, sentence: string}>} what the person is to know
 */
export async function keepForFlight({ token, model, traffic }) {
  if (!("serviceWorker" in navigator) || !isSecureContext) {
    return { isReady: false, sentence: "No flight mode: browsers keep a page only from this computer or over HTTPS with a trusted certificate." };
  }
  try {
    await navigator.serviceWorker.register("sw.js", { scope: "./" });
    await isKeeping();
    await warm({ token, model, traffic });
    return { isReady: true, sentence: "Flight mode: this page and its model are kept on this device and answer without a network." };
  } catch (error) {
    const why = error.name === "SecurityError" ? "the browser does not trust this server's certificate" : `the browser does not keep this page (${error.name})`;
    return { isReady: false, sentence: `No flight mode: ${why}. With a network, everything else works.` };
  }
}

/** Until requests of this page pass through the service worker. */
async function isKeeping() {
  if (navigator.serviceWorker.controller) return;
  await new Promise((done) => navigator.serviceWorker.addEventListener("controllerchange", done, { once: true }));
}

/** Ask once more for all that was loaded before the service worker stood, so that it keeps it. */
async function warm({ token, model, traffic }) {
  const names = performance.getEntriesByType("resource").map((entry) => entry.name);
  const kept = new Set([location.href, ...BESIDES.map((name) => new URL(name, document.baseURI).href), ...names, ...((await model.requests?.()) ?? [])]);
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  const own = [...kept].filter((name) => name.startsWith(location.origin) && !/\/v[12]\//.test(name));
  traffic.leaveOut(own);
  await Promise.all(own.map((name) => fetch(name, { headers }).catch(() => null)));
}

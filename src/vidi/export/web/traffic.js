// The version check, and a count of requests.

const CHECK = "models.json?check"; // its query keeps the service worker from answering out of what it has kept

/** What the host offers now, or null where it does not answer. */
export async function readVersions(token) {
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  const response = await fetch(CHECK, { headers, cache: "no-store" }).catch(() => null);
  return response?.ok ? response.json().catch(() => null) : null;
}

/** Whether an address is that of the version check. */
export const isVersionCheck = (address) => address.endsWith(`/${CHECK}`);

const FOR_THE_BROWSER = /\/(manifest\.webmanifest|icon\.svg|icon-512\.png)$/; // it loads them when it likes, to offer installing

// Counts the requests that this page has made since the model was open: the person sees that images stay.

export class Traffic {
  /** @param {(entries: {name: string}[]) => void} changed is called with all requests so far. */
  constructor(changed) {
    this.changed = changed;
    this.requests = [];
    this.since = Infinity;
    this.leftOut = [];
    const observer = new PerformanceObserver((list) => {
      for (const { name, startTime } of list.getEntries()) {
        if (startTime < this.since || /^(blob|data):/.test(name) || FOR_THE_BROWSER.test(name)) continue;
        const place = this.leftOut.indexOf(name);
        if (place >= 0) this.leftOut.splice(place, 1);
        else this.requests.push({ name });
      }
      changed(this.requests);
    });
    observer.observe({ type: "resource", buffered: true });
  }

  /** Count from now on. */
  begin() {
    this.since = performance.now();
    this.requests = [];
    this.changed(this.requests);
  }

  /** The page loads its own files once more, to keep them: these are not counted. @param {string[]} addresses */
  leaveOut(addresses) {
    this.leftOut.push(...addresses);
  }
}

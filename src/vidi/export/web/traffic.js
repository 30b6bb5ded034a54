// Counts the requests that this page has made since the model was open: the person sees that images stay.

export class Traffic {
  /** @param {(entries: {name: string, bytes: number}[]) => void} changed is called with all requests so far. */
  constructor(changed) {
    this.requests = [];
    this.counting = false;
    const observer = new PerformanceObserver((list) => {
      if (!this.counting) return;
      for (const entry of list.getEntries()) {
        if (entry.startTime >= this.since && !entry.name.startsWith("blob:") && !entry.name.startsWith("data:")) {
          this.requests.push({ name: entry.name, bytes: entry.transferSize });
        }
      }
      changed(this.requests);
    });
    observer.observe({ type: "resource", buffered: true });
  }

  /** From now on. */
  begin() {
    this.since = performance.now();
    this.counting = true;
  }
}

// Jobs: work that goes on in a process of its own. A page hears what a job reports, from its first event on.

import { ask, notice } from "./ui.js";

const POLL = 1000; // milliseconds, where the stream of events is cut off

/**
 * Hear the events of a job; where the stream is cut off for good, ask for them now and then.
 * @returns {() => void} what ends the listening
 */
export function listen(job, heard, done) {
  const source = new EventSource(`/api/1/events?job=${job.id}`);
  let place = 0, timer = null, over = false;
  source.addEventListener("message", (event) => {
    place = Number(event.lastEventId);
    heard(JSON.parse(event.data));
  });
  source.addEventListener("job", (event) => {
    source.close();
    if (!over) done(JSON.parse(event.data));
  });
  source.addEventListener("error", () => {
    if (source.readyState === EventSource.CLOSED && !over && timer === null) poll();
  });
  async function poll() {
    try {
      const found = await ask(`jobs/${job.id}?from=${place}`);
      if (over) return;
      notice();
      found.events.forEach(heard);
      place = found.next;
      if (found.job.state !== "running" && !found.events.length) return done(found.job);
    } catch (error) {
      if (!over) notice(error.message);
    }
    if (!over) timer = setTimeout(poll, POLL);
  }
  return () => {
    over = true;
    source.close();
    clearTimeout(timer);
  };
}

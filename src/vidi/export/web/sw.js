// Flight mode: everything that the page has once loaded is kept, and used where there is no network. With a network
// the host is asked each time, which costs a few bytes where nothing has changed, so the page is never older than it.

const CACHE = "vidi-page";
const NEVER_KEPT = /\/(v1|v2|metrics|healthz|readyz|docs|openapi\.json)(\/|$)/;

self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  const scope = new URL(self.registration.scope);
  if (request.method !== "GET" || url.origin !== scope.origin || !url.pathname.startsWith(scope.pathname)) return;
  if (url.search && request.mode !== "navigate") return; // the version check, which asks the host or nobody
  if (NEVER_KEPT.test(url.pathname.slice(scope.pathname.length - 1))) return;
  // Files under `vendor/` hold their version in their names.
  event.respondWith(url.pathname.includes("/vendor/") ? keptFirst(request) : newestFirst(request));
});

async function keptFirst(request) {
  const cache = await caches.open(CACHE);
  return (await cache.match(request)) ?? keep(cache, request, await fetch(request));
}

async function newestFirst(request) {
  const cache = await caches.open(CACHE);
  try {
    return await keep(cache, request, await fetch(request));
  } catch (error) {
    const kept = await cache.match(request, { ignoreSearch: request.mode === "navigate", ignoreVary: true });
    if (kept) return kept;
    throw error;
  }
}

async function keep(cache, request, response) {
  if (response.status === 200 && response.type === "basic") await cache.put(request, response.clone());
  return response;
}

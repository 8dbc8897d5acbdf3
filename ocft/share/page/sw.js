// Turns what the page has opened into a download of the browser.
//
// It answers only addresses that the page announced to it, each once, and sees nothing else.

const waiting = new Map();

self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));

self.addEventListener("message", (event) => {
  const { stream, name, size, port } = event.data ?? {};
  // Messages without a stream only keep this worker awake while a download runs.
  if (typeof stream !== "string") return;
  waiting.set(stream, { name, size, port });
  event.source.postMessage({ streamReady: stream });
});

self.addEventListener("fetch", (event) => {
  const name = new URL(event.request.url).pathname.split("/stream/")[1];
  const found = name && waiting.get(name);
  if (!found) return; // the server answers it
  waiting.delete(name);
  event.respondWith(download(found));
});

function download({ name, size, port }) {
  let more = null;
  const body = new ReadableStream(
    {
      start(controller) {
        port.onmessage = ({ data }) => {
          if (data.bytes) controller.enqueue(data.bytes);
          if (data.end) controller.close();
          if (data.broken) controller.error(new Error("the transfer broke off"));
          more?.();
        };
      },
      pull() {
        port.postMessage({ pull: true });
        return new Promise((resolve) => {
          more = resolve;
        });
      },
      cancel() {
        port.postMessage({ gone: true });
      },
    },
    { highWaterMark: 2 },
  );
  // RFC 5987: nothing of the name is left as it is but letters and digits.
  const encoded = encodeURIComponent(name).replace(/['()*]/g, (one) => `%${one.charCodeAt(0).toString(16)}`);
  return new Response(body, {
    headers: {
      "Content-Type": "application/octet-stream",
      "Content-Length": String(size),
      "Content-Disposition": `attachment; filename*=UTF-8''${encoded}`,
      "X-Content-Type-Options": "nosniff",
    },
  });
}

// Removes what a page kept while it arrived, once the browser has saved it.

const SETTLE = 10_000; // ms a browser gets for a save, beside the time for its bytes
const SLOW_DISK = 20_000; // bytes a ms
const MOST = 10 * 60 * 1000; // ms after which nobody saves it a second time

/**
 * Prepare for the end of the page: there is only time to send off requests then. `forgotten` is
 * called when it was removed while the page is still there.
 */
export async function forgetLater(place, size, forgotten) {
  const root = await navigator.storage?.getDirectory?.().catch(() => null);
  const database = root ? null : await connect().catch(() => null);
  const saved = performance.now();
  const forget = () => {
    root?.removeEntry(place, { recursive: true }).catch(() => {}); // the next visit does it then
    if (database) {
      const change = database.transaction(["parts", "places"], "readwrite");
      change.objectStore("parts").delete(IDBKeyRange.bound([place, 0], [place, Infinity]));
      change.objectStore("places").delete(place);
      change.commit();
    }
  };
  const onLeave = () => {
    // A browser that still copies would save half a file; the next visit removes it then.
    if (performance.now() - saved > SETTLE + size / SLOW_DISK) forget();
  };
  window.addEventListener("pagehide", onLeave);
  setTimeout(() => {
    window.removeEventListener("pagehide", onLeave);
    forget();
    forgotten();
  }, Math.max(MOST, (SETTLE + size / SLOW_DISK) * 2));
}

function connect() {
  return new Promise((resolve, reject) => {
    const opening = indexedDB.open("ocft", 1);
    opening.onsuccess = () => resolve(opening.result);
    opening.onerror = () => reject(opening.error);
  });
}

// What the page shows to programs: `window.ocft` and the event `ocft:change`.
//
// docs/share-page.md describes it; it is a promise to people who automate browsers.

let current = {
  version: 1,
  page: "download",
  state: "starting",
  files: Object.freeze([]),
  from: "",
  bytes: 0,
  total: 0,
  bytesPerSecond: 0,
  secondsLeft: null,
  error: null,
};

/** Change some of it. Nothing secret is ever in here. */
export function publish(change) {
  const files = change.files ? Object.freeze(change.files.map((file) => Object.freeze({ ...file }))) : current.files;
  const error = change.error === undefined ? current.error : change.error;
  current = { ...current, ...change, files, error: error && Object.freeze({ ...error }) };
  const view = Object.freeze(current);
  Object.defineProperty(window, "ocft", { value: view, configurable: true, enumerable: true });
  window.dispatchEvent(new CustomEvent("ocft:change", { detail: view }));
}

/** Return what is shown now. */
export function shown() {
  return current;
}

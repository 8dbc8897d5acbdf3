// How files get from the page to where the browser keeps downloads.

const KEEP_URL = 10 * 60 * 1000; // ms: a slow disk may still be copying
const KEEP_AWAKE = 10_000; // ms between two messages to the service worker
const MARGIN = 64 * 1024 * 1024; // bytes that other pages may take meanwhile
let awake = null;

/**
 * Return the way to save: "staged" (kept until verified, then saved), "chosen" (to files that the
 * person picks), or "streamed" (as a download that runs along).
 */
export function wayToSave(size, room) {
  const fits = room.free === null || room.free > size * 1.02 + MARGIN;
  if (room.kind === "disk" && fits) return "staged";
  if (window.showSaveFilePicker && window.showDirectoryPicker) return "chosen";
  if (navigator.serviceWorker) return "streamed";
  return "staged";
}

/** Ask where the files shall go; `names` by their place in the manifest. Null: the person said no. */
export async function chooseFiles(names) {
  try {
    if (names.size === 1) {
      const [[index, suggestedName]] = names;
      return new Map([[index, await window.showSaveFilePicker({ suggestedName })]]);
    }
    const folder = await window.showDirectoryPicker({ mode: "readwrite" });
    const handles = new Map();
    for (const [index, name] of names) {
      const free = await freeName(folder, name);
      handles.set(index, await folder.getFileHandle(free, { create: true }));
    }
    return handles;
  } catch (error) {
    if (error.name === "AbortError") return null;
    throw error;
  }
}

async function freeName(folder, name) {
  const dot = name.lastIndexOf(".");
  const [stem, extension] = dot > 0 ? [name.slice(0, dot), name.slice(dot)] : [name, ""];
  for (let number = 0; ; number += 1) {
    const candidate = number ? `${stem} (${number})${extension}` : name;
    try {
      await folder.getFileHandle(candidate);
    } catch (error) {
      if (error.name === "NotFoundError") return candidate;
      if (error.name !== "TypeMismatchError") throw error; // that is a folder of this name
    }
  }
}

/** Return the name of a .zip: that of the folder where all of them are, if they are in one. */
export function nameOfBundle(names) {
  const [top, ...below] = names[0].split("/");
  const isOne = below.length > 0 && names.every((name) => name.startsWith(`${top}/`));
  return `${isOne ? top : "files"}.zip`;
}

/** Hand a Blob to the browser's downloads. */
export function saveBlob(blob, name) {
  const url = URL.createObjectURL(blob);
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), KEEP_URL);
}

/** Start a download of the browser that reads from `port`. */
export async function startStream(name, size, port) {
  const registration = await navigator.serviceWorker.register(new URL("sw.js", import.meta.url));
  const worker = await activated(registration);
  const stream = crypto.randomUUID();
  const ready = new Promise((resolve) => {
    const listen = ({ data }) => {
      if (data?.streamReady !== stream) return;
      navigator.serviceWorker.removeEventListener("message", listen);
      resolve();
    };
    navigator.serviceWorker.addEventListener("message", listen);
    navigator.serviceWorker.startMessages();
  });
  worker.postMessage({ stream, name, size, port }, [port]);
  await ready;
  // Browsers end an idle service worker after half a minute, and a download through it with it.
  clearInterval(awake);
  awake = setInterval(() => worker.postMessage({}), KEEP_AWAKE);
  // The answer is an attachment, so the page stays where it is.
  window.location.href = new URL(`stream/${stream}`, import.meta.url).href;
}

function activated(registration) {
  if (registration.active) return registration.active;
  const worker = registration.installing ?? registration.waiting;
  return new Promise((resolve, reject) => {
    worker.addEventListener("statechange", () => {
      if (worker.state === "activated") resolve(worker);
      if (worker.state === "redundant") reject(new Error("the browser dropped the service worker"));
    });
  });
}

// Where what arrives is kept until all of it is verified, and through a reload of the page.
//
// On disk where the browser lets us: its private file system (https, or the same machine), else its
// database, which `http://` pages have too. Both give a Blob that stays on disk when it is saved.

import { hex } from "./bytes.js";
import { ShareError } from "./errors.js";
import { RECORD } from "./keys.js";

const PART = 8 * RECORD;
const OLD = 24 * 3600 * 1000; // ms after which what nobody came back for is dropped
const SAVING = 3600 * 1000; // ms in which a browser may still copy what it was told to save
const RELEASE = 2000; // ms in which a page that was reloaded lets go of its file
const ANSWER = 300; // ms in which another tab says that it uses a place
const PREFIX = "ocft-";

/** Open the place called `name` for at most `size` bytes; the best kind there is. */
export async function openStaging(name, size) {
  const kinds = [Folder, Database, Memory];
  for (const kind of kinds) {
    try {
      return await kind.open(PREFIX + name, size);
    } catch (error) {
      // Private windows, full disks, an old browser, another tab with the same link: all of these
      // only mean that the next kind must do.
      if (kind === Memory) throw error;
    }
  }
  return null;
}

/** Return how many bytes can be kept on disk; null where the browser does not say. */
export async function freeRoom() {
  const estimate = await globalThis.navigator?.storage?.estimate?.();
  return estimate ? estimate.quota - estimate.usage : null;
}

/** Drop what was saved already, or is old. */
export async function sweep() {
  for (const kind of [Folder, Database]) {
    try {
      await kind.sweep();
    } catch {
      continue; // there is no such place in this browser
    }
  }
}

function usable(held, size) {
  return held >= size ? size : Math.floor(held / RECORD) * RECORD;
}

/** The browser's private file system. */
class Folder {
  static async open(name, size) {
    const root = await navigator.storage.getDirectory();
    const folder = await root.getDirectoryHandle(name, { create: true });
    const file = await folder.getFileHandle("content", { create: true });
    const access = await accessTo(file);
    await folder.removeEntry("saved").catch(() => {}); // it was not
    const held = usable(access.getSize(), size);
    access.truncate(held);
    return new Folder(root, name, folder, file, access, held);
  }

  static async sweep() {
    const root = await navigator.storage.getDirectory();
    for await (const [name, folder] of root.entries()) {
      if (!name.startsWith(PREFIX)) continue;
      const names = [];
      for await (const entry of folder.keys()) names.push(entry);
      const dated = ["saved", "content"].find((one) => names.includes(one));
      const file = dated && (await (await folder.getFileHandle(dated)).getFile());
      const age = file ? Date.now() - file.lastModified : Infinity;
      if (age > (dated === "saved" ? SAVING : OLD)) {
        await root.removeEntry(name, { recursive: true }).catch(() => {}); // open in another tab
      }
    }
  }

  constructor(root, name, folder, file, access, held) {
    Object.assign(this, { root, name, folder, file, access, held, kind: "disk" });
  }

  async write(bytes) {
    let at = 0;
    while (at < bytes.length) {
      const written = this.access.write(bytes.subarray(at), { at: this.held + at });
      if (!written) throw new DOMException("", "QuotaExceededError");
      at += written;
    }
    this.held += bytes.length;
  }

  async *reread(from) {
    const held = this.held;
    for (let at = from; at < held; at += RECORD) {
      const bytes = new Uint8Array(Math.min(RECORD, held - at));
      this.access.read(bytes, { at });
      yield bytes;
    }
  }

  /** Return all of it as one Blob. */
  async blob() {
    this.access.flush();
    this.access.close();
    await this.folder.getFileHandle("saved", { create: true });
    return complete(await this.file.getFile(), this.held);
  }

  async discard() {
    this.access.close();
    await this.root.removeEntry(this.name, { recursive: true });
  }
}

/** The browser's database: parts of 8 MiB, each a Blob. */
class Database {
  static async #connect() {
    const opening = indexedDB.open("ocft", 1);
    opening.onupgradeneeded = () => {
      opening.result.createObjectStore("parts");
      opening.result.createObjectStore("places");
    };
    return answer(opening);
  }

  static async open(name, size) {
    const db = await Database.#connect();
    const channel = await claim(name);
    const place = new Database(db, channel ? name : `${name}-${newName()}`);
    place.channel = channel;
    const parts = await place.#parts();
    let held = parts.reduce((sum, part) => sum + part.size, 0);
    if (usable(held, size) !== held) {
      await place.#clear();
      held = 0;
    }
    place.held = held;
    place.count = held ? parts.length : 0;
    await place.#mark(false);
    return place;
  }

  static async sweep() {
    const db = await Database.#connect();
    const store = db.transaction("places").objectStore("places");
    const [names, places] = await Promise.all([answer(store.getAllKeys()), answer(store.getAll())]);
    for (const [i, place] of places.entries()) {
      if (Date.now() - place.at > (place.saved ? SAVING : OLD)) await new Database(db, names[i]).#clear();
    }
    db.close();
  }

  constructor(db, name) {
    Object.assign(this, { db, name, kind: "disk", held: 0, count: 0, waiting: [], filled: 0 });
  }

  async write(bytes) {
    this.waiting.push(bytes);
    this.filled += bytes.length;
    this.held += bytes.length;
    if (this.filled >= PART) await this.#store();
  }

  async *reread(from) {
    const whole = new Blob(await this.#parts());
    for (let at = from; at < whole.size; at += RECORD) {
      yield new Uint8Array(await whole.slice(at, at + RECORD).arrayBuffer());
    }
  }

  async blob() {
    if (this.filled) await this.#store();
    await this.#mark(true);
    return complete(new Blob(await this.#parts()), this.held);
  }

  async discard() {
    await this.#clear();
    this.db.close();
    this.channel?.close();
  }

  async #store() {
    const part = new Blob(this.waiting);
    const change = this.db.transaction(["parts", "places"], "readwrite");
    change.objectStore("parts").put(part, [this.name, this.count]);
    change.objectStore("places").put({ at: Date.now(), saved: false }, this.name);
    await committed(change);
    this.count += 1;
    this.waiting = [];
    this.filled = 0;
  }

  async #parts() {
    const range = IDBKeyRange.bound([this.name, 0], [this.name, Infinity]);
    return answer(this.db.transaction("parts").objectStore("parts").getAll(range));
  }

  async #mark(saved) {
    const change = this.db.transaction("places", "readwrite");
    change.objectStore("places").put({ at: Date.now(), saved }, this.name);
    await committed(change);
  }

  async #clear() {
    const change = this.db.transaction(["parts", "places"], "readwrite");
    change.objectStore("parts").delete(IDBKeyRange.bound([this.name, 0], [this.name, Infinity]));
    change.objectStore("places").delete(this.name);
    await committed(change);
  }
}

/** Blobs of this page, which browsers move to disk when they are many. */
class Memory {
  static async open() {
    return new Memory();
  }

  constructor() {
    Object.assign(this, { kind: "memory", held: 0, parts: [], waiting: [], filled: 0 });
  }

  async write(bytes) {
    this.waiting.push(bytes);
    this.filled += bytes.length;
    this.held += bytes.length;
    if (this.filled >= PART) this.#pack();
  }

  async *reread() {}

  async blob() {
    this.#pack();
    return new Blob(this.parts);
  }

  async discard() {
    this.parts = [];
    this.waiting = [];
  }

  #pack() {
    this.parts.push(new Blob(this.waiting));
    this.waiting = [];
    this.filled = 0;
  }
}

/** Return a Blob that has all that was written. Storage that was cleared meanwhile has less. */
function complete(blob, size) {
  if (blob.size !== size) throw new ShareError("STORAGE_LOST");
  return blob;
}

/**
 * Take a place for this tab until the channel is closed; null if another tab has it, since two
 * would write into each other's parts. (There are no locks on `http://` pages, and a tab that was
 * reloaded must find its own again.)
 */
async function claim(name) {
  const me = newName();
  const channel = new BroadcastChannel(name);
  let isFree = true;
  channel.onmessage = ({ data }) => {
    if (data.asks && data.asks !== me) channel.postMessage({ has: me });
    if (data.has) isFree = false;
  };
  channel.postMessage({ asks: me });
  await new Promise((resolve) => setTimeout(resolve, ANSWER));
  if (isFree) return channel;
  channel.close();
  return null;
}

function newName() {
  return hex(crypto.getRandomValues(new Uint8Array(8)));
}

/** Open a file for writing; after a reload the page before may hold it for a moment. */
async function accessTo(file) {
  for (const begun = performance.now(); ; ) {
    try {
      return await file.createSyncAccessHandle();
    } catch (error) {
      const isHeld = error.name === "NoModificationAllowedError";
      if (!isHeld || performance.now() - begun > RELEASE) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}

function answer(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
    request.onblocked = () => reject(new Error("another page holds the database"));
  });
}

function committed(change) {
  return new Promise((resolve, reject) => {
    change.oncomplete = () => resolve();
    change.onabort = () => reject(change.error ?? new DOMException("", "QuotaExceededError"));
    change.onerror = () => reject(change.error);
  });
}

/** Say where this browser can keep things: "disk", or "memory" only. */
export async function stagingKind() {
  try {
    if (globalThis.navigator?.storage?.getDirectory) {
      await navigator.storage.getDirectory();
      return "disk";
    }
    (await answer(indexedDB.open("ocft-probe"))).close();
    indexedDB.deleteDatabase("ocft-probe");
    return "disk";
  } catch {
    return "memory"; // a private window, or storage switched off
  }
}

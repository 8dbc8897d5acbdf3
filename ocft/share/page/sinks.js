// Files written straight to where the person wants them, when there is no room to keep them first.

import { ShareError } from "./errors.js";

/** Files that the person chose on disk. Each gets its content only when it is closed, at the end. */
export class ChosenFiles {
  /** `handles`: from a file's place in the manifest to its FileSystemFileHandle. */
  constructor(handles) {
    this.handles = handles;
    this.open = new Map();
    this.held = 0;
  }

  async piece(file, bytes) {
    const writable = await this.#of(file);
    await writable.write(bytes);
  }

  async fileEnd(file) {
    await this.#of(file); // also one without a byte
  }

  async finish() {
    for (const [index, writable] of this.open) {
      await writable.close();
      this.open.delete(index);
    }
  }

  async discard() {
    for (const writable of this.open.values()) await writable.abort();
    this.open.clear();
    // What is empty was made for this, by us or by the browser's dialog.
    for (const handle of this.handles.values()) {
      if (!(await handle.getFile()).size) await handle.remove?.();
    }
  }

  async #of(file) {
    if (!this.open.has(file.index)) {
      this.open.set(file.index, await this.handles.get(file.index).createWritable());
    }
    return this.open.get(file.index);
  }
}

const APART = 1500; // ms between the beginnings of two downloads
const PATIENCE = 15_000; // ms in which a download has to begin

/** Downloads of the browser that we fill through the service worker, one file after another. */
export class StreamedDownloads {
  /** `begin(file, port)` makes the page start the download that reads from `port`. */
  constructor(begin) {
    this.begin = begin;
    this.held = 0;
    this.port = null;
  }

  async piece(file, bytes) {
    if (!this.port) await this.#start(file);
    await this.#room();
    // A copy: the buffer behind it belongs to a whole record.
    const copy = bytes.slice();
    this.port.postMessage({ bytes: copy }, [copy.buffer]);
  }

  async fileEnd(file) {
    if (!this.port) await this.#start(file);
    this.port.postMessage({ end: true });
    this.port = null;
  }

  async finish() {}

  async discard() {
    this.port?.postMessage({ broken: true }); // the browser then marks its download as failed
    this.port = null;
  }

  async #start(file) {
    // A browser drops a download if the next one begins in the same moment.
    const pause = (this.begun ?? -APART) + APART - performance.now();
    if (pause > 0) await new Promise((resolve) => setTimeout(resolve, pause));
    this.begun = performance.now();
    const channel = new MessageChannel();
    this.port = channel.port1;
    this.wanted = 0;
    this.gone = null;
    this.port.onmessage = ({ data }) => {
      if (data.pull) this.wanted += 1;
      if (data.gone) this.gone = "CANCELLED"; // in the browser's list of downloads
      this.wake?.();
    };
    this.begin(file, channel.port2);
    const timer = setTimeout(() => this.stop("NO_SPACE"), PATIENCE);
    try {
      await this.#room();
    } finally {
      clearTimeout(timer);
    }
    this.wanted += 1; // asked for, not used yet
  }

  async #room() {
    while (!this.wanted && !this.gone) {
      await new Promise((resolve) => {
        this.wake = resolve;
      });
    }
    if (this.gone) throw new ShareError(this.gone);
    this.wanted -= 1;
  }

  /** Do not wait any longer for a browser that does not read. */
  stop(code = "CANCELLED") {
    this.gone = code;
    this.wake?.();
  }
}

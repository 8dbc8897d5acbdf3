// Everything that takes time or touches keys, off the page's own thread.
//
// The page sends `{do: ...}`, this answers `{happened: ...}`; page.js has the other half.

import { fromBase64Url, hex, toBase64Url, utf8 } from "./bytes.js";
import { ShareError, asShareError } from "./errors.js";
import { Records, keysOf, sessionKey } from "./keys.js";
import { parseManifest } from "./manifest.js";
import { Persistence } from "./pacing.js";
import { Receiving, planOf } from "./receiving.js";
import { Sending } from "./sending.js";
import { Service } from "./service.js";
import { sha256 } from "./sha256.js";
import { ChosenFiles, StreamedDownloads } from "./sinks.js";
import { freeRoom, openStaging, stagingKind, sweep } from "./staging.js";
import { zipOf } from "./zip.js";

const LOOK_AGAIN = 4000; // ms; a server lets one address look 20 times a minute

const tell = (happened, more = {}, transfer = []) => postMessage({ happened, ...more }, transfer);
const report = {
  progress: (bytes) => tell("progress", { bytes }),
  waiting: (seconds, code) => tell("waiting", { seconds, code }),
  checking: (bytes) => tell("checking", { bytes }),
};

class Session {
  constructor() {
    this.stopper = new AbortController();
    this.receiving = null;
    this.sending = null;
  }

  async open({ code, senderKey, base, saved }) {
    this.senderKey = senderKey;
    const { id, master } = await keysOf(code);
    this.master = master;
    this.service = new Service(base, id);
    await sweep();
    await this.#enter(saved);
  }

  async #enter(saved) {
    // First, since a link that was used up by this very page looks like none at all.
    if (!this.senderKey && saved && (await this.#enterAgain(saved))) return;
    let about = await this.#patiently(() => this.service.look());
    this.needsPassword = about.needs_password === true;
    if (this.senderKey) {
      if (about.state === "ready") throw new ShareError("CONFLICT");
    } else {
      while (about.state === "waiting") {
        tell("not-there-yet");
        await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN));
        about = await this.#patiently(() => this.service.look());
      }
    }
    if (this.needsPassword) {
      tell("locked");
      return;
    }
    this.key = sessionKey(this.master);
    if (!this.senderKey) await this.#patiently(() => this.service.join());
    await this.#inside(null);
  }

  /** Go on with what this tab had before it was reloaded, if the server still knows it. */
  async #enterAgain({ id, download, token, p }) {
    if (id !== this.service.id) return false;
    Object.assign(this.service, { download, token });
    this.key = p ? sessionKey(this.master, fromBase64Url(p, 32)) : sessionKey(this.master);
    try {
      await this.#inside(p);
      return true;
    } catch (error) {
      if (!["NOT_AUTHORISED", "NO_SESSION", "UNSEAL"].includes(error.code)) throw error;
      this.service.token = null;
      return false;
    }
  }

  async unlock({ password }) {
    const p = await this.service.joinWithPassword(password);
    this.key = sessionKey(this.master, p);
    await this.#inside(toBase64Url(p));
  }

  async #inside(p) {
    if (this.senderKey) {
      this.service.token = this.senderKey;
      tell("upload-ready");
      return;
    }
    const sealed = await this.#patiently(() => this.service.manifest());
    const records = await Records.open(this.key, this.service.id, sealed.slice(0, 16), 1, "manifest");
    const plaintext = await records.unseal(0, sealed.slice(16));
    this.manifest = parseManifest(plaintext);
    this.mark = hex(sha256(plaintext)).slice(0, 16);
    const { id, download, token } = this.service;
    tell("manifest", {
      from: this.manifest.from,
      note: this.manifest.note,
      files: this.manifest.files.map(({ name, size }) => ({ name, size })),
      saved: { id, download, token, p },
      room: { kind: await stagingKind(), free: await freeRoom() },
    });
  }

  async fetch({ wanted, way, handles, isBundle }) {
    this.stopper = new AbortController();
    const same = this.receiving && this.wanted.join() === wanted.join();
    if (!same) await this.#prepare(wanted, way, handles, isBundle);
    const { plan, sink } = this.receiving;
    tell("begun", { total: plan.total });
    try {
      await this.receiving.receive(this.stopper.signal);
      tell("saving");
      if (sink.blob) {
        const whole = await sink.blob();
        for (const file of plan.files) {
          file.blob = whole.slice(file.at, file.at + file.end - file.start, OCTETS);
        }
        const bundle = plan.isBundle ? zipOf(plan.files) : null;
        const files = plan.files.map(({ index, blob }) => ({ index, blob }));
        tell("received", { files, bundle, place: sink.name ?? null });
      } else {
        await sink.finish();
        tell("written");
      }
      this.receiving = null;
      await this.service.receipt({ ok: true });
    } catch (error) {
      await this.#leave(asShareError(error), sink);
    }
  }

  async #prepare(wanted, way, handles, isBundle) {
    await this.receiving?.sink.discard();
    const plan = { ...planOf(this.manifest, wanted), isBundle };
    // What is kept of one choice is the beginning of another one with the same records before.
    const before = plan.runs.flatMap(({ first, last }) => [first, last]).slice(0, -1);
    const choice = hex(sha256(utf8(before.join(",")))).slice(0, 16);
    const name = `${this.service.id}-${this.mark}-${choice}`;
    const sinks = {
      staged: () => openStaging(name, plan.total),
      chosen: () => new ChosenFiles(handles),
      streamed: () =>
        new StreamedDownloads((file, port) =>
          tell("stream", { index: file.index, size: file.end - file.start, port }, [port]),
        ),
    };
    this.wanted = wanted;
    this.receiving = new Receiving(this.service, this.key, plan, await sinks[way](), report);
  }

  /** A lost connection can be gone on with; what is damaged cannot, nor half a file on disk. */
  async #leave(error, sink) {
    const lost = ["NETWORK", "CANCELLED", "RATE_LIMITED", "SHUTTING_DOWN"].includes(error.code);
    if (!lost || !sink.write) {
      this.receiving = null;
      await sink.discard().catch((second) => console.error(second)); // the first one is told
    }
    if (!lost) await this.service.receipt({ ok: false, code: error.code });
    throw error;
  }

  async send({ files, from, note }) {
    this.stopper = new AbortController();
    if (files) this.sending = new Sending(this.service, this.key, files, from, note, report);
    tell("begun", { total: this.sending.size });
    try {
      await this.sending.run(this.stopper.signal);
      tell("sent");
    } catch (error) {
      // What was read once and changed since must not be sent as if it were one file.
      if (asShareError(error).code === "SOURCE_CHANGED") this.sending = null;
      throw error;
    }
  }

  /** The page could not begin a download of the browser. */
  refuse() {
    this.receiving?.sink.stop?.("NO_SPACE");
  }

  cancel() {
    this.stopper.abort();
  }

  #patiently(attempt) {
    return new Persistence(report.waiting, this.stopper.signal).run(attempt);
  }
}

const OCTETS = "application/octet-stream"; // never a type that a browser would run
const session = new Session();

globalThis.onmessage = async ({ data }) => {
  try {
    await session[data.do](data);
  } catch (error) {
    const { code, message, retryAfter } = asShareError(error);
    if (code === "UNEXPECTED") console.error(error);
    tell("failed", { during: data.do, error: { code, message }, retryAfter });
  }
};

// One upload: files in, sealed records out.
//
// A record is sealed once and kept until the server has it, so a lost connection repeats the same
// bytes and never seals other ones under the same number (R-SHR-4).

import { concat, hex, toBase64Url } from "./bytes.js";
import { ShareError, asShareError } from "./errors.js";
import { RECORD, Records, newSalt, recordCount } from "./keys.js";
import { packManifest } from "./manifest.js";
import { Persistence } from "./pacing.js";
import { Sha256 } from "./sha256.js";

const MOST = 16; // records in one request
const AIM = 2000; // ms that a request should take, so that progress shows

/** An upload that can be stopped and gone on with, as long as the page is open. */
export class Sending {
  /** `files` are `{file, name}`; `report` is told `progress` and `waiting`. */
  constructor(service, key, files, from, note, report) {
    this.service = service;
    this.key = key;
    this.files = files;
    this.words = [from, note];
    this.report = report;
    this.size = files.reduce((sum, { file }) => sum + file.size, 0);
    this.count = recordCount(this.size);
    this.length = this.size + this.count * 16;
    this.salt = newSalt();
    this.next = 0; // the record to seal next
    this.offset = 0; // of the first byte in the batch
    this.batch = new Uint8Array(0);
    this.records = 1; // in the next batch
    this.reader = new FilesReader(files);
    this.#manifest(files.map(() => "0".repeat(64))); // too many files are refused before a byte leaves
  }

  /** Send all that is not there yet. */
  async run(signal) {
    const persistence = new Persistence(this.report.waiting, signal);
    this.sealer ??= await Records.open(this.key, this.service.id, this.salt, this.count);
    this.isNew ??= true; // nothing of ours is known to be there
    let mustAsk = !this.isNew || this.batch.length > 0;
    while (this.next < this.count || this.batch.length) {
      if (!this.batch.length) await this.#fill();
      await persistence.run(async () => {
        if (mustAsk && (await this.#findPlace())) persistence.progressed();
        mustAsk = true; // whatever interrupts the next request
        if (this.batch.length) await this.#send(signal);
        mustAsk = false;
        persistence.progressed();
      });
    }
    await persistence.run(() => this.#close());
  }

  async #fill() {
    const sealed = [];
    while (sealed.length < this.records && this.next < this.count) {
      const length = Math.min(RECORD, this.size - this.next * RECORD);
      const plaintext = await this.reader.read(length);
      sealed.push(await this.sealer.seal(this.next, plaintext));
      this.next += 1;
    }
    this.batch = concat(...sealed);
  }

  async #send(signal) {
    const begun = performance.now();
    const piece = this.batch;
    try {
      this.#accept(await this.service.send(piece, this.offset, this.length, this.salt, signal));
    } catch (error) {
      // The last bytes of a request that broke off may be stored after we asked for our place.
      if (error.code === "CONFLICT" && (await this.#findPlace())) return;
      throw error;
    }
    const rate = performance.now() - begun || 1;
    this.records = Math.max(1, Math.min(MOST, Math.round((this.records * AIM) / rate), this.records * 2));
  }

  /** After a break: ask how far the server is, drop what it has, and say if that is something. */
  async #findPlace() {
    const { offset, salt } = await this.service.stored();
    // What an earlier visit left is sealed under another salt; offset 0 of ours replaces it.
    if (salt !== toBase64Url(this.salt)) {
      if (this.offset > 0) throw new ShareError("CONFLICT");
      return false;
    }
    const before = this.offset;
    this.#accept(offset);
    return offset > before;
  }

  #accept(stored) {
    this.isNew = false;
    const taken = stored - this.offset;
    if (taken < 0 || taken > this.batch.length) throw new ShareError("CONFLICT");
    this.batch = this.batch.slice(taken);
    this.offset = stored;
    this.report.progress(Math.min(this.size, Math.floor((stored / this.length) * this.size)));
  }

  async #close() {
    const plaintext = this.#manifest(this.reader.digests());
    const salt = newSalt();
    const records = await Records.open(this.key, this.service.id, salt, 1, "manifest");
    const sealed = concat(salt, await records.seal(0, plaintext));
    try {
      if (!this.isClosing) await this.service.putManifest(sealed);
      this.isClosing = true;
      await this.service.complete();
    } catch (error) {
      // The answer to an earlier try may have been lost: then it is complete already.
      const isRepeated = this.isClosing && ["CONFLICT", "NO_SESSION"].includes(error.code);
      if (!isRepeated || !(await this.#isThere())) throw error;
    }
  }

  async #isThere() {
    try {
      return (await this.service.look()).state === "ready";
    } catch (error) {
      if (error.code === "NO_SESSION") return true; // whoever waited for it took it at once
      throw error;
    }
  }

  #manifest(digests) {
    const files = this.files.map(({ name, file }, i) => ({ name, size: file.size, digest: digests[i] }));
    return packManifest(...this.words, files);
  }
}

/** Reads files end to end, and digests them on the way. */
class FilesReader {
  constructor(files) {
    this.files = files;
    this.hashes = files.map(() => new Sha256());
    this.index = 0;
    this.at = 0;
  }

  async read(length) {
    const bytes = new Uint8Array(length);
    let filled = 0;
    while (filled < length) {
      const { file } = this.files[this.index];
      if (this.at === file.size) {
        this.index += 1;
        this.at = 0;
        continue;
      }
      const end = Math.min(this.at + length - filled, file.size);
      const piece = new Uint8Array(await readable(file.slice(this.at, end).arrayBuffer()));
      if (piece.length !== end - this.at) throw new ShareError("SOURCE_CHANGED");
      bytes.set(piece, filled);
      this.hashes[this.index].update(piece);
      filled += piece.length;
      this.at = end;
    }
    return bytes;
  }

  digests() {
    this.ended ??= this.hashes.map((hash) => hex(hash.digest()));
    return this.ended;
  }
}

async function readable(reading) {
  try {
    return await reading;
  } catch (error) {
    throw asShareError(error); // a file that was changed or removed cannot be read any more
  }
}

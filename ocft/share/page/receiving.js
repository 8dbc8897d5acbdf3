// One download: sealed records in, verified files out (R-SHR-5, R-SHR-6).

import { hex } from "./bytes.js";
import { ShareError } from "./errors.js";
import { RECORD, Records, SEALED_RECORD, recordCount } from "./keys.js";
import { Persistence } from "./pacing.js";
import { Sha256 } from "./sha256.js";

const STALL = 30_000; // ms without a byte: then the connection is taken for lost

/** Where the wanted files lie in the content, and which records they need. */
export function planOf(manifest, wanted) {
  let at = 0;
  const all = manifest.files.map((file, index) => {
    const start = at;
    at += file.size;
    return { index, name: file.name, digest: file.digest, start, end: at };
  });
  const files = all.filter((file) => wanted.includes(file.index));
  const count = recordCount(at);
  const first = Math.min(Math.floor(files[0].start / RECORD), count - 1);
  const last = Math.max(first + 1, Math.ceil(files.at(-1).end / RECORD));
  const start = first * RECORD;
  return { files, count, first, last, start, end: Math.min(last * RECORD, at), size: at };
}

/** A download that can be stopped and gone on with. */
export class Receiving {
  /** `sink` takes what was opened; `report` is told `progress`, `checking` and `waiting`. */
  constructor(service, key, plan, sink, report) {
    this.service = service;
    this.key = key;
    this.plan = plan;
    this.sink = sink;
    this.report = report;
    this.hash = new Sha256(); // of the file at `current`
    this.current = 0;
    this.at = plan.start;
  }

  /** Fetch, open, verify and write all that is missing. */
  async run(signal) {
    if (this.at === this.plan.start) await this.#takeHeld();
    const persistence = new Persistence((seconds) => this.report.waiting(seconds), signal);
    // The last record may be an empty one, so records are counted, not bytes.
    while (this.#nextRecord() < this.plan.last) {
      await persistence.run(() => this.#fetch(persistence, signal));
    }
    for (const file of this.plan.files.slice(this.current)) await this.#endFile(file); // empty ones
  }

  #nextRecord() {
    const whole = this.at >= this.plan.end && this.plan.size > 0;
    return whole || this.finished ? this.plan.last : Math.floor(this.at / RECORD);
  }

  /** Work through what an earlier visit left behind, so that digests cover it too. */
  async #takeHeld() {
    if (!this.sink.held) return;
    for await (const bytes of this.sink.reread()) {
      await this.#take(bytes, false);
      this.report.checking(this.at - this.plan.start);
    }
  }

  async #fetch(persistence, signal) {
    const attempt = new AbortController();
    const stop = () => attempt.abort();
    signal.addEventListener("abort", stop);
    let timer = setTimeout(stop, STALL);
    try {
      const from = this.#nextRecord();
      const { salt, body } = await this.service.content(from * SEALED_RECORD, attempt.signal);
      const records = await Records.open(this.key, this.service.id, salt, this.plan.count);
      const cutter = new Cutter(this.plan, from);
      const reader = body.getReader();
      while (this.#nextRecord() < this.plan.last) {
        const { done, value } = await lostIfBroken(reader.read());
        if (done) break;
        clearTimeout(timer);
        for (const [number, sealed] of cutter.cut(value)) {
          const bytes = await records.unseal(number, sealed);
          await this.#take(bytes, true);
          if (number === this.plan.count - 1) this.finished = true;
          persistence.progressed();
          this.report.progress(this.at - this.plan.start);
          if (this.#nextRecord() >= this.plan.last) break;
        }
        timer = setTimeout(stop, STALL);
      }
      if (this.#nextRecord() < this.plan.last) throw new ShareError("NETWORK", { retryable: true });
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", stop);
      stop(); // what is beyond the last file that is wanted is not fetched
    }
  }

  async #take(bytes, isNew) {
    if (isNew && this.sink.write) await this.sink.write(bytes);
    const from = this.at;
    this.at += bytes.length;
    const { files } = this.plan;
    // One file after another: a sink knows which one it writes by what ended before.
    while (this.current < files.length && files[this.current].start < this.at) {
      const file = files[this.current];
      const piece = bytes.subarray(Math.max(0, file.start - from), Math.max(0, file.end - from));
      if (piece.length) {
        this.hash.update(piece);
        if (this.sink.piece) await this.sink.piece(file, piece);
      }
      if (file.end > this.at) return;
      await this.#endFile(file);
    }
  }

  async #endFile(file) {
    const digest = hex(this.hash.digest());
    if (file.digest !== null && digest !== file.digest) throw new ShareError("DIGEST_MISMATCH");
    if (this.sink.fileEnd) await this.sink.fileEnd(file);
    this.hash = new Sha256();
    this.current += 1;
  }
}

/** Cuts a stream of bytes into sealed records. */
class Cutter {
  constructor(plan, from) {
    this.plan = plan;
    this.number = from;
    this.buffer = new Uint8Array(SEALED_RECORD);
    this.filled = 0;
  }

  *cut(bytes) {
    for (let at = 0; at < bytes.length; ) {
      const { count, size } = this.plan;
      if (this.number >= count) throw new ShareError("BAD_ANSWER"); // more than the manifest says
      const isLast = this.number === count - 1;
      const length = isLast ? size - (count - 1) * RECORD + 16 : SEALED_RECORD;
      const taken = Math.min(length - this.filled, bytes.length - at);
      this.buffer.set(bytes.subarray(at, at + taken), this.filled);
      this.filled += taken;
      at += taken;
      if (this.filled < length) return;
      this.filled = 0;
      this.number += 1;
      yield [this.number - 1, this.buffer.subarray(0, length)];
    }
  }
}

async function lostIfBroken(read) {
  try {
    return await read;
  } catch (cause) {
    throw new ShareError("NETWORK", { retryable: true, cause });
  }
}

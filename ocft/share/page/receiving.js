// One download: sealed records in, verified files out (R-SHR-5, R-SHR-6).

import { hex } from "./bytes.js";
import { ShareError } from "./errors.js";
import { RECORD, Records, SEALED_RECORD, recordCount } from "./keys.js";
import { Persistence } from "./pacing.js";
import { Sha256 } from "./sha256.js";
import { Crc32 } from "./zip.js";

const GAP = 8; // records that nobody wants, but that cost less than another request
const STALL = 30_000; // ms without a byte: then the connection is taken for lost

/**
 * Where the wanted files lie in the content, which records they need, and where these are kept.
 *
 * The records come in runs, each fetched for itself. A run has a place in the content (`start` to
 * `end`) and begins at `at` of what is kept; so does each file.
 */
export function planOf(manifest, wanted) {
  const isWanted = new Set(wanted);
  const count = recordCount(manifest.size);
  const files = [];
  const runs = [];
  let place = 0;
  for (const [index, { name, size, digest }] of manifest.files.entries()) {
    const file = { index, name, digest, start: place, end: place + size };
    place += size;
    if (!isWanted.has(index)) continue;
    files.push(file);
    if (size) addTo(runs, Math.floor(file.start / RECORD), Math.ceil(file.end / RECORD));
  }
  if (!runs.length) addTo(runs, 0, 1); // files without a byte: one record shows that the key fits
  let kept = 0;
  for (const run of runs) {
    run.start = run.first * RECORD;
    run.end = Math.min(run.last * RECORD, manifest.size);
    run.at = kept;
    kept += run.end - run.start;
  }
  let run = 0;
  for (const file of files) {
    while (runs[run].end < file.end && run + 1 < runs.length) run += 1;
    file.at = file.end > file.start ? runs[run].at + file.start - runs[run].start : 0;
  }
  return { files, runs, count, size: manifest.size, total: kept };
}

function addTo(runs, first, last) {
  const before = runs.at(-1);
  if (before && first <= before.last + GAP) before.last = Math.max(before.last, last);
  else runs.push({ first, last });
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
    this.current = 0; // of the plan's files
    this.hash = new Sha256(); // of that file
    this.crc = new Crc32();
    this.run = 0; // of the plan's runs
    this.next = plan.runs[0].first; // record
    this.done = 0; // bytes that were opened
    this.damaged = null; // the record that could not be opened last
  }

  /** Fetch, open, verify and write all that is missing. */
  async receive(signal) {
    signal.addEventListener("abort", () => this.sink.stop?.(), { once: true });
    await this.#takeHeld(signal);
    const persistence = new Persistence(this.report.waiting, signal);
    // The last record may be an empty one, so records are counted, not bytes.
    while (this.run < this.plan.runs.length) {
      await persistence.run(() => this.#fetch(persistence, signal));
    }
    for (const file of this.plan.files.slice(this.current)) await this.#endFile(file); // empty ones
  }

  /** Work through what an earlier visit left behind, so that digests cover it too. */
  async #takeHeld(signal) {
    if (this.sink.held <= this.done) return;
    for await (const bytes of this.sink.reread(this.done)) {
      if (signal.aborted) throw new ShareError("CANCELLED");
      await this.#take(bytes, false);
      this.report.checking(this.done);
    }
  }

  async #fetch(persistence, signal) {
    const { runs, count, size } = this.plan;
    const run = runs[this.run];
    const attempt = new AbortController();
    const stop = () => attempt.abort();
    signal.addEventListener("abort", stop);
    let timer = setTimeout(stop, STALL);
    try {
      const from = this.next * SEALED_RECORD;
      const { salt, body } = await this.service.content(from, size + 16 * count, attempt.signal);
      const records = await Records.open(this.key, this.service.id, salt, count);
      const cutter = new Cutter(this.plan, this.next);
      const reader = body.getReader();
      while (run === runs[this.run]) {
        const { done, value } = await lostIfBroken(reader.read());
        if (done) throw new ShareError("NETWORK", { retryable: true });
        clearTimeout(timer);
        for (const [number, sealed] of cutter.cut(value)) {
          await this.#take(await this.#unseal(records, number, sealed), true);
          persistence.progressed();
          this.report.progress(this.done);
          if (run !== runs[this.run]) break;
        }
        timer = setTimeout(stop, STALL);
      }
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", stop);
      stop(); // what is beyond the last record that is wanted is not fetched
    }
  }

  /** One record may have been damaged on its way: only if it is so twice, it is nothing to open. */
  async #unseal(records, number, sealed) {
    try {
      return await records.unseal(number, sealed);
    } catch (error) {
      if (error.code !== "UNSEAL" || this.damaged === number) throw error;
      this.damaged = number;
      throw new ShareError("UNSEAL", { retryable: true, cause: error });
    }
  }

  /** Take the plaintext of the next record. */
  async #take(bytes, isNew) {
    if (isNew && this.sink.write) await this.sink.write(bytes);
    const run = this.plan.runs[this.run];
    const from = this.next * RECORD;
    const to = from + bytes.length;
    const { files } = this.plan;
    // One file after another: a sink knows which one it writes by what ended before.
    while (this.current < files.length && files[this.current].start < to) {
      const file = files[this.current];
      const piece = bytes.subarray(Math.max(0, file.start - from), Math.max(0, file.end - from));
      if (piece.length) {
        this.hash.update(piece);
        if (this.plan.isBundle) this.crc.update(piece);
        if (this.sink.piece) await this.sink.piece(file, piece);
      }
      if (file.end > to) break;
      await this.#endFile(file);
    }
    this.done += bytes.length;
    this.next += 1;
    if (this.next < run.last) return;
    this.run += 1;
    this.next = this.plan.runs[this.run]?.first;
  }

  async #endFile(file) {
    const digest = hex(this.hash.digest());
    if (file.digest !== null && digest !== file.digest) throw new ShareError("DIGEST_MISMATCH");
    if (this.sink.fileEnd) await this.sink.fileEnd(file);
    file.crc = this.crc.value;
    this.hash = new Sha256();
    this.crc = new Crc32();
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

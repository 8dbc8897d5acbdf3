// One .zip of many files, made of Blobs that stay where they are: nothing is read or copied.
//
// Stored, not compressed. Sizes and places have 64 bits where they need them (APPNOTE 4.5.3).

import { concat, utf8 } from "./bytes.js";

const MOST = 0xffffffff;
const UTF8_NAMES = 0x0800;
const DATE = 0x21; // 1 January 1980, the first there is: manifests have no times

const TABLES = Array.from({ length: 8 }, () => new Uint32Array(256));
for (let i = 0; i < 256; i += 1) {
  let value = i;
  for (let bit = 0; bit < 8; bit += 1) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  TABLES[0][i] = value;
}
for (let i = 0; i < 256; i += 1) {
  for (let k = 1; k < 8; k += 1) {
    const before = TABLES[k - 1][i];
    TABLES[k][i] = (before >>> 8) ^ TABLES[0][before & 255];
  }
}

/** CRC-32, piece by piece; a .zip has one of each file. */
export class Crc32 {
  #value = -1;

  /** Take in more bytes. */
  update(bytes) {
    const [t0, t1, t2, t3, t4, t5, t6, t7] = TABLES;
    let value = this.#value;
    let at = 0;
    for (; at + 8 <= bytes.length; at += 8) {
      value ^= bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24);
      value =
        t7[value & 255] ^ t6[(value >>> 8) & 255] ^ t5[(value >>> 16) & 255] ^ t4[value >>> 24] ^
        t3[bytes[at + 4]] ^ t2[bytes[at + 5]] ^ t1[bytes[at + 6]] ^ t0[bytes[at + 7]];
    }
    for (; at < bytes.length; at += 1) value = (value >>> 8) ^ t0[(value ^ bytes[at]) & 255];
    this.#value = value;
  }

  get value() {
    return ~this.#value >>> 0;
  }
}

/** Return a Blob that is a .zip of `files`: `{name, blob, crc}`, names relative and distinct. */
export function zipOf(files) {
  const parts = [];
  const entries = [];
  let place = 0;
  for (const { name, blob, crc } of files) {
    const words = utf8(name);
    const isLarge = blob.size >= MOST;
    const extra = isLarge ? numbers([2, 1], [2, 16], [8, blob.size], [8, blob.size]) : numbers();
    const size = isLarge ? MOST : blob.size;
    const head = concat(
      numbers([4, 0x04034b50], ...about(isLarge, crc, size), [2, words.length], [2, extra.length]),
      words,
      extra,
    );
    parts.push(head, blob);
    entries.push(entry(words, blob.size, crc, place));
    place += head.length + blob.size;
  }
  const directory = concat(...entries);
  return new Blob([...parts, directory, end(entries.length, directory.length, place)], {
    type: "application/zip",
  });
}

/** What a file's head and its entry have in common. */
function about(isLarge, crc, size) {
  return [[2, isLarge ? 45 : 20], [2, UTF8_NAMES], [2, 0], [2, 0], [2, DATE], [4, crc], [4, size], [4, size]];
}

function entry(words, size, crc, place) {
  const isLarge = size >= MOST;
  const isFar = place >= MOST;
  const wide = [...(isLarge ? [[8, size], [8, size]] : []), ...(isFar ? [[8, place]] : [])];
  const extra = wide.length ? numbers([2, 1], [2, 8 * wide.length], ...wide) : numbers();
  return concat(
    numbers(
      [4, 0x02014b50],
      [2, 45],
      ...about(isLarge || isFar, crc, isLarge ? MOST : size),
      [2, words.length],
      [2, extra.length],
      ...[[2, 0], [2, 0], [2, 0], [4, 0]], // no comment, first disk, no attributes
      [4, isFar ? MOST : place],
    ),
    words,
    extra,
  );
}

function end(count, size, place) {
  // Always the wide one too: whoever does not need it reads over it.
  return concat(
    numbers([4, 0x06064b50], [8, 44], [2, 45], [2, 45], [4, 0], [4, 0], [8, count], [8, count], [8, size], [8, place]),
    numbers([4, 0x07064b50], [4, 0], [8, place + size], [4, 1]),
    numbers([4, 0x06054b50], [2, 0], [2, 0], [2, Math.min(count, 0xffff)], [2, Math.min(count, 0xffff)], [4, Math.min(size, MOST)], [4, Math.min(place, MOST)], [2, 0]),
  );
}

/** Return whole numbers as bytes, little-endian: `[bytes, number]` each. */
function numbers(...fields) {
  const bytes = new Uint8Array(fields.reduce((sum, [length]) => sum + length, 0));
  let at = 0;
  for (const [length, number] of fields) {
    let rest = number;
    for (let i = 0; i < length; i += 1) {
      bytes[at] = rest % 256;
      rest = Math.floor(rest / 256);
      at += 1;
    }
  }
  return bytes;
}

// AES-256-GCM (FIPS 197, SP 800-38D) for pages without WebCrypto: `http://` on a local network.
//
// It uses tables, so how long it takes depends a little on the key. Who could measure that runs
// code on the same machine already. Words are signed (Int32Array): engines keep those unboxed.

import { equal } from "./bytes.js";

const TAG = 16;
const SBOX = new Uint8Array(256);
const T0 = new Int32Array(256);
const T1 = new Int32Array(256);
const T2 = new Int32Array(256);
const T3 = new Int32Array(256);

// Walks the field by its generator 3; its inverse walks beside it.
for (let value = 1, inverse = 1, isDone = false; !isDone; ) {
  value = (value ^ (value << 1) ^ (value & 0x80 ? 0x11b : 0)) & 0xff;
  inverse ^= inverse << 1;
  inverse ^= inverse << 2;
  inverse ^= inverse << 4;
  inverse &= 0xff;
  if (inverse & 0x80) inverse ^= 0x09;
  let mixed = inverse;
  for (let turn = 1; turn < 5; turn++) mixed ^= (inverse << turn) | (inverse >> (8 - turn));
  SBOX[value] = (mixed ^ 0x63) & 0xff;
  isDone = value === 1;
}
SBOX[0] = 0x63;
for (let i = 0; i < 256; i++) {
  const s = SBOX[i];
  const twice = (s << 1) ^ (s & 0x80 ? 0x11b : 0);
  T0[i] = (twice << 24) | (s << 16) | (s << 8) | (twice ^ s);
  T1[i] = (T0[i] >>> 8) | (T0[i] << 24);
  T2[i] = (T0[i] >>> 16) | (T0[i] << 16);
  T3[i] = (T0[i] >>> 24) | (T0[i] << 8);
}

/** AES-256-GCM under one key; nonces of 12 bytes, a tag of 16 after the ciphertext. */
export class OwnAesGcm {
  #keys;
  #table;

  constructor(key) {
    this.#keys = expanded(key);
    const zero = new Int32Array(4);
    encrypt(this.#keys, zero);
    this.#table = products(zero);
  }

  /** Return ciphertext and tag. */
  seal(nonce, associated, plaintext) {
    const sealed = new Uint8Array(plaintext.length + TAG);
    const ciphertext = sealed.subarray(0, plaintext.length);
    this.#count(nonce, plaintext, ciphertext);
    sealed.set(this.#tag(nonce, associated, ciphertext), plaintext.length);
    return sealed;
  }

  /** Return the plaintext, or null if anything was changed. */
  open(nonce, associated, sealed) {
    if (sealed.length < TAG) return null;
    const ciphertext = sealed.subarray(0, sealed.length - TAG);
    const tag = this.#tag(nonce, associated, ciphertext);
    if (!equal(tag, sealed.subarray(ciphertext.length))) return null;
    const plaintext = new Uint8Array(ciphertext.length);
    this.#count(nonce, ciphertext, plaintext);
    return plaintext;
  }

  /** Counter mode, from block number 2 on. */
  #count(nonce, from, to) {
    const start = nonceWords(nonce);
    const block = new Int32Array(4);
    const keys = this.#keys;
    let at = 0;
    for (let number = 2; at < from.length; number++) {
      block[0] = start[0];
      block[1] = start[1];
      block[2] = start[2];
      block[3] = number;
      encrypt(keys, block);
      if (at + 16 > from.length) break;
      for (let i = 0; i < 4; i++, at += 4) {
        const word = block[i];
        to[at] = from[at] ^ (word >>> 24);
        to[at + 1] = from[at + 1] ^ (word >>> 16);
        to[at + 2] = from[at + 2] ^ (word >>> 8);
        to[at + 3] = from[at + 3] ^ word;
      }
    }
    for (let i = 0; at < from.length; i++, at++) {
      to[at] = from[at] ^ (block[i >> 2] >>> (24 - 8 * (i & 3)));
    }
  }

  #tag(nonce, associated, body) {
    const sum = new Int32Array(4);
    absorb(this.#table, sum, associated);
    absorb(this.#table, sum, body);
    const lengths = new Uint8Array(16);
    const view = new DataView(lengths.buffer);
    view.setUint32(0, Math.floor(associated.length / 0x20000000));
    view.setUint32(4, associated.length << 3);
    view.setUint32(8, Math.floor(body.length / 0x20000000));
    view.setUint32(12, body.length << 3);
    absorb(this.#table, sum, lengths);
    const block = new Int32Array(4);
    block.set(nonceWords(nonce));
    block[3] = 1;
    encrypt(this.#keys, block);
    const tag = new DataView(new ArrayBuffer(16));
    for (let i = 0; i < 4; i++) tag.setInt32(i * 4, block[i] ^ sum[i]);
    return new Uint8Array(tag.buffer);
  }
}

function nonceWords(nonce) {
  const view = new DataView(nonce.buffer, nonce.byteOffset, 12);
  return [view.getInt32(0), view.getInt32(4), view.getInt32(8)];
}

function expanded(key) {
  const keys = new Int32Array(60);
  const view = new DataView(key.buffer, key.byteOffset, 32);
  for (let i = 0; i < 8; i++) keys[i] = view.getInt32(i * 4);
  for (let i = 8, round = 1; i < 60; i++) {
    let word = keys[i - 1];
    if (i % 8 === 0) {
      word = substituted((word << 8) | (word >>> 24)) ^ (round << 24);
      round <<= 1;
    } else if (i % 8 === 4) {
      word = substituted(word);
    }
    keys[i] = keys[i - 8] ^ word;
  }
  return keys;
}

function substituted(word) {
  return (
    (SBOX[word >>> 24] << 24) |
    (SBOX[(word >>> 16) & 255] << 16) |
    (SBOX[(word >>> 8) & 255] << 8) |
    SBOX[word & 255]
  );
}

/** Encrypt one block of four words in place: 14 rounds. */
function encrypt(keys, block) {
  let a = block[0] ^ keys[0];
  let b = block[1] ^ keys[1];
  let c = block[2] ^ keys[2];
  let d = block[3] ^ keys[3];
  for (let k = 4; k < 56; k += 4) {
    const e = T0[a >>> 24] ^ T1[(b >>> 16) & 255] ^ T2[(c >>> 8) & 255] ^ T3[d & 255] ^ keys[k];
    const f = T0[b >>> 24] ^ T1[(c >>> 16) & 255] ^ T2[(d >>> 8) & 255] ^ T3[a & 255] ^ keys[k + 1];
    const g = T0[c >>> 24] ^ T1[(d >>> 16) & 255] ^ T2[(a >>> 8) & 255] ^ T3[b & 255] ^ keys[k + 2];
    const h = T0[d >>> 24] ^ T1[(a >>> 16) & 255] ^ T2[(b >>> 8) & 255] ^ T3[c & 255] ^ keys[k + 3];
    a = e;
    b = f;
    c = g;
    d = h;
  }
  block[0] = last(a, b, c, d) ^ keys[56];
  block[1] = last(b, c, d, a) ^ keys[57];
  block[2] = last(c, d, a, b) ^ keys[58];
  block[3] = last(d, a, b, c) ^ keys[59];
}

function last(a, b, c, d) {
  return (
    (SBOX[a >>> 24] << 24) |
    (SBOX[(b >>> 16) & 255] << 16) |
    (SBOX[(c >>> 8) & 255] << 8) |
    SBOX[d & 255]
  );
}

/** For each place of a byte in a block and each of its values, the product with the hash key. */
function products(hashKey) {
  const table = new Int32Array(16 * 256 * 4);
  let [a, b, c, d] = hashKey;
  for (let bit = 0; bit < 128; bit++) {
    table.set([a, b, c, d], ((bit >> 3) * 256 + (0x80 >> (bit & 7))) * 4);
    const carry = d & 1;
    d = (d >>> 1) | (c << 31);
    c = (c >>> 1) | (b << 31);
    b = (b >>> 1) | (a << 31);
    a = (a >>> 1) ^ (carry ? 0xe1000000 : 0);
  }
  for (let place = 0; place < 16; place++) {
    for (let value = 1; value < 256; value++) {
      const lowest = value & -value;
      if (lowest === value) continue;
      const base = place * 256;
      for (let i = 0; i < 4; i++) {
        table[(base + value) * 4 + i] =
          table[(base + lowest) * 4 + i] ^ table[(base + (value ^ lowest)) * 4 + i];
      }
    }
  }
  return table;
}

/** Take bytes into the hash; a last block that is not full counts as filled with zeros. */
function absorb(table, sum, bytes) {
  const whole = bytes.length - (bytes.length % 16);
  for (let at = 0; at < whole; at += 16) multiply(table, sum, bytes, at);
  if (whole < bytes.length) {
    const block = new Uint8Array(16);
    block.set(bytes.subarray(whole));
    multiply(table, sum, block, 0);
  }
}

// Written out: a loop over the 16 bytes takes twice the time.
function multiply(table, sum, bytes, at) {
  const a = sum[0];
  const b = sum[1];
  const c = sum[2];
  const d = sum[3];
  const r0 = ((a >>> 24) ^ bytes[at]) << 2;
  const r1 = (256 + (((a >>> 16) & 255) ^ bytes[at + 1])) << 2;
  const r2 = (512 + (((a >>> 8) & 255) ^ bytes[at + 2])) << 2;
  const r3 = (768 + ((a & 255) ^ bytes[at + 3])) << 2;
  const r4 = (1024 + ((b >>> 24) ^ bytes[at + 4])) << 2;
  const r5 = (1280 + (((b >>> 16) & 255) ^ bytes[at + 5])) << 2;
  const r6 = (1536 + (((b >>> 8) & 255) ^ bytes[at + 6])) << 2;
  const r7 = (1792 + ((b & 255) ^ bytes[at + 7])) << 2;
  const r8 = (2048 + ((c >>> 24) ^ bytes[at + 8])) << 2;
  const r9 = (2304 + (((c >>> 16) & 255) ^ bytes[at + 9])) << 2;
  const r10 = (2560 + (((c >>> 8) & 255) ^ bytes[at + 10])) << 2;
  const r11 = (2816 + ((c & 255) ^ bytes[at + 11])) << 2;
  const r12 = (3072 + ((d >>> 24) ^ bytes[at + 12])) << 2;
  const r13 = (3328 + (((d >>> 16) & 255) ^ bytes[at + 13])) << 2;
  const r14 = (3584 + (((d >>> 8) & 255) ^ bytes[at + 14])) << 2;
  const r15 = (3840 + ((d & 255) ^ bytes[at + 15])) << 2;
  for (let i = 0; i < 4; i++) {
    sum[i] =
      table[r0 + i] ^ table[r1 + i] ^ table[r2 + i] ^ table[r3 + i] ^
      table[r4 + i] ^ table[r5 + i] ^ table[r6 + i] ^ table[r7 + i] ^
      table[r8 + i] ^ table[r9 + i] ^ table[r10 + i] ^ table[r11 + i] ^
      table[r12 + i] ^ table[r13 + i] ^ table[r14 + i] ^ table[r15 + i];
  }
}

// HMAC, HKDF and PBKDF2, all with SHA-256 (RFC 2104, 5869, 8018).

import { concat } from "./bytes.js";
import { Sha256, compress, sha256 } from "./sha256.js";

/** Return HMAC-SHA256. */
export function hmac(key, message) {
  const { inner, outer } = keyed(key);
  return outer.update(inner.update(message).digest()).digest();
}

/** Return `length` bytes of HKDF; an empty salt is 32 zero bytes, as the RFC has it. */
export function hkdf(salt, secret, info, length) {
  const key = hmac(salt, secret);
  let all = new Uint8Array(0);
  let last = new Uint8Array(0);
  for (let i = 1; all.length < length; i += 1) {
    last = hmac(key, concat(last, info, Uint8Array.of(i)));
    all = concat(all, last);
  }
  return all.slice(0, length);
}

/** Return 32 bytes of PBKDF2: by WebCrypto where it is, else by our own rounds. */
export async function pbkdf2(password, salt, rounds) {
  if (!globalThis.crypto?.subtle) return ownPbkdf2(password, salt, rounds);
  const key = await crypto.subtle.importKey("raw", password, "PBKDF2", false, ["deriveBits"]);
  const how = { name: "PBKDF2", hash: "SHA-256", salt, iterations: rounds };
  return new Uint8Array(await crypto.subtle.deriveBits(how, key, 256));
}

/** Return the same without WebCrypto. It computes for seconds: only in a worker. */
export function ownPbkdf2(password, salt, rounds) {
  const { inner, outer } = keyed(password);
  const innerStart = inner.state.slice();
  const outerStart = outer.state.slice();
  // A digest in the place of a message: 8 words, the padding bit, and the length of both blocks.
  const message = new Int32Array(16);
  message[8] = 1 << 31;
  message[15] = (64 + 32) * 8;
  const state = new Int32Array(8);
  const sum = words(hmac(password, concat(salt, Uint8Array.of(0, 0, 0, 1))));
  message.set(sum);
  for (let round = 1; round < rounds; round += 1) {
    state.set(innerStart);
    compress(state, message);
    message.set(state);
    state.set(outerStart);
    compress(state, message);
    message.set(state);
    for (let i = 0; i < 8; i += 1) sum[i] ^= state[i];
  }
  const key = new Uint8Array(32);
  const view = new DataView(key.buffer);
  for (let i = 0; i < 8; i += 1) view.setInt32(i * 4, sum[i]);
  return key;
}

/** Return the two digests of HMAC, each with its block of key taken in. */
function keyed(key) {
  const short = key.length > 64 ? sha256(key) : key;
  const pads = [0x36, 0x5c].map((pad) => {
    const block = new Uint8Array(64).fill(pad);
    short.forEach((byte, at) => {
      block[at] ^= byte;
    });
    return new Sha256().update(block);
  });
  return { inner: pads[0], outer: pads[1] };
}

function words(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  return Int32Array.from({ length: 8 }, (_, i) => view.getInt32(i * 4));
}

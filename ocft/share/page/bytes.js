// Bytes and the texts that stand for them.

const ENCODER = new TextEncoder();
const BASE32 = "abcdefghijklmnopqrstuvwxyz234567";

/** Return a text as UTF-8. */
export function utf8(text) {
  return ENCODER.encode(text);
}

/** Return several byte arrays as one. */
export function concat(...parts) {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** Return a whole number as 8 bytes, big-endian; numbers here stay far below 2^53. */
export function uint64(number) {
  const bytes = new Uint8Array(8);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, Math.floor(number / 0x100000000));
  view.setUint32(4, number >>> 0);
  return bytes;
}

/** Return bytes as lower case hex. */
export function hex(bytes) {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Return bytes as base64url without padding. */
export function toBase64Url(bytes) {
  const text = btoa(String.fromCharCode(...bytes));
  return text.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/** Read base64url; null if it is none, or has not `size` bytes. */
export function fromBase64Url(text, size) {
  if (typeof text !== "string" || !/^[A-Za-z0-9_-]*$/.test(text)) return null;
  try {
    const raw = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
    const bytes = Uint8Array.from(raw, (letter) => letter.charCodeAt(0));
    return bytes.length === size ? bytes : null;
  } catch {
    return null; // atob refuses lengths that no bytes give
  }
}

/** Return bytes as base32 in lower case, without padding. */
export function toBase32(bytes) {
  let text = "";
  let bits = 0;
  let held = 0;
  for (const byte of bytes) {
    held = (held << 8) | byte;
    bits += 8;
    while (bits >= 5) {
      bits -= 5;
      text += BASE32[(held >>> bits) & 31];
    }
    held &= (1 << bits) - 1;
  }
  return bits ? text + BASE32[(held << (5 - bits)) & 31] : text;
}

/** Compare two byte arrays without stopping at the first difference. */
export function equal(one, other) {
  if (one.length !== other.length) return false;
  let difference = 0;
  for (let at = 0; at < one.length; at += 1) difference |= one[at] ^ other[at];
  return difference === 0;
}

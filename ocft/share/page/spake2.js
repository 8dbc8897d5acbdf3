// SPAKE2 over Ed25519, side A: proves a password without letting anybody guess it offline.
//
// As the Python package spake2 computes it: M and N are its points, K is the digest of its
// transcript. A page does this once for a typed password, in a worker; it is not constant in time.

import { concat, hex, utf8 } from "./bytes.js";
import { hkdf } from "./derivation.js";
import { sha256 } from "./sha256.js";

const Q = 2n ** 255n - 19n;
const L = 2n ** 252n + 27742317777372353535851937790883648493n;
const D = mod(-121665n * invert(121666n));
const ROOT_OF_MINUS_ONE = power(2n, (Q - 1n) / 4n);
const ZERO = [0n, 1n, 1n, 0n];
const BASE = decode(fromHex("58" + "66".repeat(31)));
const M = decode(fromHex("15cfd18e385952982b6a8f8c7854963b58e34388c8e6dae891db756481a02312"));
const N = decode(fromHex("f04f2e7eb734b2a8f8b472eaf9c3c632576ac64aea650b496a8a20ff00e583c3"));
const SIDE_A = 0x41;
const SIDE_B = 0x42;

/** One run of side A, good for one guess. */
export class SpakeA {
  /** `random` is 64 random bytes; tests give known ones. */
  constructor(password, idA, idB, random = crypto.getRandomValues(new Uint8Array(64))) {
    this.password = password;
    this.names = [idA, idB];
    this.scalar = bigEndian(hkdf(new Uint8Array(0), password, utf8("SPAKE2 pw"), 48)) % L;
    this.secret = bigEndian(random) % L;
    this.point = encode(add(multiply(BASE, this.secret), multiply(M, this.scalar)));
    this.message = concat(Uint8Array.of(SIDE_A), this.point);
  }

  /** Return K, 32 bytes, or null if this is no message of a side B. */
  finish(theirs) {
    if (theirs.length !== 33 || theirs[0] !== SIDE_B) return null;
    const point = theirs.subarray(1);
    const element = decode(point);
    if (!element || !isOfOurGroup(element) || hex(point) === hex(this.point)) return null;
    const unblinded = add(element, multiply(N, L - this.scalar));
    const shared = encode(multiply(unblinded, this.secret));
    const [idA, idB] = this.names.map((name) => sha256(utf8(name)));
    return sha256(concat(sha256(this.password), idA, idB, this.point, point, shared));
  }
}

function isOfOurGroup(point) {
  const [x, y, z] = multiply(point, L); // the neutral point of our group, and of no other
  return x === 0n && y === z && !(point[0] === 0n && point[1] === 1n);
}

function add([x1, y1, z1, t1], [x2, y2, z2, t2]) {
  const a = mod((y1 - x1) * (y2 - x2));
  const b = mod((y1 + x1) * (y2 + x2));
  const c = mod(2n * t1 * mod(t2 * D));
  const d = mod(2n * z1 * z2);
  const [e, f, g, h] = [b - a, d - c, d + c, b + a];
  return [mod(e * f), mod(g * h), mod(f * g), mod(e * h)];
}

function multiply(point, by) {
  let sum = ZERO;
  let doubled = point;
  for (let left = by; left > 0n; left >>= 1n) {
    if (left & 1n) sum = add(sum, doubled);
    doubled = add(doubled, doubled);
  }
  return sum;
}

function encode([x, y, z]) {
  const inverse = invert(z);
  let value = mod(y * inverse) | ((mod(x * inverse) & 1n) << 255n);
  return Uint8Array.from({ length: 32 }, () => {
    const byte = Number(value & 255n);
    value >>= 8n;
    return byte;
  });
}

/** Return a point, or null if the bytes are none, or not in the one form that it has. */
function decode(bytes) {
  const value = bigEndian(bytes.slice().reverse());
  const y = value & (2n ** 255n - 1n);
  if (y >= Q) return null;
  const squared = mod((y * y - 1n) * invert(mod(D * y * y + 1n)));
  let x = power(squared, (Q + 3n) / 8n);
  if (mod(x * x - squared) !== 0n) x = mod(x * ROOT_OF_MINUS_ONE);
  if (mod(x * x - squared) !== 0n) return null;
  const odd = value >> 255n;
  if (x === 0n && odd) return null;
  if ((x & 1n) !== odd) x = Q - x;
  return [x, y, 1n, mod(x * y)];
}

function mod(a) {
  const rest = a % Q;
  return rest < 0n ? rest + Q : rest;
}

function invert(a) {
  return power(mod(a), Q - 2n);
}

function power(base, exponent) {
  let result = 1n;
  let squared = base;
  for (let left = exponent; left > 0n; left >>= 1n) {
    if (left & 1n) result = mod(result * squared);
    squared = mod(squared * squared);
  }
  return result;
}

function bigEndian(bytes) {
  return BigInt(`0x${hex(bytes)}`);
}

function fromHex(text) {
  return Uint8Array.from(text.match(/../g), (byte) => parseInt(byte, 16));
}

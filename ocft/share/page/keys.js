// What comes from a code: the session's id and key, its streams, the proof of a password.
//
// docs/share-protocol.md, sections 1, 2 and 4. AES-256-GCM and PBKDF2 are WebCrypto's where the
// page has it (https, or the same machine), else our own.

import { OwnAesGcm } from "./aes_gcm.js";
import { concat, equal, fromBase64Url, toBase32, toBase64Url, uint64, utf8 } from "./bytes.js";
import { hkdf, hmac, pbkdf2 } from "./derivation.js";
import { ShareError } from "./errors.js";
import { SpakeA } from "./spake2.js";

export const RECORD = 1024 * 1024;
export const SEALED_RECORD = RECORD + 16;
const ROUNDS = 600_000;
const EMPTY = new Uint8Array(0);
const RECEIVER = "OCFT share receiver";
const SERVER = "OCFT share server";

/** Return how many records `size` bytes of content have; none is one empty record. */
export function recordCount(size) {
  return Math.max(1, Math.ceil(size / RECORD));
}

/** Return `{id, master}` of a code. */
export async function keysOf(code) {
  const master = await pbkdf2(utf8(code), utf8("OCFT share 1"), ROUNDS);
  return { id: toBase32(hkdf(EMPTY, master, utf8("OCFT share id"), 16)), master };
}

/** Return the session's key; `p` is what the server gives for a password, or empty. */
export function sessionKey(master, p = EMPTY) {
  return hkdf(p, master, utf8("OCFT share key"), 32);
}

/** Return 16 new random bytes for one stream. */
export function newSalt() {
  return crypto.getRandomValues(new Uint8Array(16));
}

/** The records of one stream of sealed bytes, content or manifest. */
export class Records {
  static async open(key, id, salt, count, stream = "data") {
    const streamKey = hkdf(salt, key, utf8(`OCFT share ${stream}`), 32);
    return new Records(await cipherFor(streamKey), utf8(`OCFT share 1${id}`), count);
  }

  constructor(cipher, bound, count) {
    this.cipher = cipher;
    this.bound = bound;
    this.count = count;
  }

  /** Return record `number`, sealed. */
  seal(number, plaintext) {
    return this.cipher.seal(...this.#frame(number), plaintext);
  }

  /** Return the plaintext of record `number`, or refuse it. */
  async unseal(number, sealed) {
    const plaintext = await this.cipher.open(...this.#frame(number), sealed);
    if (!plaintext) throw new ShareError("UNSEAL");
    return plaintext;
  }

  #frame(number) {
    const nonce = concat(new Uint8Array(4), uint64(number));
    return [nonce, concat(this.bound, uint64(number), uint64(this.count))];
  }
}

/** A password's proof towards the server (R-SHR-12). */
export class PasswordProof {
  static async begin(password, id) {
    const typed = utf8(password.normalize("NFC"));
    const verifier = await pbkdf2(typed, utf8(`OCFT share password${id}`), ROUNDS);
    return new PasswordProof(new SpakeA(verifier, RECEIVER, SERVER));
  }

  constructor(run) {
    this.run = run;
    this.message = toBase64Url(run.message);
  }

  /** Return our `mac`, or refuse a server that has another password: it learns nothing then. */
  answer(spake, mac) {
    const theirs = fromBase64Url(spake, 33);
    const shared = theirs && this.run.finish(theirs);
    const proof = fromBase64Url(mac, 32);
    if (!shared || !proof) throw new ShareError("BAD_ANSWER");
    const key = hkdf(EMPTY, shared, utf8("OCFT share mac"), 32);
    const messages = concat(this.run.message, theirs);
    if (!equal(proof, hmac(key, concat(utf8(SERVER), messages)))) {
      throw new ShareError("WRONG_PASSWORD");
    }
    this.sealKey = hkdf(EMPTY, shared, utf8("OCFT share p"), 44);
    return toBase64Url(hmac(key, concat(utf8(RECEIVER), messages)));
  }

  /** Return P. */
  async openP(sealed) {
    const bytes = fromBase64Url(sealed, 48);
    const cipher = await cipherFor(this.sealKey.slice(0, 32));
    const p = bytes && (await cipher.open(this.sealKey.slice(32), EMPTY, bytes));
    if (!p) throw new ShareError("BAD_ANSWER");
    return p;
  }
}

async function cipherFor(key) {
  if (!globalThis.crypto?.subtle) return new OwnAesGcm(key);
  const uses = ["encrypt", "decrypt"];
  return new BrowserAesGcm(await crypto.subtle.importKey("raw", key, "AES-GCM", false, uses));
}

class BrowserAesGcm {
  constructor(key) {
    this.key = key;
  }

  async seal(iv, additionalData, plaintext) {
    const how = { name: "AES-GCM", iv, additionalData };
    return new Uint8Array(await crypto.subtle.encrypt(how, this.key, plaintext));
  }

  async open(iv, additionalData, sealed) {
    const how = { name: "AES-GCM", iv, additionalData };
    try {
      return new Uint8Array(await crypto.subtle.decrypt(how, this.key, sealed));
    } catch (error) {
      if (error.name === "OperationError") return null; // the tag does not fit
      throw error;
    }
  }
}

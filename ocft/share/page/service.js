// The requests of docs/share-protocol.md, section 3.

import { concat, fromBase64Url, toBase64Url } from "./bytes.js";
import { ShareError } from "./errors.js";
import { PasswordProof } from "./keys.js";

const ANSWER = 60_000; // ms without an answer
const MAX_MANIFEST = 4 * 1024 * 1024 + 32;
const MAX_ANSWER = 64 * 1024;

/** A session at its server. */
export class Service {
  /** `base` is the address that `api/v1/...` follows on. */
  constructor(base, id) {
    this.address = `${base}api/v1/sessions/${id}`;
    this.id = id;
    this.token = null;
    this.download = null;
  }

  /** Return what anybody may know: state, needs_password, size, downloads_left. */
  async look() {
    return object(await this.#ask("GET", ""));
  }

  /** Become a receiver. */
  async join() {
    this.#enter(await this.#post("/downloads", {}));
  }

  /** Become a receiver by a password; return P. */
  async joinWithPassword(password) {
    const proof = await PasswordProof.begin(password, this.id);
    const challenge = await this.#post("/downloads", { spake: proof.message }, [401]);
    if (typeof challenge.try !== "string") throw new ShareError("NOT_AUTHORISED");
    const mac = proof.answer(challenge.spake, challenge.mac);
    const answer = await this.#post("/downloads", { try: challenge.try, mac });
    this.#enter(answer);
    return proof.openP(answer.p);
  }

  /** Return the sealed manifest. */
  async manifest() {
    const response = await this.#ask("GET", "/manifest");
    return bodyOf(response, MAX_MANIFEST);
  }

  /** Return `{salt, body}` of the sealed content from a byte on, if it has `size` bytes in all. */
  async content(from, size, signal) {
    const headers = from ? { Range: `bytes=${from}-` } : {};
    const response = await this.#ask("GET", "/content", { headers, signal });
    const salt = fromBase64Url(response.headers.get("OCFT-Salt"), 16);
    const [, begin, total] = from
      ? (/^bytes (\d+)-\d+\/(\d+)$/.exec(response.headers.get("Content-Range")) ?? [])
      : [null, "0", response.headers.get("Content-Encoding") ? null : response.headers.get("Content-Length")];
    const inPlace = response.status === (from ? 206 : 200) && Number(begin) === from;
    if (!salt || !inPlace || !response.body) throw new ShareError("BAD_ANSWER");
    // A proxy may leave the length out; then the end tells.
    if (total !== null && Number(total) !== size) throw new ShareError("BAD_MANIFEST");
    return { salt, body: response.body };
  }

  /** Hand in the receipt. Whether it arrives changes nothing for who received. */
  async receipt(result) {
    try {
      await this.#post(`/downloads/${this.download}/done`, result);
    } catch (error) {
      if (!(error instanceof ShareError)) throw error;
    }
  }

  async putManifest(sealed) {
    await this.#ask("PUT", "/manifest", { headers: OCTETS, body: sealed });
  }

  /** Send a piece of sealed content; return the offset after it. */
  async send(piece, offset, length, salt, signal) {
    const headers = {
      ...OCTETS,
      "Upload-Offset": String(offset),
      "Upload-Length": String(length),
      "OCFT-Salt": toBase64Url(salt),
    };
    const response = await this.#ask("PATCH", "/content", { headers, body: piece, signal });
    return offsetOf(response);
  }

  /** Return how much sealed content is stored, and under which salt. */
  async stored() {
    const response = await this.#ask("HEAD", "/content");
    return { offset: offsetOf(response), salt: response.headers.get("OCFT-Salt") };
  }

  async complete() {
    await this.#ask("POST", "/complete");
  }

  #enter(answer) {
    if (typeof answer.token !== "string" || typeof answer.download !== "string") {
      throw new ShareError("BAD_ANSWER");
    }
    this.token = answer.token;
    this.download = encodeURIComponent(answer.download);
  }

  async #post(path, value, alsoGood = []) {
    const headers = { "Content-Type": "application/json" };
    const body = JSON.stringify(value);
    const response = await this.#ask("POST", path, { headers, body, alsoGood });
    return response.status === 204 ? {} : object(response);
  }

  async #ask(method, path, { headers = {}, body, signal, alsoGood = [] } = {}) {
    const watch = new AbortController();
    const stop = () => watch.abort();
    const timer = setTimeout(stop, ANSWER);
    signal?.addEventListener("abort", stop); // stays: it also ends the body that follows
    let response;
    try {
      response = await fetch(this.address + path, {
        method,
        body,
        headers: this.token ? { ...headers, Authorization: `Bearer ${this.token}` } : headers,
        signal: watch.signal,
        cache: "no-store",
        credentials: "omit",
        redirect: "error",
        referrerPolicy: "no-referrer",
      });
    } catch (cause) {
      throw new ShareError("NETWORK", { retryable: true, cause });
    } finally {
      clearTimeout(timer);
    }
    if (response.ok || alsoGood.includes(response.status)) return response;
    throw await refusal(response);
  }
}

const OCTETS = { "Content-Type": "application/octet-stream" };

const BY_STATUS = {
  401: "NOT_AUTHORISED",
  404: "NO_SESSION",
  409: "CONFLICT",
  413: "TOO_LARGE",
  421: "WRONG_HOST",
  429: "RATE_LIMITED",
  503: "SHUTTING_DOWN",
  507: "NO_SPACE",
};

async function refusal(response) {
  const code = BY_STATUS[response.status];
  const retryAfter = secondsOf(response.headers.get("Retry-After"));
  if (response.status === 409 && (await saidCode(response)) === "SOURCE_CHANGED") {
    return new ShareError("SENDER_CHANGED");
  }
  await response.body?.cancel().catch(() => {});
  // A proxy in front that has lost its server answers 502 or 504; who was too slow gets 408.
  if (!code && (response.status >= 500 || response.status === 408)) return new ShareError("NETWORK", { retryable: true });
  const retryable = code === "SHUTTING_DOWN" || (code === "RATE_LIMITED" && retryAfter !== null);
  return new ShareError(code ?? "BAD_ANSWER", { retryable, retryAfter });
}

/** Read `Retry-After`: seconds, or a date as proxies write it. */
function secondsOf(text) {
  if (text === null) return null;
  const after = /^\d+$/.test(text) ? Number(text) : (Date.parse(text) - Date.now()) / 1000;
  return Number.isFinite(after) ? Math.max(0, after) : null;
}

async function object(response) {
  let value;
  try {
    value = JSON.parse(new TextDecoder().decode(await bodyOf(response, MAX_ANSWER)));
  } catch (cause) {
    if (cause instanceof ShareError) throw cause;
    throw new ShareError("BAD_ANSWER", { cause });
  }
  if (typeof value !== "object" || value === null) throw new ShareError("BAD_ANSWER");
  return value;
}

/** Return a body of at most `most` bytes; one that breaks off or stops is a lost connection. */
async function bodyOf(response, most) {
  const reader = response.body.getReader();
  let isLate = false;
  const timer = setTimeout(() => {
    isLate = true;
    reader.cancel();
  }, ANSWER);
  const pieces = [];
  let size = 0;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      size += value.length;
      if (size > most) break;
      pieces.push(value);
    }
  } catch (cause) {
    throw new ShareError("NETWORK", { retryable: true, cause });
  } finally {
    clearTimeout(timer);
  }
  if (size > most) {
    await reader.cancel();
    throw new ShareError("BAD_ANSWER");
  }
  if (isLate) throw new ShareError("NETWORK", { retryable: true });
  return concat(...pieces);
}

async function saidCode(response) {
  try {
    return JSON.parse(new TextDecoder().decode(await bodyOf(response, MAX_ANSWER))).error.code;
  } catch {
    return null; // the status says enough
  }
}

function offsetOf(response) {
  const text = response.headers.get("Upload-Offset") ?? "";
  if (!/^\d{1,15}$/.test(text)) throw new ShareError("BAD_ANSWER");
  return Number(text);
}

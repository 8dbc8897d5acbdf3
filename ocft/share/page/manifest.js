// The list of files as it travels: read from a sender, and made for one.

import { ShareError } from "./errors.js";
import { clash, isSafePart } from "./names.js";

const MAX_BYTES = 4 * 1024 * 1024;
const MAX_FILES = 10_000;
const MAX_TEXT = 200;
const MAX_NAME = 1024;
const MAX_PARTS = 32;
const DIGEST = /^[0-9a-f]{64}$/;

/** Read a manifest; everything that docs/share-protocol.md does not allow is refused. */
export function parseManifest(bytes) {
  if (bytes.length > MAX_BYTES) throw new ShareError("BAD_MANIFEST");
  let value;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new ShareError("BAD_MANIFEST", { cause });
  }
  require(hasOnly(value, ["v", "from", "note", "files"]) && value.v === 1);
  require(isText(value.from) && isText(value.note) && Array.isArray(value.files));
  require(value.files.length >= 1 && value.files.length <= MAX_FILES);
  let size = 0;
  for (const file of value.files) {
    require(hasOnly(file, ["name", "size", "digest"]) && isName(file.name));
    require(Number.isSafeInteger(file.size) && file.size >= 0);
    require(file.digest === null || (typeof file.digest === "string" && DIGEST.test(file.digest)));
    size += file.size;
  }
  require(Number.isSafeInteger(size) && !clash(value.files.map((file) => file.name)));
  return { from: value.from, note: value.note, files: value.files, size };
}

/** Return a manifest as UTF-8. */
export function packManifest(from, note, files) {
  const bytes = new TextEncoder().encode(JSON.stringify({ v: 1, from, note, files }));
  if (bytes.length > MAX_BYTES || files.length > MAX_FILES) throw new ShareError("TOO_LARGE");
  return bytes;
}

function require(holds) {
  if (!holds) throw new ShareError("BAD_MANIFEST");
}

function hasOnly(value, keys) {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  const has = Object.keys(value);
  return has.length === keys.length && keys.every((key) => Object.hasOwn(value, key));
}

function isText(value) {
  return typeof value === "string" && [...value].length <= MAX_TEXT;
}

function isName(name) {
  if (typeof name !== "string" || name !== name.normalize("NFC")) return false;
  if (new TextEncoder().encode(name).length > MAX_NAME) return false;
  const parts = name.split("/");
  return parts.length <= MAX_PARTS && parts.every((part, at) => isSafePart(part, at === 0));
}

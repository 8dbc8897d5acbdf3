// Names of files: which ones may be, and what becomes of those of this machine (R-MAN-2).
//
// The same rules as `ocft/storage/names.py`; a test compares the two.

const LOOK_ALIKES = /[\u2044\u2215\u2216\u2571\u2572\u27cb\u27cd\u29f5\u29f8\u29f9\ufe68\uff0f\uff3c<>:"|?*]/g;
const HIDDEN =
  /(?!\t)[\p{C}\p{Zl}\p{Zp}\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u2065\u3164\ufe00-\ufe0f\uffa0\ufff0-\ufff8\u{e0000}-\u{e0fff}]/gu;
// What Python's `\s` takes: JavaScript's would add U+FEFF, which is hidden anyway.
const BLANKS = /[\s\x1c-\x1f\x85\u2800]+/g;
const LEADERS = /^[.\-~\u2024\u2025\u2026\uff0e\uff0d\uff5e]/;
const DEVICE = /^(CON|PRN|AUX|NUL|CONIN\$|CONOUT\$|CLOCK\$|(COM|LPT)[0-9\u00b9\u00b2\u00b3])$/;
const MAX_BYTES = 200;
const MAX_EXTENSION = 20;
const MAX_PARTS = 32;
const NUMBER = " (10000)"; // the longest there can be
const MAX_PATH = 1024 - MAX_PARTS * NUMBER.length; // bytes: each part may get a number

/** Return a name for one file or folder that means itself everywhere. */
export function safeName(name) {
  let safe = name.split(/[/\\]/).pop().replace(LOOK_ALIKES, "_").replace(HIDDEN, "");
  safe = safe.normalize("NFC").replace(BLANKS, " ").replace(/^ +/, "").replace(/[ .]+$/, "");
  if (!safe) return "file";
  const device = safe.split(".")[0].replace(/ +$/, "").toUpperCase();
  if (LEADERS.test(safe) || DEVICE.test(device)) safe = `_${safe}`;
  const [stem, extension] = split(safe);
  return fit(stem, extension, MAX_BYTES).replace(/[ .]+$/, "");
}

/** Say whether a part of a name can stand as it is; inside a folder it may also be hidden. */
export function isSafePart(part, isTop) {
  const plain = !isTop && part.length > 1 && /^[.\-~]/.test(part) ? part.slice(1) : part;
  return part !== "" && safeName(plain) === plain;
}

/** Return safe relative names for files of this machine, that every receiver takes as a set. */
export function safePaths(paths) {
  const taken = new Set();
  const folders = new Set();
  const numbers = new Map(); // where to go on, or ten thousand equal names would take for ever
  const first = (above, [stem, extension], isFree) => {
    const plain = [...above, stem + extension].join("/");
    if (isFree(plain)) return stem + extension;
    const short = fit(stem.trimEnd(), NUMBER + extension, MAX_BYTES)
      .slice(0, -(NUMBER + extension).length)
      .trimEnd(); // two blanks are not safe
    const key = fold([...above, short + extension].join("/"));
    for (let number = numbers.get(key) ?? 1; ; number += 1) {
      const name = `${short} (${number})${extension}`;
      if (!isFree([...above, name].join("/"))) continue;
      numbers.set(key, number);
      return name;
    }
  };
  return paths.map((path) => {
    const parts = safeParts(path);
    const above = [];
    for (const part of parts.slice(0, -1)) {
      above.push(first(above, [part, ""], (name) => !taken.has(fold(name))));
      folders.add(fold(above.join("/")));
    }
    const isFree = (name) => !taken.has(fold(name)) && !folders.has(fold(name));
    const name = [...above, first(above, split(parts.at(-1)), isFree)].join("/");
    taken.add(fold(name));
    return name;
  });
}

/** Return the parts of a path, safe; of one that is too deep or too long only the last ones. */
function safeParts(path) {
  let parts = path.normalize("NFC").split("/").filter((part) => part !== "");
  if (!parts.length) parts = ["file"];
  for (;;) {
    const safe = parts.map((part, at) => (isSafePart(part, at === 0) ? part : safeName(part)));
    if (safe.length <= MAX_PARTS && size(safe.join("/")) <= MAX_PATH) return safe;
    parts = parts.slice(1);
  }
}

/** Return names without folders, for a browser's downloads; equal ones get numbers. */
export function flatNames(names) {
  return safePaths(names.map((name) => safeName(name.split("/").pop())));
}

/** Say whether two names are equal for some system, or one is also a folder of another. */
export function clash(names) {
  const taken = new Set(names.map(fold));
  if (taken.size < names.length) return true;
  return names.some((name) => foldersOf(name).some((folder) => taken.has(fold(folder))));
}

function foldersOf(name) {
  const parts = name.split("/");
  return parts.slice(1).map((_, at) => parts.slice(0, at + 1).join("/"));
}

/** Close enough to case folding: what differs only in case there does so here. */
function fold(name) {
  return name.normalize("NFKC").toUpperCase().toLowerCase().normalize("NFKC");
}

function split(name) {
  const dot = name.lastIndexOf(".");
  const extension = dot > 0 ? name.slice(dot) : "";
  if (!extension || size(extension) > MAX_EXTENSION) return [name, ""];
  return [name.slice(0, dot), extension];
}

function fit(stem, ending, limit) {
  let kept = stem;
  if (size(kept + ending) > limit) {
    kept = "";
    for (const letter of stem) {
      if (size(kept + letter + ending) > limit) break;
      kept += letter;
    }
  }
  return kept + ending;
}

function size(text) {
  return new TextEncoder().encode(text).length;
}

// The part of the address that the browser does not send: the code, and a sender's key.

import { fromBase64Url } from "./bytes.js";

const CODE = /^[0-9A-HJKMNP-TV-Z]{12}$/;

/** Read a code as somebody typed it (R-SHR-1); null if it is none. */
export function parseCode(text) {
  if (text.length > 64) return null;
  const plain = text.normalize("NFKC").replace(/[\s\p{Pd}\u2212]/gu, "").toUpperCase();
  const code = plain.replaceAll("O", "0").replace(/[IL]/g, "1");
  return CODE.test(code) ? code : null;
}

/** Read a fragment: `{code, senderKey}`, null if it is damaged, undefined if there is none. */
export function parseFragment(fragment) {
  const text = fragment.replace(/^#/, "");
  if (!text) return undefined;
  const [typed, senderKey = null, ...rest] = text.split(".");
  const code = parseCode(decode(typed));
  if (!code || rest.length || (senderKey !== null && !fromBase64Url(senderKey, 32))) return null;
  return { code, senderKey };
}

function decode(text) {
  try {
    return decodeURIComponent(text); // some programs write "%20" where somebody put a space
  } catch {
    return "";
  }
}

// What can go wrong, and what the page tells a person about it.

const WORDS = {
  BAD_LINK: "This link is not complete. Copy all of it, up to the last letter, and open it again.",
  NO_SESSION:
    "There is nothing under this link any more: it has expired, was used up, or was mistyped. Ask for a new one.",
  NOT_AUTHORISED: "This link does not give the right to do this. Ask for a new one.",
  WRONG_PASSWORD: "This is not the password. Mind capital letters, and try again.",
  RATE_LIMITED: "Too many attempts from here. The page tries again by itself after a pause.",
  PASSWORD_PAUSED: "Too many wrong passwords. Wait a moment before you try again.",
  PASSWORD_LOCKED:
    "There were too many wrong passwords, so nobody can open this link any more. Ask for a new one.",
  NETWORK: "The connection was lost and did not come back. Try again when you are online.",
  UNSEAL:
    "What arrived cannot be opened: it was changed on its way, or the link is not the right one. Nothing was saved.",
  DIGEST_MISMATCH: "What arrived is not what was sent, so nothing was saved. Try again.",
  BAD_ANSWER: "The server answered something that makes no sense. Nothing was saved.",
  BAD_MANIFEST: "The list of files is not valid, so nothing was fetched.",
  NO_SPACE: "There is not enough room for these files.",
  STORAGE_LOST: "This browser lost what it kept while it arrived, so nothing was saved. Try again.",
  TOO_LARGE: "This is more than the server takes.",
  WRONG_HOST: "The server does not know the address that this page was opened with. Ask for another link.",
  SENDER_CHANGED: "The sender's files were changed meanwhile, so they cannot be fetched any more. Ask for a new link.",
  CONFLICT: "Somebody else puts files in here at this moment, or they were sent already.",
  SHUTTING_DOWN: "The server is shutting down. Try again later.",
  SOURCE_CHANGED: "A file was changed or removed while it was sent. Choose the files again.",
  CANCELLED: "Stopped.",
  UNSUPPORTED: "This browser is too old for this page. Use a current one.",
  UNEXPECTED: "Something went wrong in this page. Load it again.",
};

/** An error that a person can be told, with a code that programs can read. */
export class ShareError extends Error {
  /**
   * `retryable`: whether the same may work a moment later; `retryAfter`: seconds, if the server
   * said how many.
   */
  constructor(code, { retryable = false, retryAfter = null, cause = undefined } = {}) {
    super(WORDS[code] ?? WORDS.UNEXPECTED, { cause });
    this.code = WORDS[code] ? code : "UNEXPECTED";
    this.retryable = retryable;
    this.retryAfter = retryAfter;
  }
}

/** Return any error as one of ours. */
export function asShareError(error) {
  if (error instanceof ShareError) return error;
  if (error?.name === "QuotaExceededError") return new ShareError("NO_SPACE", { cause: error });
  if (error?.name === "NotReadableError" || error?.name === "NotFoundError") {
    return new ShareError("SOURCE_CHANGED", { cause: error });
  }
  return new ShareError("UNEXPECTED", { cause: error });
}

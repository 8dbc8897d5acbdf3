// What both flows share: the worker, the password, progress, errors, stopping and going on.

import { formatSeconds } from "./format.js";
import { Rate } from "./rate.js";
import { publish, shown } from "./state.js";
import { hideError, part, say, sayError, showOnly, showProgress } from "./view.js";

const BASE = new URL("../", window.location.href.split("#")[0]);
const REFRESH = 250; // ms between two changes of the figures
const READ_OUT = 25; // per cent between two sentences for screen readers

/** A worker with a session in it. The flow sets `on.<happened>`, `stopped` and `goOn`. */
export class Transfer {
  constructor(link) {
    this.link = link;
    this.on = {
      locked: () => this.#askForPassword(),
      "not-there-yet": () => say("Waiting for the sender", "There are no files yet. This page opens them as soon as they come."),
      begun: ({ total }) => this.#begin(total),
      progress: ({ bytes }) => this.#progress(bytes),
      waiting: ({ seconds, code }) => this.#waiting(seconds, code),
      checking: ({ bytes }) => this.#checking(bytes),
      failed: (failure) => this.#fail(failure),
    };
    this.worker = new Worker(new URL("worker.js", import.meta.url), { type: "module" });
    this.worker.onmessage = ({ data }) => this.on[data.happened](data);
    this.worker.onerror = () => this.#fail({ error: { code: "UNEXPECTED", message: LOAD_AGAIN } });
    part("cancel").onclick = () => {
      part("cancel").disabled = true;
      this.worker.postMessage({ do: "cancel" });
    };
    part("password-form").onsubmit = (event) => {
      event.preventDefault();
      this.#unlock();
    };
  }

  /** Begin; `saved` is what this tab kept of an earlier visit. */
  open(saved) {
    const { code, senderKey } = this.link;
    this.worker.postMessage({ do: "open", code, senderKey, base: BASE.href, saved });
  }

  /** Tell the worker to do something that moves bytes. */
  move(what) {
    this.last = what;
    this.#hold(true);
    showOnly(...this.whileMoving);
    part("cancel").disabled = false;
    part("cancel").focus();
    publish({ state: "transferring", error: null });
    this.worker.postMessage(what);
  }

  /** It is over, well. */
  finish(title, status, parts) {
    this.#hold(false);
    part("read-out").textContent = "";
    say(title, status);
    showOnly(...parts);
    document.querySelector("main").classList.add("done");
    part("title").focus();
    publish({ state: "done", secondsLeft: null, error: null });
  }

  #begin(total) {
    this.rate = new Rate();
    this.drawn = 0;
    this.readOut = 0;
    this.total = total;
    say(this.words.moving, this.words.stay);
    publish({ bytes: 0, total, bytesPerSecond: 0, secondsLeft: null });
    showProgress(shown());
  }

  #progress(bytes) {
    const now = performance.now();
    this.rate.note(bytes, now);
    if (now - this.drawn < REFRESH && bytes < this.total) return;
    this.drawn = now;
    const bytesPerSecond = Math.round(this.rate.bytesPerSecond);
    publish({ bytes, total: this.total, bytesPerSecond, secondsLeft: this.rate.secondsLeft(this.total) });
    showProgress(shown());
    const percent = this.total ? Math.floor((bytes / this.total) * 100) : 100;
    const step = Math.floor(percent / READ_OUT) * READ_OUT;
    if (step > this.readOut && step < 100) {
      this.readOut = step;
      part("read-out").textContent = `${step} %`;
    }
    say(this.words.moving, this.words.stay);
    document.title = `${percent} % · OCFT`;
  }

  /** What an earlier visit left is read from disk: no speed of the network. */
  #checking(bytes) {
    say("Checking", "Checking what came earlier.");
    publish({ bytes });
    showProgress(shown());
  }

  #waiting(seconds, code) {
    if (seconds) {
      publish({ bytesPerSecond: 0, secondsLeft: null });
      showProgress(shown());
      say(PAUSES[code] ?? PAUSES.NETWORK, `Trying again in ${formatSeconds(Math.ceil(seconds))}.`);
      if (this.rate) this.rate = new Rate();
    } else {
      say(this.words.moving, "Connecting.");
    }
  }

  #askForPassword(message) {
    say("A password is needed", "Whoever sent you this link knows it.");
    showOnly("password-form");
    if (message) sayError(message);
    part("password").ariaInvalid = message ? "true" : null;
    for (const field of part("password-form").querySelectorAll("input, button")) field.disabled = false;
    part("password").focus();
    part("password").select();
    publish({ state: "locked" });
  }

  #unlock() {
    const password = part("password").value;
    if (!password) return;
    for (const field of part("password-form").querySelectorAll("input, button")) field.disabled = true;
    hideError();
    publish({ error: null });
    say("A password is needed", "Checking the password.");
    this.worker.postMessage({ do: "unlock", password });
  }

  #fail({ during, error, retryAfter }) {
    this.#hold(false);
    if (error.code === "CANCELLED") {
      publish({ state: "ready", error: null, bytesPerSecond: 0, secondsLeft: null });
      this.stopped();
      return;
    }
    if (during === "unlock") {
      this.#wrongPassword(error, retryAfter);
      return;
    }
    // Going on needs the worker as it is; everything else begins anew.
    const goesOn = this.last && GOES_ON.includes(error.code);
    const isOffered = goesOn || AGAIN.includes(error.code);
    say(this.words.failed, "");
    showOnly("error", ...(isOffered ? ["retry"] : []), ...(goesOn ? ["moving"] : []));
    sayError(error.message);
    part("retry").onclick = () => (goesOn ? this.goOn() : window.location.reload());
    part(isOffered ? "retry" : "title").focus();
    publish({ state: "failed", error, bytesPerSecond: 0, secondsLeft: null });
  }

  #wrongPassword(error, retryAfter) {
    let { code, message } = error;
    if (code === "RATE_LIMITED") {
      code = retryAfter === null ? "PASSWORD_LOCKED" : "PASSWORD_PAUSED";
      message =
        retryAfter === null
          ? "There were too many wrong passwords, so nobody can open this link any more. Ask for a new one."
          : `Too many wrong passwords. Try again in ${formatSeconds(Math.ceil(retryAfter))}.`;
    }
    if (["WRONG_PASSWORD", "PASSWORD_PAUSED", "NETWORK"].includes(code)) {
      this.#askForPassword(message);
    } else {
      say(this.words.failed, "");
      showOnly("error");
      sayError(message);
      publish({ state: "failed" });
    }
    publish({ error: { code, message } });
  }

  /** While bytes move: no screen lock on a phone, and no closing of the page by mistake. */
  #hold(moving) {
    window.onbeforeunload = moving && this.warnsOnLeave ? (event) => event.preventDefault() : null;
    if (moving && navigator.wakeLock) {
      navigator.wakeLock.request("screen").then(
        (lock) => {
          this.lock = lock;
        },
        () => {}, // an empty battery may refuse it; then the screen locks as usual
      );
    } else {
      this.lock?.release();
      this.lock = null;
    }
  }
}

const LOAD_AGAIN = "This page did not load completely. Load it again.";
const PAUSES = {
  NETWORK: "Connection lost",
  RATE_LIMITED: "The server is busy",
  SHUTTING_DOWN: "The server is busy",
  UNSEAL: "Something was damaged on its way",
};
const GOES_ON = ["NETWORK", "RATE_LIMITED", "SHUTTING_DOWN", "NO_SPACE"];
const AGAIN = ["DIGEST_MISMATCH", "UNSEAL", "BAD_ANSWER", "UNEXPECTED", "NETWORK", "RATE_LIMITED", "SHUTTING_DOWN", "SOURCE_CHANGED", "CONFLICT", "STORAGE_LOST", "TOO_LARGE"];

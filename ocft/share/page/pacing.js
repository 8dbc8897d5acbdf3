// Waiting for a connection that was lost to come back.

import { ShareError, asShareError } from "./errors.js";

const PAUSES = [1, 2, 4, 8]; // seconds; the last one repeats
const PATIENCE = 90; // seconds of pauses without a byte in between

/** Repeats something until it is through, with pauses that end early when the network is back. */
export class Persistence {
  /** `waiting` is told the seconds of each pause and the reason's code, and 0 after it. */
  constructor(waiting, signal) {
    this.waiting = waiting;
    this.signal = signal;
    this.progressed();
  }

  /** Something came through: the pauses begin anew. */
  progressed() {
    this.tries = 0;
    this.waited = 0;
  }

  /** Run `attempt` until it returns, or fails for good. */
  async run(attempt) {
    for (;;) {
      this.#stopIfCancelled();
      try {
        return await attempt();
      } catch (error) {
        this.#stopIfCancelled();
        const known = asShareError(error);
        const own = PAUSES[Math.min(this.tries, PAUSES.length - 1)];
        const pause = Math.max(own, known.retryAfter ?? 0);
        if (!known.retryable || this.waited + pause > PATIENCE) throw known;
        this.tries += 1;
        this.waited += pause;
        this.waiting(pause, known.code);
        await sleep(pause, this.signal);
        this.waiting(0);
      }
    }
  }

  #stopIfCancelled() {
    if (this.signal.aborted) throw new ShareError("CANCELLED");
  }
}

function sleep(seconds, signal) {
  return new Promise((resolve) => {
    const over = () => {
      clearTimeout(timer);
      globalThis.removeEventListener("online", over);
      signal.removeEventListener("abort", over);
      resolve();
    };
    const timer = setTimeout(over, seconds * 1000);
    globalThis.addEventListener("online", over);
    signal.addEventListener("abort", over);
  });
}

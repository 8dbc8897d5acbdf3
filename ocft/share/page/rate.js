// How fast it goes, and how long it will take.

const WINDOW = 5000; // ms that are looked back

/** Speed over the last seconds, so that a pause or a burst does not stay in it. */
export class Rate {
  constructor() {
    this.seen = [];
  }

  /** Note how many bytes there are at a time in ms. */
  note(bytes, now) {
    this.seen.push({ bytes, now });
    while (this.seen.length > 2 && now - this.seen[1].now >= WINDOW) this.seen.shift();
  }

  /** Return bytes a second. */
  get bytesPerSecond() {
    if (this.seen.length < 2) return 0;
    const first = this.seen[0];
    const last = this.seen.at(-1);
    const seconds = (last.now - first.now) / 1000;
    return seconds > 0 ? Math.max(0, (last.bytes - first.bytes) / seconds) : 0;
  }

  /** Return the seconds that are left, or null as long as nobody can know. */
  secondsLeft(total) {
    const speed = this.bytesPerSecond;
    if (!speed || this.seen.at(-1).now - this.seen[0].now < 1000) return null;
    return Math.ceil((total - this.seen.at(-1).bytes) / speed);
  }
}

// The flow of a person who gets files.

import { formatBytes, formatFiles } from "./format.js";
import { forgetLater } from "./forgetting.js";
import { flatNames } from "./names.js";
import { chooseFiles, saveBlob, startStream, wayToSave } from "./saving.js";
import { publish } from "./state.js";
import { freezeChoice, listFiles, part, say, sayError, showOnly, showSender } from "./view.js";

const SAVED = "ocft:download"; // in this tab only; gone when it is closed
const BIG = 500_000_000; // bytes that are worth a warning where they stay in memory
const BETWEEN = 400; // ms between two files, or browsers take them for one

export class DownloadPage {
  constructor(transfer) {
    this.transfer = transfer;
    transfer.words = {
      moving: "Downloading",
      stay: "Keep this page open.",
      failed: "This did not work",
    };
    transfer.whileMoving = ["files-section", "moving", "cancel"];
    transfer.stopped = () =>
      this.way === "staged"
        ? this.#ready("Stopped. What came so far is kept for this page.", "Go on", true)
        : this.#ready("Stopped. What came so far was thrown away.", "Download", true);
    transfer.again = () => transfer.last;
    transfer.on.manifest = (manifest) => this.#show(manifest);
    transfer.on.saving = () => publish({ state: "saving" });
    transfer.on.received = ({ files, place }) => this.#save(files, place);
    transfer.on.written = () => this.#written();
    transfer.on.stream = ({ index, size, port }) => startStream(this.names[index], size, port);
    part("download").onclick = () => this.#download();
    say("One moment", "Looking for the files.");
    transfer.open(JSON.parse(sessionStorage.getItem(SAVED) ?? "null"));
  }

  #show({ from, note, files, saved, room }) {
    sessionStorage.setItem(SAVED, JSON.stringify(saved));
    Object.assign(this, { files, room });
    this.names = flatNames(files.map((file) => file.name));
    this.wanted = files.map((_, index) => index);
    publish({ files, from, state: "ready" });
    showSender(from, note);
    const choose = files.length > 1 ? (wanted) => this.#choose(wanted) : null;
    listFiles(files, { choose });
    this.#ready("Nothing is fetched before you say so.");
    part("title").focus();
  }

  #ready(status, verb = "Download", wasStopped = false) {
    this.verb = verb;
    say(this.files.length === 1 ? "A file for you" : `${this.files.length} files for you`, status);
    showOnly("files-section", "download");
    freezeChoice(false);
    if (wasStopped) part("download").focus(); // the button that had the focus went away
    this.#choose(this.wanted);
  }

  #choose(wanted) {
    this.wanted = wanted;
    const size = wanted.reduce((sum, index) => sum + this.files[index].size, 0);
    const what = this.files.length === 1 ? "" : ` ${formatFiles(wanted.length)}`;
    part("download").textContent = `${this.verb}${what} (${formatBytes(size)})`;
    part("download").disabled = !wanted.length;
    this.way = wayToSave(size, this.room);
    const inMemory = this.way === "staged" && this.room.kind === "memory" && size > BIG;
    part("warning").hidden = !inMemory;
    part("warning").textContent =
      "This browser has no room to keep so much on disk while it arrives, so it may run out of memory. A private window is often the reason.";
  }

  async #download() {
    let handles = null;
    if (this.way === "chosen") {
      try {
        handles = await chooseFiles(new Map(this.wanted.map((index) => [index, this.names[index]])));
      } catch {
        sayError("The browser does not let this page write there. Choose another place.");
        return;
      }
      if (!handles) return; // the person closed the dialog
    }
    part("error").hidden = true;
    freezeChoice(true);
    this.transfer.move({ do: "fetch", wanted: this.wanted, way: this.way, handles });
  }

  async #save(received, place) {
    const named = received.map(({ index, blob }) => ({ blob, name: this.names[index], size: blob.size }));
    const again = { label: "Save again", run: (row) => saveBlob(named[row].blob, named[row].name) };
    sessionStorage.removeItem(SAVED);
    listFiles(named, { act: again });
    const what = named.length === 1 ? "The file is" : `All ${named.length} files are`;
    const where = `Your browser saves ${named.length === 1 ? "it" : "them"} with its other downloads.`;
    this.transfer.finish("Done", `${what} here, complete and unchanged. ${where}`, ["files-section"]);
    for (const [row, { blob, name }] of named.entries()) {
      if (row) await new Promise((resolve) => setTimeout(resolve, BETWEEN));
      saveBlob(blob, name);
    }
    if (!place) return;
    const size = named.reduce((sum, file) => sum + file.size, 0);
    await forgetLater(place, size, () => listFiles(named));
  }

  #written() {
    sessionStorage.removeItem(SAVED);
    const what = this.wanted.length === 1 ? "The file is" : `All ${this.wanted.length} files are`;
    freezeChoice(true);
    this.transfer.finish("Done", `${what} saved, complete and unchanged.`, ["files-section"]);
  }
}

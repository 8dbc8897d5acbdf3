// The flow of a person who gets files.

import { formatBytes, formatFiles } from "./format.js";
import { forgetLater } from "./forgetting.js";
import { flatNames } from "./names.js";
import { chooseFiles, nameOfBundle, saveBlob, startStream, wayToSave } from "./saving.js";
import { publish } from "./state.js";
import { freezeChoice, hideError, listFiles, part, say, sayError, showOnly, showSender } from "./view.js";

const SAVED = "ocft:download"; // in this tab only; gone when it is closed
const BIG = 500_000_000; // bytes that are worth a warning where they stay in memory
const BETWEEN = 400; // ms between two files, or browsers take them for one
const SINGLY = 20; // files; more of them are saved as one .zip

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
    transfer.goOn = () => (this.way === "staged" ? transfer.move(transfer.last) : this.#download());
    transfer.on.manifest = (manifest) => this.#show(manifest);
    transfer.on.saving = () => publish({ state: "saving" });
    transfer.on.received = ({ files, bundle, place }) => this.#save(files, bundle, place);
    transfer.on.written = () => this.#written();
    transfer.on.stream = ({ index, size, port }) =>
      startStream(this.names[index], size, port).catch((error) => {
        console.error(error);
        transfer.worker.postMessage({ do: "refuse" });
      });
    part("download").onclick = () => this.#download();
    say("One moment", "Looking for the files.");
    transfer.open(recall());
  }

  #show({ from, note, files, saved, room }) {
    remember(saved);
    Object.assign(this, { files, room });
    this.names = flatNames(files.map((file) => file.name));
    this.wanted = files.map((_, index) => index);
    publish({ files, from, state: "ready" });
    showSender(from, note);
    const choose = (wanted) => {
      this.verb = "Download"; // others than those that came so far
      this.#choose(wanted);
    };
    listFiles(files, files.length > 1 ? { choose } : {});
    this.#ready("Nothing is fetched before you say so.");
    part("title").focus();
  }

  #ready(status, verb = "Download", wasStopped = false) {
    this.verb = verb;
    say(this.files.length === 1 ? "A file for you" : `${formatFiles(this.files.length)} for you`, status);
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
    this.way = wayToSave(size, this.room);
    this.isBundle = this.way === "staged" && wanted.length > SINGLY;
    this.#warn(size);
  }

  #warn(size) {
    const isTooMuch = this.way !== "staged" && this.wanted.length > SINGLY;
    let warning = "";
    if (isTooMuch) {
      warning = `This browser has no room to keep so much while it arrives. Choose at most ${SINGLY} files at a time, or fewer bytes.`;
    } else if (this.way === "staged" && this.room.kind === "memory" && size > BIG) {
      warning =
        "This browser has no room to keep so much on disk while it arrives, so it may run out of memory. A private window is often the reason.";
    } else if (this.isBundle) {
      warning = `So many files are saved as one, ${this.#nameOfBundle()}.`;
    }
    part("download").disabled = isTooMuch || !this.wanted.length;
    part("warning").hidden = !warning;
    part("warning").textContent = warning;
  }

  #nameOfBundle() {
    return nameOfBundle(this.wanted.map((index) => this.files[index].name));
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
    hideError();
    freezeChoice(true);
    const { wanted, way, isBundle } = this;
    this.transfer.move({ do: "fetch", wanted, way, handles, isBundle });
  }

  async #save(received, bundle, place) {
    remember(null);
    const rows = received.map(({ index, blob }) => {
      const name = this.names[index];
      return { blob, as: name, name: bundle ? this.files[index].name : name, size: blob.size };
    });
    const saved = bundle ? [{ blob: bundle, as: this.#nameOfBundle(), size: bundle.size }] : rows;
    // The browser may not let the page save so many by itself.
    listFiles(rows, { act: { label: "Save", run: (row) => saveBlob(rows[row].blob, rows[row].as) } });
    part("save").textContent = `Save ${saved[0].as}`;
    part("save").onclick = () => saveBlob(saved[0].blob, saved[0].as);
    const what = rows.length === 1 ? "The file is" : `All ${formatFiles(rows.length)} are`;
    const how = bundle ? `them as ${saved[0].as}` : `${rows.length === 1 ? "it" : "them"} with its other downloads`;
    const status = `${what} here, complete and unchanged. Your browser saves ${how}.`;
    this.transfer.finish("Done", status, ["files-section", ...(bundle ? ["save"] : [])]);
    for (const [row, { blob, as }] of saved.entries()) {
      if (row) await new Promise((resolve) => setTimeout(resolve, BETWEEN));
      saveBlob(blob, as);
    }
    if (!place) return;
    const size = saved.reduce((sum, file) => sum + file.size, 0);
    await forgetLater(place, size, () => {
      part("save").hidden = true;
      listFiles(rows);
    });
  }

  #written() {
    remember(null);
    const what = this.wanted.length === 1 ? "The file is" : `All ${formatFiles(this.wanted.length)} are`;
    freezeChoice(true);
    this.transfer.finish("Done", `${what} saved, complete and unchanged.`, ["files-section"]);
  }
}

/** Keep what a reload needs. Without storage (switched off) a reload only begins anew. */
function remember(saved) {
  try {
    sessionStorage.setItem(SAVED, JSON.stringify(saved));
  } catch {
    return;
  }
}

function recall() {
  try {
    return JSON.parse(sessionStorage.getItem(SAVED));
  } catch {
    return null;
  }
}

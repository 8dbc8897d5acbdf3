// The flow of a person who puts files in for somebody.

import { formatBytes, formatFiles } from "./format.js";
import { safePaths } from "./names.js";
import { publish } from "./state.js";
import { listFiles, part, say, sayError, showOnly } from "./view.js";

const MAX_FILES = 10_000;

export class UploadPage {
  constructor(transfer) {
    this.transfer = transfer;
    this.chosen = []; // {file, path}
    transfer.words = {
      moving: "Sending",
      stay: "Keep this page open until it is done.",
      failed: "This did not work",
    };
    transfer.whileMoving = ["files-section", "moving", "cancel"];
    transfer.warnsOnLeave = true;
    transfer.stopped = () => this.#ready("Stopped.", "Go on");
    transfer.goOn = () => transfer.move({ do: "send", files: null });
    transfer.on["upload-ready"] = () => this.#ready("");
    transfer.on.sent = () => this.#sent();
    part("upload").onclick = () => this.#send();
    this.#listen();
    say("One moment", "Looking whether files can be put in here.");
    transfer.open(null);
  }

  #listen() {
    part("pick-files").onclick = () => part("file-input").click();
    part("pick-folder").onclick = () => part("folder-input").click();
    for (const id of ["file-input", "folder-input"]) {
      part(id).onchange = () => {
        this.#add([...part(id).files].map((file) => ({ file, path: file.webkitRelativePath || file.name })));
        part(id).value = ""; // the same file can be chosen again after it was removed
      };
    }
    const zone = part("drop-zone");
    // The whole page takes what is dropped: beside the zone the browser would open the file.
    document.addEventListener("dragover", (event) => {
      event.preventDefault();
      zone.classList.toggle("over", this.open === true);
    });
    document.addEventListener("dragleave", (event) => {
      if (!event.relatedTarget) zone.classList.remove("over");
    });
    document.addEventListener("drop", async (event) => {
      event.preventDefault();
      zone.classList.remove("over");
      // Entries are only there while the event is handled.
      const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry?.());
      const plain = [...event.dataTransfer.files];
      if (!this.open) return;
      if (!entries.some(Boolean)) {
        this.#add(plain.map((file) => ({ file, path: file.name })));
        return;
      }
      try {
        this.#add((await Promise.all(entries.map(filesOf))).flat());
      } catch {
        sayError("Some of these cannot be read, so nothing was added.");
      }
    });
  }

  #add(found) {
    if (!this.open) return;
    this.isNew = true;
    const taken = found.slice(0, MAX_FILES - this.chosen.length);
    this.chosen.push(...taken);
    this.#ready(taken.length ? `${formatFiles(taken.length)} added.` : "");
    if (taken.length < found.length) sayError(`One link takes ${formatFiles(MAX_FILES)}; the others were left out.`);
  }

  #ready(status, verb = "Send") {
    this.open = true;
    const names = safePaths(this.chosen.map(({ path }) => path));
    this.files = this.chosen.map(({ file }, i) => ({ file, name: names[i] }));
    const rows = this.files.map(({ file, name }) => ({ name, size: file.size }));
    const act = { label: "Remove", run: (index) => this.#remove(index) };
    listFiles(rows, { act });
    publish({ state: "ready", files: rows });
    say("Send files", status || "They are encrypted on this device, and only the one who gave you this link can open them.");
    const size = rows.reduce((sum, row) => sum + row.size, 0);
    part("upload").textContent = `${verb} ${formatFiles(rows.length)} (${formatBytes(size)})`;
    showOnly("upload-form", ...(rows.length ? ["files-section", "upload-words", "upload"] : []));
  }

  #remove(index) {
    this.isNew = true;
    const { name } = this.files[index];
    this.chosen.splice(index, 1);
    this.#ready(`${name} removed.`);
    const left = part("files").querySelectorAll("button");
    (left[Math.min(index, left.length - 1)] ?? part("pick-files")).focus();
  }

  #send() {
    this.open = false;
    // The same files go on where they were stopped; others begin anew.
    const files = this.isNew ? this.files : null;
    this.isNew = false;
    listFiles(this.files.map(({ file, name }) => ({ name, size: file.size })));
    const [from, note] = [part("from").value.trim(), part("message").value.trim()];
    this.transfer.move({ do: "send", files, from, note });
  }

  #sent() {
    this.transfer.finish("Done", "Everything arrived. You can close this page.", ["files-section"]);
  }
}

/** Return the files below an entry of the system's file manager, with their relative paths. */
async function filesOf(entry) {
  if (!entry) return [];
  if (entry.isFile) {
    const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
    return [{ file, path: entry.fullPath.replace(/^\//, "") }];
  }
  const reader = entry.createReader();
  const found = [];
  for (;;) {
    // It gives a hundred at a time, and none at the end.
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!some.length) break;
    for (const one of some) found.push(...(await filesOf(one)));
    if (found.length > MAX_FILES) break;
  }
  return found;
}

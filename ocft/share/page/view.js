// Puts texts and parts of the page in and out. All that others wrote goes in as text, never as HTML.

import { formatBytes, formatFiles, formatSeconds } from "./format.js";

const SCROLLS = 8; // rows; so many may not fit
const SHOWN_FILES = 500; // rows; more only make a phone slow

/** Return a part of the page. */
export function part(id) {
  return document.getElementById(id);
}

/** Show exactly these of the parts that come and go. */
export function showOnly(...ids) {
  for (const id of PARTS) part(id).hidden = !ids.includes(id);
  if (!ids.includes("error")) hideError();
}

const PARTS = [
  "code-form", "password-form", "error", "upload-form", "files-section", "upload-words", "moving",
  "warning", "download", "upload", "save", "retry", "cancel",
];

/** Say where things stand; screen readers read it out when it changes. */
export function say(title, status) {
  if (part("title").textContent !== title) part("title").textContent = title;
  if (part("status").textContent !== status) part("status").textContent = status;
  document.title = `${title} · OCFT`;
  part("status").hidden = !status;
}

/** Show an error. */
export function sayError(message) {
  part("error").textContent = message;
  part("error").hidden = false;
}

/** Fields are described by it, so no text stays behind. */
export function hideError() {
  part("error").textContent = "";
  part("error").hidden = true;
}

/** Show who sends, and what they wrote. */
export function showSender(from, note) {
  part("sender").hidden = !from;
  if (from) part("sender").replaceChildren("From ", isolated(from));
  part("note").hidden = !note;
  if (note) part("note").replaceChildren(isolated(note));
}

/**
 * List files. `choose(indexes)` is told which are ticked; `act` gives a button to each row:
 * `{label, run(index)}`. Of very many only the first have rows of their own.
 */
export function listFiles(files, { choose = null, act = null } = {}) {
  const shown = files.slice(0, SHOWN_FILES);
  const rest = files.slice(SHOWN_FILES);
  const boxes = [];
  const ticked = () => {
    const areOn = boxes.map((box) => box.checked);
    part("all").checked = areOn.every(Boolean);
    choose(files.flatMap((_, index) => (areOn[Math.min(index, SHOWN_FILES)] ? [index] : [])));
  };
  const rowOf = (words) => {
    const row = document.createElement("li");
    if (choose) {
      const box = document.createElement("input");
      box.type = "checkbox";
      box.checked = true;
      box.addEventListener("change", ticked);
      boxes.push(box);
      const label = document.createElement("label");
      label.append(box, ...words);
      row.append(label);
    } else {
      row.append(...words);
    }
    return row;
  };
  const rows = shown.map((file, index) => {
    const row = rowOf([nameOf(file.name), textIn("span", "size", formatBytes(file.size))]);
    if (act) {
      const button = textIn("button", "quiet small", act.label);
      button.type = "button";
      button.setAttribute("aria-label", `${act.label} ${file.name}`);
      button.addEventListener("click", () => act.run(index));
      row.append(button);
    }
    return row;
  });
  const sizeOf = (some) => formatBytes(some.reduce((sum, file) => sum + file.size, 0));
  if (rest.length) {
    const words = `and ${formatFiles(rest.length)} more`;
    rows.push(rowOf([textIn("span", "name", words), textIn("span", "size", sizeOf(rest))]));
  }
  part("files").replaceChildren(...rows);
  // A list that scrolls has to be reached by the keyboard, if nothing in it can.
  part("files").tabIndex = choose || act || rows.length < SCROLLS ? -1 : 0;
  part("files-title").textContent = `${formatFiles(files.length)}, ${sizeOf(files)}`;
  part("all-label").hidden = !choose;
  part("all").checked = true;
  part("all").onchange = () => {
    for (const box of boxes) box.checked = part("all").checked;
    ticked();
  };
}

/** Nobody changes the choice while it is fetched. */
export function freezeChoice(frozen) {
  for (const box of document.querySelectorAll("#files-section input")) box.disabled = frozen;
}

/** Show how far it is. */
export function showProgress({ bytes, total, bytesPerSecond, secondsLeft }) {
  part("progress").max = total || 1;
  part("progress").value = total ? bytes : 1;
  part("amount").textContent = `${formatBytes(bytes)} of ${formatBytes(total)}`;
  part("speed").textContent = bytesPerSecond ? `${formatBytes(Math.round(bytesPerSecond))}/s` : "";
  part("time-left").textContent = secondsLeft ? `${formatSeconds(secondsLeft)} left` : "";
}

/** Folders in a quieter colour, so that the name itself is seen first. */
function nameOf(name) {
  const cut = name.lastIndexOf("/") + 1;
  const whole = document.createElement("bdi");
  whole.className = "name";
  if (cut) whole.append(textIn("span", "folder", name.slice(0, cut)));
  whole.append(name.slice(cut));
  return whole;
}

/** Text that cannot turn around the text beside it. */
function isolated(text) {
  return textIn("bdi", "", [...text].filter((letter) => !/(?!\n)\p{C}/u.test(letter)).join(""));
}

function textIn(tag, className, text) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.textContent = text;
  return element;
}

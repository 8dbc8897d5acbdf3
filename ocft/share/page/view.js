// Puts texts and parts of the page in and out. All that others wrote goes in as text, never as HTML.

import { formatBytes, formatFiles, formatSeconds } from "./format.js";

const SHOWN_FILES = 500; // rows; more only make a phone slow

/** Return a part of the page. */
export function part(id) {
  return document.getElementById(id);
}

/** Show exactly these of the parts that come and go. */
export function showOnly(...ids) {
  for (const id of PARTS) part(id).hidden = !ids.includes(id);
}

const PARTS = [
  "code-form", "password-form", "error", "upload-form", "files-section", "upload-words", "moving",
  "warning", "download", "upload", "retry", "cancel",
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

/** Show who sends, and what they wrote. */
export function showSender(from, note) {
  part("sender").hidden = !from;
  if (from) part("sender").replaceChildren("From ", isolated(from));
  part("note").hidden = !note;
  if (note) part("note").replaceChildren(isolated(note));
}

/**
 * List files. `choose(indexes)` is told which are ticked; `act` gives a button to each row:
 * `{label, run(index)}`.
 */
export function listFiles(files, { choose = null, act = null } = {}) {
  const boxes = [];
  const ticked = () => choose(boxes.flatMap((box, index) => (box.checked ? [index] : [])));
  const rows = files.slice(0, choose ? files.length : SHOWN_FILES).map((file, index) => {
    const row = document.createElement("li");
    const words = [nameOf(file.name), textIn("span", "size", formatBytes(file.size))];
    if (choose) {
      const box = document.createElement("input");
      box.type = "checkbox";
      box.checked = true;
      box.addEventListener("change", () => {
        part("all").checked = boxes.every((one) => one.checked);
        ticked();
      });
      boxes.push(box);
      const label = document.createElement("label");
      label.append(box, ...words);
      row.append(label);
    } else {
      row.append(...words);
    }
    if (act) {
      const button = textIn("button", "quiet small", act.label);
      button.type = "button";
      button.setAttribute("aria-label", `${act.label} ${file.name}`);
      button.addEventListener("click", () => act.run(index));
      row.append(button);
    }
    return row;
  });
  part("files").replaceChildren(...rows);
  const left = files.length - rows.length;
  part("more").hidden = !left;
  part("more").textContent = `and ${formatFiles(left)} more`;
  const size = files.reduce((sum, file) => sum + file.size, 0);
  part("files-title").textContent = `${formatFiles(files.length)}, ${formatBytes(size)}`;
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

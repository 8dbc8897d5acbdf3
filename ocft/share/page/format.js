// Numbers for people.

const UNITS = ["bytes", "kB", "MB", "GB", "TB"];

/** Return a size such as "3.4 MB": decimal units, as phones and shops count. */
export function formatBytes(bytes) {
  if (bytes === 1) return "1 byte";
  let value = bytes;
  let unit = 0;
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1000;
    unit += 1;
  }
  const digits = unit && value < 9.95 ? 1 : 0;
  return `${value.toFixed(digits)}\u00a0${UNITS[unit]}`; // never on two lines
}

/** Return a duration such as "2 min 5 s". */
export function formatSeconds(seconds) {
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${seconds % 60} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** Return "1 file" or "3 files". */
export function formatFiles(count) {
  return count === 1 ? "1 file" : `${count.toLocaleString("en")} files`;
}

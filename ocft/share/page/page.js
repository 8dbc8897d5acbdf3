// The beginning of the page: reads the link, starts the worker, and leads to one of the two flows.

import { DownloadPage } from "./download.js";
import { parseCode, parseFragment } from "./link.js";
import { publish } from "./state.js";
import { Transfer } from "./transfer.js";
import { UploadPage } from "./upload.js";
import { part, say, sayError, showOnly } from "./view.js";

const BAD_LINK = "This link is not complete. Copy all of it, up to the last letter, and open it again.";
const TOO_OLD = "This browser is too old for this page. Use a current one.";

function start() {
  const link = parseFragment(window.location.hash);
  part("insecure").hidden = window.isSecureContext;
  publish({ page: link?.senderKey ? "upload" : "download" });
  if (link === undefined) {
    askForCode();
  } else if (link === null) {
    stop("BAD_LINK", BAD_LINK);
    askForCode();
    sayError(BAD_LINK);
  } else if (!window.Worker || !window.ReadableStream || typeof BigInt === "undefined") {
    stop("UNSUPPORTED", TOO_OLD);
  } else {
    const Flow = link.senderKey ? UploadPage : DownloadPage;
    new Flow(new Transfer(link));
  }
}

function askForCode() {
  say("Get files", "Type the code that you were given.");
  showOnly("code-form");
  part("code-form").onsubmit = (event) => {
    event.preventDefault();
    const code = parseCode(part("code").value);
    if (code) {
      window.location.hash = code; // leads to `hashchange`
      return;
    }
    sayError("This is no code: it has twelve letters and digits.");
    part("code").ariaInvalid = "true";
    part("code").focus();
  };
}

function stop(code, message) {
  say("This does not work", "");
  showOnly();
  sayError(message);
  publish({ state: "failed", error: { code, message } });
}

window.addEventListener("hashchange", () => window.location.reload());
start();

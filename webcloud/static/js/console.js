// The console page. This file is small, so that the WebSocket opens while the screen's
// or the terminal's own script is still being read.
import { keepConnected } from "./console/connection.js";
import { fullScreen, leaveByKeyboard, pasteDialog } from "./console/controls.js";
import { Status } from "./console/status.js";
import { firstTicket } from "./console/tickets.js";

// Back to the page in whose place this one was opened (console_link.js).
window.addEventListener("popstate", () => location.reload());

const place = document.getElementById("console");
const status = new Status(place, document.getElementById("console-status"));
const retry = document.getElementById("console-retry");
const loading = import(place.dataset.module).then(({ Guest }) => new Guest(place, status));
keepConnected(loading, firstTicket(place), status, retry);

const guest = await loading;
const ctrlAltDel = document.getElementById("console-cad");
const paste = document.getElementById("console-paste");
ctrlAltDel?.addEventListener("click", () => { guest.ctrlAltDel(); guest.focus(); });
pasteDialog(paste, (text) => guest.type(text), () => guest.focus());
fullScreen(document.getElementById("console-full"), () => guest.focus());
leaveByKeyboard(place, () => guest.blur());
status.onChange((state) => {
  if (ctrlAltDel) ctrlAltDel.disabled = state !== "connected";
  paste.disabled = state !== "connected";
  retry.hidden = state !== "waiting";
});

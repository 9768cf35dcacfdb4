// Opens a console in this document's place instead of leaving it: the browser then neither
// tears this page's frame down nor builds another one, and noVNC, which the page has asked
// for already, need not be read again. document.open() takes every element and listener of
// this page away, so that none of its keys or lists lives on behind the guest. Anything but
// a plain click, and a console that cannot be had, goes the browser's ordinary way.
import { Line, leave } from "./console/line.js";
import { stopListening } from "./live.js";

// What was asked for longer ago may not be what the instance is like by now.
const FRESH_MS = 5000;
// A second click must not write the page again: its script runs once in a document.
let opening = false;
let pressed = null; // { address, page, at }: asked for when the button went down on its link

export function openConsolesHere() {
  // A hand lets go of the button a tenth of a second after pressing it; the page comes meanwhile.
  document.addEventListener("pointerdown", (event) => {
    const link = event.pointerType === "mouse" && plainlyMeant(event);
    if (link && !opening) pressed = { address: link.href, page: fetched(link.href), at: event.timeStamp };
  });
  document.addEventListener("click", (event) => {
    const link = plainlyMeant(event);
    if (!link) return;
    event.preventDefault();
    if (!opening) open(link.href, event.timeStamp);
  });
  // Forward again, after Back has brought this page.
  window.addEventListener("popstate", (event) => {
    if (event.state?.console) location.reload();
  });
}

// The link that this event is for, unless it is meant for another tab or not for us.
function plainlyMeant(event) {
  const plain = !event.button && !(event.ctrlKey || event.metaKey || event.shiftKey || event.altKey);
  return plain && !event.defaultPrevented ? event.target.closest("a[data-console-link]") : null;
}

async function open(address, at) {
  opening = true;
  const known = pressed?.address === address && at - pressed.at < FRESH_MS ? pressed.page : fetched(address);
  pressed = null;
  const page = await known;
  if (!page) {
    opening = false;
    location.assign(address);
    return;
  }
  dial(page);
  history.pushState({ console: true }, "", address);
  document.open();
  document.write(page);
  document.close();
  stopListening();
}

// The guest is called before its page is written, and answers meanwhile.
function dial(page) {
  const { kind, token } = new DOMParser().parseFromString(page, "text/html").getElementById("console")?.dataset ?? {};
  if (token) leave(new Line(kind, token));
}

// The page, or "" when there is none: the browser then shows what the server says.
async function fetched(address) {
  try {
    const answer = await fetch(address, { headers: { Accept: "text/html" } });
    return answer.ok && !answer.redirected ? await answer.text() : "";
  } catch {
    return "";
  }
}

// Keeps a guest connected: opens the WebSocket, and when it drops, says why and comes
// back with a fresh token, at first at once and then every few seconds.
import { lineWith } from "./line.js";
import { freshToken } from "./tickets.js";

const FIRST_WAIT = 300;
const LONGEST_WAIT = 4000;
const GOOD_AFTER = 5000;
const FINAL = new Set(["deleted", "unknown_kind", "token_session"]);

// loading: a promise of the guest, whose script may still be on its way.
export async function keepConnected(loading, ticket, status, retry) {
  let token = ticket.token;
  let wait = FIRST_WAIT;
  for (;;) {
    let ending = {};
    if (!token) ending = await freshToken(ticket);
    token = token || ending.token;
    if (token) {
      const began = performance.now();
      ending = await session(loading, ticket.kind, token);
      if (performance.now() - began > GOOD_AFTER) wait = FIRST_WAIT;
      token = "";
    }
    const over = ending.final || FINAL.has(ending.reason) || !ticket.address;
    // A dropped link cannot come back; only a reason for its token says more than that.
    const reason = over && !ending.final && !isAboutToken(ending.reason) && !FINAL.has(ending.reason)
      ? "link_ended" : ending.reason;
    status.show(over ? "ended" : "waiting", reason, ending.message);
    if (over) return;
    await pause(wait, retry);
    wait = Math.min(wait * 2, LONGEST_WAIT);
  }
}

function isAboutToken(reason) {
  return reason.startsWith("token_");
}

// One connection from beginning to end; resolves to { reason }.
async function session(loading, kind, token) {
  const line = lineWith(kind, token);
  // Making the guest's place takes as long as the guest's answer, so it waits for that.
  Promise.all([loading, line.opened]).then(([guest]) => {
    const early = line.heard();
    if (line.isOpen) guest.attach(line.socket, early);
  });
  const reason = await line.ended;
  loading.then((guest) => guest.detach());
  return { reason };
}

// Waits, but no longer than until someone asks; a page nobody sees waits until it is seen.
function pause(milliseconds, retry) {
  return new Promise((resolve) => {
    const ends = new AbortController();
    const go = () => {
      if (document.hidden && document.visibilityState === "hidden") return;
      ends.abort();
      clearTimeout(timer);
      resolve();
    };
    const timer = setTimeout(() => {
      go();
      document.addEventListener("visibilitychange", go, { signal: ends.signal });
    }, milliseconds);
    retry.addEventListener("click", go, { signal: ends.signal });
    window.addEventListener("online", go, { signal: ends.signal });
  });
}

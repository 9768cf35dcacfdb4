// Hints: the server says that something changed, the page refetches what shows it.
// A hint names a kind and an id; elements say what they show in data-live ("instance"
// for all of a kind, "instance:ID" for one). Losing hints costs only time: everything
// is looked at again every 15 seconds, and at once after the connection came back. What
// changed after the page began to be drawn and before it could hear is told on connecting.
import { io } from "socket.io-client";
import { htmx } from "./page_swaps.js";

const EVERY_MS = 15000;
const AT_MOST_EVERY_MS = 200;
const waiting = new Map();
const lastAsked = new WeakMap();
let socket = null;

export function listen() {
  if (!document.querySelector("[data-live]")) return;
  const drawn = document.querySelector("meta[name=webcloud-drawn]")?.content;
  let before = false;
  socket = io("/live", {
    transports: ["websocket"],
    reconnectionDelayMax: 5000,
    auth: (tell) => tell(before ? {} : { drawn }),
  });
  socket.on("connect", () => {
    showConnection(true);
    if (before) refetch("[data-live]");
    before = true;
  });
  socket.on("disconnect", () => showConnection(false));
  socket.on("connect_error", (error) => {
    // Who was refused is not tried again by socket.io; while the database is away we do it.
    if (error.message !== "unavailable") return;
    showConnection(false);
    setTimeout(() => socket.connect(), 5000);
  });
  socket.on("changed", ({ kind, id }) => {
    refetch(`[data-live~="${CSS.escape(kind)}"], [data-live~="${CSS.escape(`${kind}:${id}`)}"]`);
  });
  socket.on("look", () => refetch("[data-live]"));
  setInterval(() => {
    if (!document.hidden) refetch("[data-live]");
  }, EVERY_MS);
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) refetch("[data-live]");
  });
}

export function stopListening() {
  socket?.disconnect();
}

export function refetch(selector) {
  for (const element of document.querySelectorAll(selector)) {
    if (element.matches("[data-live-paused]") || waiting.has(element)) continue;
    const since = performance.now() - (lastAsked.get(element) ?? -AT_MOST_EVERY_MS);
    const wait = Math.max(0, AT_MOST_EVERY_MS - since);
    waiting.set(element, setTimeout(() => ask(element), wait));
  }
}

function ask(element) {
  waiting.delete(element);
  if (!element.isConnected) return;
  lastAsked.set(element, performance.now());
  htmx.trigger(element, "live");
}

function showConnection(connected) {
  const mark = document.getElementById("connection-lost");
  if (mark) mark.hidden = connected;
}

// htmx, set up for a strict content security policy, and the swap named "keep":
// the new fragment is morphed into the old one in place, so focus, ticked boxes,
// opened menus and half-typed input stay as the user left them.
import htmx from "htmx.org";
import { Idiomorph } from "idiomorph";
import { csrfToken, say, word } from "./words.js";

htmx.config.includeIndicatorStyles = false;
htmx.config.allowEval = false;
// A search replaces the address but keeps no copies of pages in the browser's storage.
htmx.config.historyCacheSize = 0;
htmx.config.refreshOnHistoryMiss = true;
htmx.config.selfRequestsOnly = true;
htmx.config.responseHandling = [
  { code: "204", swap: false },
  { code: "[23]..", swap: true },
  { code: "4(00|03|09|13|22)", swap: true, error: false },
  { code: "...", swap: false, error: true },
];

const KEPT = new Set(["checked", "open", "hidden"]);

function keeps(attribute, node) {
  if (attribute === "checked" && node.matches("[data-pick]")) return true;
  if (attribute === "open" && node.matches("details, dialog")) return true;
  return attribute === "hidden" && node.matches("[data-keep-hidden]");
}

htmx.defineExtension("keep", {
  isInlineSwap: (style) => style === "keep",
  handleSwap: (style, target, fragment) => {
    if (style !== "keep") return false;
    const fresh = fragment.firstElementChild ?? fragment;
    Idiomorph.morph(target, fresh, {
      morphStyle: "outerHTML",
      ignoreActiveValue: true,
      callbacks: {
        beforeAttributeUpdated: (name, node) => !(KEPT.has(name) && keeps(name, node)),
        afterNodeMorphed: (_old, node) => {
          if (node.nodeType === Node.ELEMENT_NODE) htmx.process(node);
        },
        afterNodeAdded: (node) => {
          if (node.nodeType === Node.ELEMENT_NODE) {
            htmx.process(node);
            arrived(node);
          }
        },
      },
    });
    const now = document.getElementById(fresh.id) ?? target;
    retitle(now);
    arrived(now);
    return [now];
  },
});

// The tab says object and state, and a change of it is read out once.
function retitle(element) {
  const title = element.dataset?.title;
  if (!title || document.title === title) return;
  document.title = title;
  const spoken = document.getElementById("spoken");
  if (spoken) spoken.textContent = title;
}

function arrived(element) {
  element.dispatchEvent(new CustomEvent("webcloud:arrived", { bubbles: true }));
}

document.body.addEventListener("htmx:configRequest", (event) => {
  if (event.detail.verb !== "get") event.detail.headers["X-CSRFToken"] = csrfToken();
});
document.body.addEventListener("htmx:afterSettle", (event) => arrived(event.detail.elt));
document.body.addEventListener("htmx:responseError", (event) => {
  if (event.detail.xhr.status === 401) {
    location.assign(`/login?next=${encodeURIComponent(location.pathname + location.search)}`);
    return;
  }
  if (event.detail.requestConfig.verb !== "get") say(word("request_failed"));
});
document.body.addEventListener("htmx:sendError", (event) => {
  if (event.detail.requestConfig.verb !== "get") say(word("unreachable"));
});

export { htmx };

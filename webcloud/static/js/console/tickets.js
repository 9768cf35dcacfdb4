// Where one-time tokens come from: the page itself, its address's fragment, or the server.

// { token, kind, address }: address is where fresh tokens are asked for, "" for a link.
export function firstTicket(place) {
  const { token, kind, tokenAddress = "" } = place.dataset;
  delete place.dataset.token;
  if (tokenAddress) return { token, kind, address: tokenAddress };
  const parameters = new URLSearchParams(location.hash.slice(1));
  // The token must not stay in the address bar or in the history.
  history.replaceState(null, "", location.pathname);
  return { token: parameters.get("token") ?? "", kind, address: "" };
}

// A fresh token, or { reason, message, final } when there is none to be had.
export async function freshToken(ticket) {
  if (!ticket.address) return { reason: "link_ended", final: true };
  let answer;
  try {
    answer = await fetch(ticket.address, {
      method: "POST",
      headers: {
        "Content-Type": "application/json",
        "X-CSRFToken": document.querySelector('meta[name="csrf-token"]')?.content ?? "",
      },
      body: JSON.stringify({ kind: ticket.kind }),
    });
  } catch {
    return { reason: "offline" };
  }
  const body = await answer.json().catch(() => ({}));
  if (answer.ok && body.token) return { token: body.token };
  const { code = "", message = "", next_step: next = "" } = body.error ?? {};
  if (answer.status === 404) return { reason: "deleted", final: true };
  if (answer.status === 401) return { reason: "unauthorized", final: true };
  if (answer.status >= 500 && code !== "proxy_down") return { reason: "offline" };
  const known = code === "not_running" || code === "proxy_down";
  return { reason: known ? code : "refused", message: known ? "" : `${message} ${next}`.trim(), final: !known };
}

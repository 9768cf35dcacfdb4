// The line to a guest: a WebSocket opened with a one-time token, greeted as soon as it is open.
// Nobody may be there yet to read it, so what arrives first is kept, and how it ended. A page
// that opens a console in its own place (console_link.js) leaves the line for it.
import { greetWhenOpen } from "./greeting.js";

const LEFT = Symbol.for("webcloud.console.line");

export class Line {
  constructor(kind, token) {
    const address = new URL(`/console/${kind}`, location.href);
    address.protocol = address.protocol.replace("http", "ws");
    this.token = token;
    this.socket = new WebSocket(address, ["binary", `webcloud.token.${token}`]);
    this.socket.binaryType = "arraybuffer";
    if (kind === "vnc") greetWhenOpen(this.socket);
    const early = [];
    const keep = (event) => early.push(event);
    this.socket.addEventListener("message", keep);
    this.heard = () => {
      this.socket.removeEventListener("message", keep);
      return early;
    };
    this.opened = new Promise((open) => { this.socket.addEventListener("open", open); });
    this.ended = new Promise((end) => {
      this.socket.addEventListener("close", (event) => end(event.reason || "lost"));
    });
  }

  get isOpen() {
    return this.socket.readyState === WebSocket.OPEN;
  }
}

export function leave(line) {
  globalThis[LEFT] = line;
}

// The line that was left for this token, or a new one.
export function lineWith(kind, token) {
  const left = globalThis[LEFT];
  delete globalThis[LEFT];
  return left?.token === token ? left : new Line(kind, token);
}

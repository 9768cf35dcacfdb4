// The guest's serial line in a terminal, by xterm.
import { FitAddon } from "@xterm/addon-fit";
import { Terminal } from "@xterm/xterm";
import { adoptStyleElements } from "./adopted_styles.js";

export class Guest {
  constructor(place, status) {
    this.status = status;
    this.socket = null;
    adoptStyleElements();
    this.terminal = new Terminal({ cursorBlink: true, scrollback: 5000 });
    const fit = new FitAddon();
    this.terminal.loadAddon(fit);
    const screen = document.createElement("div");
    screen.className = "terminal-place";
    place.append(screen);
    this.terminal.open(screen);
    new ResizeObserver(() => fit.fit()).observe(screen);
    this.terminal.onData((text) => this.send(text));
  }

  // early: messages that came before there was anybody to read them.
  attach(socket, early) {
    this.socket = socket;
    const write = (event) => this.terminal.write(new Uint8Array(event.data));
    early.forEach(write);
    socket.addEventListener("message", write);
    const ready = () => {
      this.status.show("connected", "connected");
      if (!document.querySelector("dialog[open]")) this.focus();
    };
    if (socket.readyState === WebSocket.OPEN) ready();
    else socket.addEventListener("open", ready);
  }

  detach() {
    this.socket = null;
  }

  send(text) {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(new TextEncoder().encode(text));
  }

  type(text) {
    this.send(text.replaceAll("\r\n", "\r").replaceAll("\n", "\r"));
  }

  focus() {
    this.terminal.focus();
  }

  blur() {
    this.terminal.blur();
  }
}

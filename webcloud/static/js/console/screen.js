// The guest's screen, keyboard and mouse, by noVNC.
import "./without_h264.js";
import RFB from "@novnc/novnc";
import { typeText } from "./typing.js";

export class Guest {
  constructor(place, status) {
    this.place = place;
    this.status = status;
    this.rfb = null;
  }

  // early: messages that came before there was anybody to read them.
  attach(socket, early) {
    const rfb = new RFB(this.place, socket, { shared: true });
    rfb.scaleViewport = true;
    rfb.showDotCursor = true;
    rfb.background = "#000";
    let connected = false;
    rfb.addEventListener("connect", () => {
      connected = true;
      this.status.show("connected", "connected");
      // Someone may be typing into the paste dialog.
      if (!document.querySelector("dialog[open]")) this.focus();
    });
    // webcloud's guests ask for no password; a screen that does is not ours to guess.
    rfb.addEventListener("credentialsrequired", () => socket.close());
    this.rfb = rfb;
    // A guest that was greeted early may say all of its beginning in one message. noVNC takes
    // one turn at it whenever something arrives, so it gets two turns more.
    const goOn = () => {
      for (let turn = 0; turn < 2; turn += 1) socket.onmessage({ data: new ArrayBuffer(0) });
      if (connected) socket.removeEventListener("message", goOn);
    };
    for (const message of early) {
      socket.onmessage(message);
      goOn();
    }
    if (!connected) socket.addEventListener("message", goOn);
  }

  detach() {
    this.typing?.abort();
    this.rfb = null;
  }

  focus() {
    this.rfb?.focus({ preventScroll: true });
  }

  blur() {
    this.rfb?.blur();
  }

  ctrlAltDel() {
    this.rfb?.sendCtrlAltDel();
  }

  async type(text) {
    this.typing?.abort();
    this.typing = new AbortController();
    const { signal } = this.typing;
    const rfb = this.rfb;
    if (!rfb) return;
    this.status.show("connected", "typing");
    await typeText(text, (keysym, code, down) => rfb.sendKey(keysym, code, down), signal);
    if (!signal.aborted) this.status.show("connected", "connected");
  }
}

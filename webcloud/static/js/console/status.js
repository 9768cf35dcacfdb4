// The state of the console in words: in the bar, and over the screen while there is none.
export class Status {
  constructor(place, line) {
    this.place = place;
    this.line = line;
    this.words = JSON.parse(place.dataset.words);
    this.listeners = [];
    this.note = document.createElement("p");
    this.note.className = "note";
    this.note.setAttribute("aria-hidden", "true");
    place.append(this.note);
    this.show("connecting", "connecting");
  }

  // Called at once with the present state, and then with every new one.
  onChange(listener) {
    this.listeners.push(listener);
    listener(this.place.dataset.state);
  }

  // state: connecting, connected, waiting or ended; reason: a key of the words.
  show(state, reason, message = "") {
    const text = message || this.words[reason] || this.words.lost;
    this.place.dataset.state = state;
    this.place.dataset.reason = reason;
    if (this.line.textContent !== text) this.line.textContent = text;
    this.note.textContent = text;
    this.note.hidden = state === "connected";
    for (const listener of this.listeners) listener(state);
  }
}

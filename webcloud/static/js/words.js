// Words for scripts, in the page's language: the server puts them into a meta element.
const meta = document.querySelector('meta[name="webcloud-words"]');
const words = meta ? JSON.parse(meta.content) : {};

export function word(key, values = {}) {
  const text = words[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
}

// Says something to everyone: shown for a few seconds and read out politely.
export function say(text) {
  const area = document.getElementById("announcements");
  if (!area) return;
  const note = document.createElement("div");
  note.className = "toast-note";
  note.textContent = text;
  area.append(note);
  setTimeout(() => note.remove(), 5000);
}

export function csrfToken() {
  return document.querySelector('meta[name="csrf-token"]')?.content ?? "";
}

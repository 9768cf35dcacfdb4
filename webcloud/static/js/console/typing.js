// Types text key by key. Guests read scan codes, so each character is the key of a US
// keyboard with or without Shift; other characters go as keysyms, which some guests know.
const SHIFT = [0xffe1, "ShiftLeft"];
const PAUSE = 12; // Milliseconds: a PS/2 keyboard buffers 16 bytes and drops the rest.

const PLAIN = {
  "\n": "Enter", "\t": "Tab", " ": "Space", "-": "Minus", "=": "Equal", "[": "BracketLeft",
  "]": "BracketRight", "\\": "Backslash", ";": "Semicolon", "'": "Quote", "`": "Backquote",
  ",": "Comma", ".": "Period", "/": "Slash",
};
const SHIFTED = {
  _: "Minus", "+": "Equal", "{": "BracketLeft", "}": "BracketRight", "|": "Backslash",
  ":": "Semicolon", '"': "Quote", "~": "Backquote", "<": "Comma", ">": "Period", "?": "Slash",
};
for (const [index, mark] of [...")!@#$%^&*("].entries()) SHIFTED[mark] = `Digit${index}`;

// { keysym, code, shift }; code is "" for a character without a key on a US keyboard.
export function keyFor(character) {
  const point = character.codePointAt(0);
  const keysym = { "\n": 0xff0d, "\t": 0xff09 }[character] ?? (point < 0x100 ? point : 0x01000000 | point);
  if (/^[a-z]$/.test(character)) return { keysym, code: `Key${character.toUpperCase()}`, shift: false };
  if (/^[A-Z]$/.test(character)) return { keysym, code: `Key${character}`, shift: true };
  if (/^[0-9]$/.test(character)) return { keysym, code: `Digit${character}`, shift: false };
  if (character in PLAIN) return { keysym, code: PLAIN[character], shift: false };
  if (character in SHIFTED) return { keysym, code: SHIFTED[character], shift: true };
  return { keysym, code: "", shift: false };
}

// send(keysym, code, down) presses and releases; stops when the signal is aborted.
export async function typeText(text, send, signal) {
  for (const character of text.replaceAll("\r\n", "\n").replaceAll("\r", "\n")) {
    if (signal.aborted) return;
    const { keysym, code, shift } = keyFor(character);
    if (shift) send(...SHIFT, true);
    send(keysym, code, true);
    send(keysym, code, false);
    if (shift) send(...SHIFT, false);
    await new Promise((resolve) => { setTimeout(resolve, PAUSE); });
  }
}

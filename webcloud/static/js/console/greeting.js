// What a browser says to a guest's screen until the first picture, said all at once when the
// socket opens (RFC 6143, 7.1 and 7.5). QEMU's answers are known: its screens ask for no
// password and are reached only through the controller. Waiting for each of them would cost a
// round trip and a turn of a page that is still reading noVNC; like this, the picture is on
// its way meanwhile. noVNC's own handshake is then not sent again.
const VERSION = [..."RFB 003.008\n"].map((letter) => letter.charCodeAt(0));
const NO_PASSWORD = 1;
const SHARED = 1;
const HANDSHAKE = VERSION.length + 2;

// The same as noVNC asks for a moment later: 32 bits, depth 24, red in the lowest byte.
const PIXELS = [0, 0, 0, 0, 32, 24, 0, 1, 0, 255, 0, 255, 0, 255, 0, 8, 16, 0, 0, 0];
const TIGHT = 7;
const RAW = 0;
const QUALITY = -32 + 6;
const COMPRESSION = -256 + 2;
const DESKTOP_SIZE = -223;
// All of the screen, however large; the server cuts that to what there is.
const PICTURE = [3, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff];

function encodings(...wanted) {
  const message = new DataView(new ArrayBuffer(4 + 4 * wanted.length));
  message.setUint8(0, 2);
  message.setUint16(2, wanted.length);
  wanted.forEach((encoding, place) => message.setInt32(4 + 4 * place, encoding));
  return new Uint8Array(message.buffer);
}

// Greets when the socket opens, and drops the handshake that is sent through it afterwards.
export function greetWhenOpen(socket) {
  const send = socket.send.bind(socket);
  socket.addEventListener("open", () => {
    const liked = encodings(TIGHT, RAW, QUALITY, COMPRESSION, DESKTOP_SIZE);
    send(new Uint8Array([...VERSION, NO_PASSWORD, SHARED, ...PIXELS, ...liked, ...PICTURE]));
  });
  let left = HANDSHAKE;
  socket.send = (message) => {
    const rest = message.subarray(Math.min(left, message.length));
    left -= message.length - rest.length;
    if (rest.length) send(rest);
  };
}

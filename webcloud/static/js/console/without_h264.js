// noVNC tries out the browser's H.264 decoder before it starts, which takes longer than
// connecting. QEMU never sends H.264.
delete globalThis.VideoDecoder;

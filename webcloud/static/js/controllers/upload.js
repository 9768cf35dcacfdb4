// Uploads an image in chunks and shows each stage: receive, verify, store. A cut
// connection goes on where it ended, and so does a reloaded page: the same file,
// chosen again, is recognised and continued.
import { csrfToken, word } from "../words.js";

const CHUNK = 8 * 1024 * 1024;
const TRIES = 8;
const KEY = "webcloud-upload:";
const FORMATS = { qcow2: "qcow2", img: "qcow2", iso: "iso", raw: "raw" };

export function connect(form) {
  const file = form.elements.namedItem("file");
  const view = stages(form);
  let busy = false;

  file.addEventListener("change", () => {
    const chosen = file.files[0];
    if (!chosen) return;
    const name = form.elements.namedItem("name");
    if (!name.value) name.value = chosen.name.replace(/\.(qcow2|img|iso|raw)$/i, "");
    const format = FORMATS[chosen.name.split(".").pop().toLowerCase()];
    if (format) form.elements.namedItem("disk_format").value = format;
  });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (busy || !file.files[0]) return;
    busy = true;
    view.begin();
    try {
      await send(form, file.files[0], view);
      location.assign(form.dataset.done);
    } catch (error) {
      view.fail(error.message);
    }
    busy = false;
  });
  window.addEventListener("beforeunload", (event) => {
    if (busy && view.leaving()) event.preventDefault();
  });
}

async function send(form, file, view) {
  const memory = `${KEY}${file.name}:${file.size}:${file.lastModified}`;
  let { id, received } = await resume(memory);
  if (!id) {
    const body = {
      name: form.elements.namedItem("name").value.trim(),
      disk_format: form.elements.namedItem("disk_format").value,
      size: file.size,
    };
    id = (await ask("POST", "/images/uploads", JSON.stringify(body))).id;
    received = 0;
    localStorage.setItem(memory, id);
  }
  const started = performance.now();
  const from = received;
  let tries = 0;
  while (received < file.size) {
    try {
      const piece = file.slice(received, received + CHUNK);
      received = (await ask("PUT", `/images/uploads/${id}?offset=${received}`, piece)).received;
      tries = 0;
    } catch (error) {
      if (!error.again || ++tries > TRIES) throw error;
      await pause(Math.min(1000 * 2 ** tries, 15000));
      const now = await ask("GET", `/images/uploads/${id}`).catch(() => null);
      if (now) received = now.received;
      view.resumed(received);
      continue;
    }
    const perByte = (performance.now() - started) / Math.max(1, received - from);
    view.receive(received, file.size, (perByte * (file.size - received)) / 1000);
  }
  await verify(id, view);
  localStorage.removeItem(memory);
}

// Verifying reads the whole file again; its stage is asked for while the answer is awaited.
async function verify(id, view) {
  view.stage("verify");
  const timer = setInterval(async () => {
    const now = await ask("GET", `/images/uploads/${id}`).catch(() => null);
    if (now?.stage === "store") view.stage("store");
  }, 700);
  try {
    await ask("POST", `/images/uploads/${id}/finish`);
  } finally {
    clearInterval(timer);
  }
}

async function resume(memory) {
  const id = localStorage.getItem(memory);
  if (!id) return {};
  const now = await ask("GET", `/images/uploads/${id}`).catch(() => null);
  if (now?.status === "saving") return { id, received: now.received };
  localStorage.removeItem(memory);
  return {};
}

async function ask(method, url, body) {
  const headers = { "X-CSRFToken": csrfToken(), Accept: "application/json" };
  if (typeof body === "string") headers["Content-Type"] = "application/json";
  let answer;
  try {
    answer = await fetch(url, { method, headers, body });
  } catch {
    throw Object.assign(new Error(word("unreachable")), { again: true });
  }
  const data = await answer.json().catch(() => ({}));
  if (answer.ok) return data;
  const fault = data.error ?? {};
  const text = [fault.message, fault.next_step].filter(Boolean).join(" ") || `HTTP ${answer.status}`;
  const again = answer.status >= 500 || fault.code === "wrong_offset" || fault.code === "busy";
  throw Object.assign(new Error(text), { again });
}

function stages(form) {
  const box = form.querySelector("[data-upload]");
  const bar = box.querySelector("progress");
  const words = box.querySelector("[data-upload-words]");
  const fault = box.querySelector("[data-upload-fault]");
  const items = [...box.querySelectorAll("[data-stage]")];
  const names = items.map((item) => item.dataset.stage);
  const stage = (name) => {
    const at = names.indexOf(name);
    items.forEach((item, index) => {
      item.toggleAttribute("data-done", index < at);
      item.toggleAttribute("data-now", index === at);
    });
    if (name !== "receive") {
      bar.removeAttribute("value");
      words.textContent = word(name);
    }
  };
  return {
    stage,
    begin() {
      box.hidden = false;
      fault.hidden = true;
      stage("receive");
    },
    receive(done, total, seconds) {
      bar.max = total;
      bar.value = done;
      words.textContent = word("upload_receive", { done: size(done), total: size(total), left: duration(seconds) });
    },
    resumed(done) {
      words.textContent = word("upload_resumed", { done: size(done) });
    },
    fail(why) {
      fault.hidden = false;
      fault.querySelector("span").textContent = word("upload_failed", { why });
      words.textContent = "";
    },
    leaving: () => !box.hidden && fault.hidden,
  };
}

function size(bytes) {
  const units = ["B", "KB", "MB", "GB", "TB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  const digits = value < 10 && unit > 0 ? 1 : 0;
  const format = new Intl.NumberFormat(document.documentElement.lang, { maximumFractionDigits: digits });
  return `${format.format(value)} ${units[unit]}`;
}

function duration(seconds) {
  const minutes = seconds >= 90;
  const format = new Intl.NumberFormat(document.documentElement.lang, {
    style: "unit",
    unit: minutes ? "minute" : "second",
    maximumFractionDigits: 0,
  });
  return format.format(Math.max(1, minutes ? seconds / 60 : seconds));
}

function pause(milliseconds) {
  return new Promise((done) => setTimeout(done, milliseconds));
}

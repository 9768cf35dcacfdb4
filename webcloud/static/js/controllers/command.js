// The same as a command: fills the shown commands and the summary from the form's
// present values, so that what is read is what would be sent.
export function connect(form) {
  const update = () => {
    const values = read(form);
    for (const element of form.querySelectorAll("[data-summary]")) {
      element.textContent = values.words[element.dataset.summary] || "–";
    }
    for (const bar of form.querySelectorAll("[data-quota]")) showQuota(bar, form);
    const cli = form.querySelector("[data-command=openstack]");
    const http = form.querySelector("[data-command=curl]");
    if (cli) cli.textContent = openstack(values);
    if (http) http.textContent = curl(values, form.dataset.computeUrl);
    const plan = form.querySelector("[data-command=terraform]");
    if (plan) plan.textContent = terraform(values);
  };
  form.addEventListener("input", update);
  form.addEventListener("change", update);
  form.addEventListener("webcloud:arrived", update);
  for (const tab of form.querySelectorAll("[role=tab]")) {
    tab.addEventListener("click", () => showTab(form, tab));
    tab.addEventListener("keydown", (event) => {
      if (event.key !== "ArrowLeft" && event.key !== "ArrowRight") return;
      const tabs = [...form.querySelectorAll("[role=tab]")];
      const step = event.key === "ArrowRight" ? 1 : tabs.length - 1;
      const other = tabs[(tabs.indexOf(tab) + step) % tabs.length];
      showTab(form, other);
      other.focus();
    });
  }
  update();
}

function read(form) {
  const picked = (name) => form.querySelector(`[name="${name}"]:checked, select[name="${name}"] option:checked`);
  const value = (name) => form.elements.namedItem(name)?.value ?? "";
  const image = picked("image_id");
  const flavor = picked("flavor_id");
  const network = picked("network_id");
  const key = value("key_mode") === "existing" ? value("key_name") : value("new_key_name");
  const keyed = value("key_mode") !== "none";
  const words = {
    name: value("name"),
    image: image?.dataset.name,
    flavor: flavor?.dataset.words,
    network: network?.dataset.name,
    key: keyed ? key : form.dataset.noKey,
  };
  return {
    words,
    name: value("name"),
    image: image?.value,
    flavor: flavor?.value,
    network: network?.value,
    flavorName: flavor?.dataset.name,
    key: keyed ? key : "",
    userData: value("user_data"),
    zone: value("zone"),
    group: value("group_id"),
    description: value("description"),
  };
}

function openstack(v) {
  const parts = ["openstack server create"];
  const add = (option, text) => text && parts.push(`${option} ${quote(text)}`);
  add("--image", v.words.image);
  add("--flavor", v.flavorName);
  add("--network", v.words.network);
  add("--key-name", v.key);
  add("--availability-zone", v.zone);
  if (v.group) add("--hint", `group=${v.group}`);
  if (v.userData) parts.push("--user-data user-data.txt");
  add("--description", v.description);
  parts.push(v.name ? quote(v.name) : "NAME");
  return parts.join(" \\\n  ");
}

function curl(v, url) {
  const server = { name: v.name, imageRef: v.image, flavorRef: v.flavor };
  server.networks = v.network ? [{ uuid: v.network }] : "auto";
  if (v.key) server.key_name = v.key;
  if (v.description) server.description = v.description;
  if (v.userData) server.user_data = base64(v.userData);
  if (v.zone) server.availability_zone = v.zone;
  const hints = v.group ? { "os:scheduler_hints": { group: v.group } } : {};
  const body = JSON.stringify({ server, ...hints }, null, 2);
  return [
    `curl -X POST ${url}/servers`,
    '-H "X-Auth-Token: $OS_TOKEN"',
    '-H "OpenStack-API-Version: compute 2.96"',
    '-H "Content-Type: application/json"',
    `-d ${quote(body)}`,
  ].join(" \\\n  ");
}

function terraform(v) {
  const label = v.name.replaceAll(/[^\w-]/g, "_").replace(/^(?![A-Za-z_])/, "_");
  const lines = [];
  const add = (key, text) => text && lines.push([key, hcl(text)]);
  add("name", v.name || "NAME");
  add("image_id", v.image);
  add("flavor_id", v.flavor);
  add("key_pair", v.key);
  if (v.userData) lines.push(["user_data", 'file("user-data.txt")']);
  const widest = Math.max(...lines.map(([key]) => key.length));
  const network = v.network ? `\n\n  network {\n    uuid = ${hcl(v.network)}\n  }` : "";
  const body = lines.map(([key, text]) => `  ${key.padEnd(widest)} = ${text}`).join("\n");
  return `resource "openstack_compute_instance_v2" "${label}" {\n${body}${network}\n}`;
}

// A string of Terraform's language: as in JSON, with its own two openings of a template doubled.
function hcl(text) {
  return JSON.stringify(text).replaceAll("${", "$$$${").replaceAll("%{", "%%{");
}

function base64(text) {
  return btoa(String.fromCodePoint(...new TextEncoder().encode(text)));
}

function quote(text) {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

function showQuota(row, form) {
  const flavor = form.querySelector('[name="flavor_id"]:checked');
  const { used, maximum, each } = row.dataset;
  const after = Number(used) + (each === "1" ? 1 : Number(flavor?.dataset[each] ?? 0));
  row.querySelector("[data-quota-after]").textContent = new Intl.NumberFormat(document.documentElement.lang).format(after);
  const bar = row.querySelector("progress");
  if (!bar) return;
  bar.value = Math.min(after, Number(maximum));
  bar.classList.toggle("full", after > Number(maximum));
}

function showTab(form, tab) {
  for (const each of form.querySelectorAll("[role=tab]")) {
    const chosen = each === tab;
    each.setAttribute("aria-selected", String(chosen));
    each.tabIndex = chosen ? 0 : -1;
    document.getElementById(each.getAttribute("aria-controls")).hidden = !chosen;
  }
}

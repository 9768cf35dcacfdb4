// Builds the dashboard's assets into webcloud/static/vendor/ (never committed):
// bundles scripts and styles with a content hash in their names, draws the icon
// sprite, writes manifest.json and a .gz beside every file, prints the sizes, and
// fails when a first load would be over the budget.
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

const FIRST_LOAD_BUDGET = 400 * 1024;
const here = dirname(fileURLToPath(import.meta.url));
const out = join(here, "vendor");
const modules = join(here, "..", "..", "node_modules");

rmSync(out, { recursive: true, force: true });
mkdirSync(out, { recursive: true });

const entries = { app: "js/main.js", theme: "js/theme.js", style: "css/main.css" };
for (const [name, file] of [["console", "js/console.js"], ["console-screen", "js/console/screen.js"], ["console-serial", "js/console/serial.js"], ["console-style", "css/console.css"]]) {
  if (existsSync(join(here, file))) entries[name] = file;
}

const result = await build({
  absWorkingDir: here,
  entryPoints: Object.fromEntries(Object.entries(entries).map(([k, v]) => [k, join(here, v)])),
  entryNames: "[name]-[hash]",
  assetNames: "[name]-[hash]",
  outdir: out,
  bundle: true,
  minify: true,
  format: "esm",
  target: ["es2022"],
  legalComments: "none",
  metafile: true,
  nodePaths: [modules],
  loader: { ".svg": "file", ".woff2": "file" },
});

const manifest = {};
for (const [path, output] of Object.entries(result.metafile.outputs)) {
  if (!output.entryPoint) continue;
  const built = path.split("/").pop();
  manifest[built.replace(/-[A-Z0-9]{8}\./, ".")] = built;
}
manifest["icons.svg"] = sprite(JSON.parse(readFileSync(join(here, "icons.json"), "utf8")));
writeFileSync(join(out, "manifest.json"), JSON.stringify(manifest, null, 2) + "\n");

const sizes = {};
for (const file of readdirSync(out)) {
  const raw = readFileSync(join(out, file));
  const packed = gzipSync(raw, { level: 9 });
  sizes[file] = [raw.length, packed.length];
  if (file !== "manifest.json") writeFileSync(join(out, `${file}.gz`), packed);
}

const first = ["app.js", "theme.js", "style.css", "icons.svg"].map((name) => manifest[name]);
let total = 0;
for (const [file, [raw, packed]] of Object.entries(sizes).sort()) {
  const counted = first.includes(file);
  if (counted) total += packed;
  console.log(`${kb(raw)} ${kb(packed)} gzip  ${counted ? "first load" : "          "}  ${file}`);
}
console.log(`${kb(total)} gzip in all on the first load of a page, of ${kb(FIRST_LOAD_BUDGET).trim()} allowed`);
if (total > FIRST_LOAD_BUDGET) process.exit(1);

function sprite(names) {
  const symbols = names.map((name) => {
    const svg = readFileSync(join(modules, "@tabler", "icons", "icons", "outline", `${name}.svg`), "utf8");
    const body = svg.slice(svg.indexOf(">", svg.indexOf("<svg")) + 1, svg.lastIndexOf("</svg>"));
    return `<symbol id="${name}" viewBox="0 0 24 24">${body.replace(/\s*\n\s*/g, "")}</symbol>`;
  });
  const text = `<svg xmlns="http://www.w3.org/2000/svg">${symbols.join("")}</svg>\n`;
  const hash = createHash("sha256").update(text).digest("hex").slice(0, 8).toUpperCase();
  writeFileSync(join(out, `icons-${hash}.svg`), text);
  return `icons-${hash}.svg`;
}

function kb(bytes) {
  return `${(bytes / 1024).toFixed(1)} KB`.padStart(10);
}

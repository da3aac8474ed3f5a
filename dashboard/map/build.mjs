// Bundles the live map and the screens into assets/build (git-ignored, served by Dash under /assets/build/).
//
//   county-brain.js + .css      the entry: an ES module, see the top of main.ts for how a page loads it
//   wall-start.js               a wall's first page, and the one that says why it shows nothing
//   chunk-*.js                  what only one screen needs
//   maplibre-gl-worker.js       MapLibre's worker; it must be a file of our own origin, a blob: would need a looser CSP
//   plotly-basic.min.js         plotly.js with bars and lines alone, as a whole (dashboard/factory.py tells Dash of it)
//   version.txt                 a hash of the entry, which each page names
//   fonts/                      Noto Sans SC; a browser fetches only the unicode ranges that a page shows
//   field/                      the pages for phones, which load nothing of the above (dashboard/field/pages.py serves them):
//                               report.js, status.js, tasks.js, their chunks, small-map.css, MapLibre's worker, and worker.js, the service worker
import { createHash } from "node:crypto";
import { copyFile, mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import path from "node:path";
import * as esbuild from "esbuild";

const { resolve } = createRequire(import.meta.url);
const here = path.dirname(fileURLToPath(import.meta.url));
const root = path.resolve(here, "../..");
const outdir = path.join(root, "assets/build");
// A half-written folder would be served by a dashboard that runs already: build beside, then swap.
const staging = path.join(root, "assets/build.new");

const options = {
  entryPoints: { "county-brain": path.join(here, "main.ts"), "wall-start": path.join(here, "wall_start.ts") },
  outdir: staging,
  bundle: true,
  splitting: true,
  format: "esm",
  target: "es2022",
  minify: true,
  sourcemap: "external",
  chunkNames: "chunk-[name]-[hash]",
  assetNames: "fonts/[name]",
  loader: { ".woff2": "file" },
  legalComments: "linked",
  logLevel: "warning",
};

const fieldOptions = {
  ...options,
  entryPoints: {
    report: path.join(here, "field/report.ts"),
    status: path.join(here, "field/status.ts"),
    tasks: path.join(here, "field/tasks.ts"),
    "small-map": resolve("maplibre-gl/dist/maplibre-gl.css"),
  },
  outdir: path.join(staging, "field"),
};

// A service worker is one classic script.
const serviceWorkerOptions = {
  ...fieldOptions,
  entryPoints: { worker: path.join(here, "field/worker.ts") },
  splitting: false,
  format: "iife",
};

async function copyWorker(folder) {
  await copyFile(resolve("maplibre-gl/dist/maplibre-gl-worker.mjs"), path.join(folder, "maplibre-gl-worker.js"));
}

async function copyPlotly(folder) {
  await copyFile(resolve("plotly.js-basic-dist-min"), path.join(folder, "plotly-basic.min.js"));
}

async function writeVersion(folder) {
  const hash = createHash("sha256");
  for (const name of ["county-brain.js", "county-brain.css"]) hash.update(await readFile(path.join(folder, name)));
  await writeFile(path.join(folder, "version.txt"), hash.digest("hex").slice(0, 12));
}

async function build() {
  await rm(staging, { recursive: true, force: true });
  await mkdir(staging, { recursive: true });
  await Promise.all([options, fieldOptions, serviceWorkerOptions].map((each) => esbuild.build(each)));
  await copyPlotly(staging);
  await copyWorker(staging);
  await copyWorker(path.join(staging, "field"));
  await writeVersion(staging);
  await rm(outdir, { recursive: true, force: true });
  await rename(staging, outdir);
}

async function watch() {
  await mkdir(outdir, { recursive: true });
  const context = await esbuild.context({ ...options, outdir, minify: false, logLevel: "info" });
  await copyPlotly(outdir);
  await copyWorker(outdir);
  await context.rebuild();
  await writeVersion(outdir);
  await context.watch();
}

await (process.argv.includes("--watch") ? watch() : build());

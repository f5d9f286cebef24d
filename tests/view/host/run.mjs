// Runs the tests of the chat view in a browser: the extension's own host bridge around the view, against the real server.
//
//   node run.mjs --python PYTHON [--chromium PROGRAM] [--view FILE] [--pictures FOLDER] [--only WORDS] [--timed]
//
// Times are printed. They are judged only with `--timed`, which `scripts/bench view` gives: a busy machine proves nothing.
// `--view` draws a file instead of the page that the server offers. `--only` runs the tests whose names contain the words.
// Ends with "N passed, N failed, N skipped", and with 1 when something failed.

import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

import { build } from "esbuild";
import { chromium } from "playwright-core";

import { Screen, watchDrawing } from "./screen.mjs";
import { serveContacts, serveHost } from "./serve.mjs";
import { Book, TESTS } from "./tests.mjs";

const HERE = path.dirname(fileURLToPath(import.meta.url));
const ROOT = path.resolve(HERE, "../../..");
const WINDOW = { width: 900, height: 2600 }; // a frame that is higher than the window is cut in pictures

const { values: given } = parseArgs({
  options: {
    python: { type: "string", default: "python3" },
    chromium: { type: "string", default: process.env.CHROMIUM ?? "/usr/bin/chromium" },
    view: { type: "string" },
    pictures: { type: "string", default: path.join(ROOT, "build", "view") },
    only: { type: "string", default: "" },
    timed: { type: "boolean", default: false },
  },
});

const bundle = async () => {
  const { outputFiles } = await build({
    entryPoints: [path.join(HERE, "host.mjs")],
    bundle: true,
    format: "esm",
    platform: "browser",
    write: false,
    logLevel: "error",
  });
  return outputFiles[0].contents;
};

// What the browser complained of, or asked outside, since it was last read.
function complaintsOf(page, origin) {
  let complaints = [];
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) complaints.push(`the console says: ${message.text()}`);
  });
  page.on("pageerror", (error) => complaints.push(`an error: ${error.stack ?? error}`));
  page.on("dialog", (dialog) => {
    complaints.push(`a dialog: ${dialog.message()}`);
    dialog.dismiss();
  });
  page.on("popup", () => complaints.push("a new window"));
  page.context().on("request", (request) => {
    const url = request.url();
    if (!url.startsWith(`${origin}/`) && !/^(data|about|blob):/.test(url)) complaints.push(`asked outside: ${url}`);
  });
  return () => {
    const said = complaints;
    complaints = [];
    return [...new Set(said)].slice(0, 5);
  };
}

async function viewOf(screen) {
  const tools = await screen.host("connect", "legacy");
  if (given.view) return { html: readFileSync(given.view, "utf8"), uri: given.view };
  const uri = tools.find((tool) => tool.uri)?.uri;
  if (!uri) throw new Error("no tool of the server names a view");
  return { uri, html: (await screen.host("read", uri)).html };
}

async function runAll(page, origin) {
  const complaints = complaintsOf(page, origin);
  await page.goto(origin);
  await page.waitForFunction(() => window.host);
  const screen = new Screen(page, "");
  const view = await viewOf(screen);
  screen.html = view.html;
  const book = new Book(screen);
  await book.open();
  const picture = (name) => page.locator("#view").screenshot({ path: path.join(given.pictures, `${name}.png`) });
  const tally = { passed: 0, failed: 0, skipped: 0 };
  complaints();
  for (const { name, run } of TESTS.filter((test) => test.name.includes(given.only))) {
    const begun = Date.now();
    let failure = "";
    let said = "";
    const expected = [];
    const expect = (pattern) => expected.push(pattern);
    try {
      said = (await run({ screen, book, picture, view, expect, given: { file: given.view, timed: given.timed } })) ?? "";
    } catch (error) {
      failure = error.message;
    }
    const strange = complaints().filter((one) => !expected.some((pattern) => pattern.test(one)));
    failure = [failure, ...strange].filter(Boolean).join("\n");
    const skipped = !failure && said.startsWith("skipped: ");
    tally[failure ? "failed" : skipped ? "skipped" : "passed"] += 1;
    const words = failure ? `FAILED: ${name}: ${failure.split("\n").slice(0, 25).map((line) => line.slice(0, 300)).join("\n    ")}`
      : skipped ? `SKIPPED: ${name}: ${said.slice(9)}` : `ok  ${name}${said ? `: ${said}` : ""}`;
    console.log(`${words} (${((Date.now() - begun) / 1000).toFixed(1)} s)`);
  }
  return tally;
}

async function main() {
  const scratch = mkdtempSync(path.join(os.tmpdir(), "view-"));
  const closing = [() => rmSync(scratch, { recursive: true, force: true })];
  try {
    mkdirSync(path.join(scratch, "data"));
    mkdirSync(path.join(scratch, "files"));
    mkdirSync(given.pictures, { recursive: true });
    const [script, contacts] = await Promise.all([bundle(), serveContacts({ python: given.python, root: ROOT, scratch })]);
    closing.push(() => contacts.stop());
    const front = await serveHost({ script, mcpPort: contacts.port });
    closing.push(() => front.stop());
    const browser = await chromium.launch({ executablePath: given.chromium, args: ["--no-sandbox"] });
    closing.push(() => browser.close());
    const context = await browser.newContext({ viewport: WINDOW, locale: "en-US", timezoneId: "UTC" });
    context.setDefaultTimeout(20_000);
    await context.addInitScript(watchDrawing);
    const { passed, failed, skipped } = await runAll(await context.newPage(), front.origin);
    console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
    return failed || !passed ? 1 : 0;
  } finally {
    for (const close of closing.reverse()) await close();
  }
}

process.exitCode = await main();

// The view as a person meets it: by roles and names. What the tests look for stands in FIND alone.

export const FIND = {
  confirm: ["button", "Confirm"],
  delete: ["button", "Delete for good"],
  plan: ["button", /^(Import|Create|Fill|Change|Update|Delete|Restore) \d/], // the verb with its number
  merge: ["button", /^Merge, and delete \d for good/],
  cancel: ["button", "Cancel"],
  undo: ["button", /^Undo/],
  more: ["button", /^Show more/],
  all: ["button", /^Show all/],
  back: ["button", /^Back/],
  again: ["button", "Look again"],
  stop: ["button", "Stop"],
  any: ["button"],
  heading: ["heading"],
  alert: ["alert"],
  table: ["table"],
  row: ["row"],
  column: ["columnheader"],
};

export const SAYS = {
  inChat: /answer the assistant in the chat/i, // the host lets the view call nothing
  gone: /no longer here|ask again/i, // an emptied answer
  done: /already|nothing to (do|change)/i, // an old screen was pressed once more
  unknown: /nothing is known to have changed/i, // the host refused the call
};

const WITHIN = 15_000; // ms
const QUIET = 250; // ms without a change on the screen

// Runs in every frame before its own scripts. Notes when the last change was painted, in an attribute of the root.
export function watchDrawing() {
  if (window === window.top) return;
  let waits = false;
  const ours = (record) => record.attributeName === "data-drawn";
  const painted = () => {
    waits = false;
    document.documentElement.setAttribute("data-drawn", String(performance.timeOrigin + performance.now()));
  };
  new MutationObserver((records) => {
    if (waits || records.every(ours)) return;
    waits = true;
    requestAnimationFrame(() => setTimeout(painted));
  }).observe(document, { attributes: true, characterData: true, childList: true, subtree: true });
}

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// Asks until the answer is true. Fails with `what` after a time.
export async function until(what, ask, within = WITHIN) {
  const end = Date.now() + within;
  while (!(await ask())) {
    if (Date.now() > end) throw new Error(`not within ${within / 1000} s: ${what}`);
    await sleep(50);
  }
}

export class Screen {
  constructor(page, html) {
    this.page = page;
    this.html = html;
    this.inside = page.frameLocator("#view");
  }

  // Calls a function of the host page's `host`.
  host(name, ...given) {
    return this.page.evaluate(([name, given]) => window.host[name](...given), [name, given]);
  }

  call(name, args) {
    return this.host("call", name, args);
  }

  seen() {
    return this.page.evaluate(() => window.host.seen);
  }

  async calls() {
    return (await this.seen()).calls;
  }

  // Draws an answer in a new frame. Answers when it was begun, when the result was sent, and when it was painted.
  async show(given) {
    const times = await this.host("show", { html: this.html, ...given });
    const drawn = await this.settled();
    return { ...times, drawn };
  }

  // Waits until nothing changes any more.
  async settled() {
    let last = "";
    let since = Date.now();
    await until("a quiet screen", async () => {
      const drawn = (await this.inside.locator("html").getAttribute("data-drawn")) ?? "";
      if (drawn !== last) [last, since] = [drawn, Date.now()];
      return last && Date.now() - since > QUIET;
    }, 60_000);
    return Number(last);
  }

  find([role, name], more = {}) {
    return this.inside.getByRole(role, name === undefined ? more : { name, exact: typeof name === "string", ...more });
  }

  async press(what) {
    await this.find(what).first().click();
    await this.settled();
  }

  async count(what) {
    return this.find(what).count();
  }

  // Everything that can be read on the screen.
  text() {
    return this.inside.locator("body").innerText();
  }

  // The frame itself, to run code in its own world.
  async frame() {
    return (await this.page.locator("#view").elementHandle()).contentFrame();
  }

  async focused() {
    const frame = await this.frame();
    return frame.evaluate(() => {
      const on = document.activeElement;
      return { tag: on?.tagName ?? "", role: on?.getAttribute("role") ?? "", text: (on?.innerText ?? "").trim() };
    });
  }
}

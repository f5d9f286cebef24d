// The tests. Each gets a clean screen, and the runner checks after each that nothing was asked outside or complained of.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

import { EMPTIED, FOREIGN, HOSTILE } from "./hostile.mjs";
import { FIND, SAYS, sleep, until } from "./screen.mjs";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

const WIDTHS = [800, 360];
const THEMES = ["light", "dark"];
const MOST_TABS = 4;
const LONGEST_CONTEXT = 2000; // characters
const FIRST_PAINT = 150; // ms
const TABLE_DRAWN = 250;
const HOSTILE_DRAWN = 1000;
const TIMED = 7; // runs; the quickest counts, because a busy machine only adds
const HEIGHTS = { table: [480, 480], card: [220, 320], picture: [480, Infinity] }; // px at 800 and 360 wide

const CONTROL = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/;
const EVIL = "https://outside.invalid/x"; // must never be asked

const assert = (holds, message) => {
  if (!holds) throw new Error(message);
};
const same = (got, wanted, what) => {
  const [a, b] = [JSON.stringify(got), JSON.stringify(wanted)];
  assert(a === b, `${what}: ${a} instead of ${b}`);
};
const textOf = (result) => result.content.map((part) => part.text ?? "").join("\n");

// What the tests work with: answers of the real server

export class Book {
  constructor(screen) {
    this.screen = screen;
    this.unused = [];
    this.lines = 0;
  }

  async open() {
    let cursor;
    for (let pages = 0; pages < 3; pages++) {
      const { structuredContent } = await this.call("list_contacts", { limit: 100, ...(cursor ? { cursor } : {}) });
      this.unused.push(...structuredContent.contacts);
      cursor = structuredContent.next_cursor;
      if (!cursor) break;
    }
    this.optedOut = this.unused.filter((one) => one.is_opted_out === true);
    this.unused = this.unused.filter((one) => one.name && one.phone && one.email && one.is_opted_out === undefined);
  }

  call(name, args = {}) {
    return this.screen.call(name, args);
  }

  // An answer, as `show` wants it.
  async answer(tool, args = {}) {
    return { tool, args, result: await this.call(tool, args) };
  }

  // A contact that no other test uses.
  fresh() {
    return this.unused.shift();
  }

  deletion() {
    return this.answer("delete_contact", { contact_id: this.fresh().contact_id });
  }

  optIn() {
    return this.answer("update_contact", {
      contact_id: this.optedOut.shift().contact_id,
      is_opted_out: false,
      consent: "Asked for texts again by phone on 2026-03-04",
    });
  }

  update() {
    const { contact_id } = this.fresh();
    return this.answer("update_contact", { contact_id, last: "Changed", email: `changed.${contact_id}@example.com` });
  }

  // Plans an import of new contacts, of known ones with another e-mail, and of lines that are not valid.
  plan(fresh, { changed = 0, bad = 0 } = {}) {
    const lines = ["Name,Phone,Email,Plan"];
    for (let at = 0; at < fresh; at++) {
      this.lines += 1;
      lines.push(`New${this.lines} Person,+1646555${String(this.lines).padStart(4, "0")},new${this.lines}@example.com,Gold`);
    }
    for (let at = 0; at < changed; at++) {
      const { name, phone } = this.fresh();
      lines.push(`${name},${phone},changed${at}@example.com,`);
    }
    for (let at = 0; at < bad; at++) lines.push(`Bad,1${at},,`);
    const existing = changed ? { existing: "overwrite" } : {};
    return this.answer("import_contacts", { text: `${lines.join("\n")}\n`, ...existing });
  }

  // The newest change, to count those of a test.
  async changesSince(before) {
    const { changes } = (await this.call("list_changes", { limit: 50 })).structuredContent;
    return changes.filter((one) => one.change_id > before);
  }

  async newestChange() {
    const { changes } = (await this.call("list_changes", { limit: 1 })).structuredContent;
    return changes[0]?.change_id ?? 0;
  }
}

// Every face once, by the names that the pictures get

const FACES = {
  table: (book) => book.answer("list_contacts"),
  search: (book) => book.answer("search_contacts", { query: "andersen" }),
  card: (book) => book.answer("lookup_contact", { contact_id: book.unused[0].contact_id }),
  confirm: (book) => book.optIn(),
  delete: (book) => book.deletion(),
  plan: (book) => book.plan(12, { changed: 3, bad: 2 }),
  merge: async (book) => {
    const [{ contacts }] = (await book.call("find_duplicates")).structuredContent.sets;
    return book.answer("merge_contacts", { keep: contacts[0].contact_id, others: [contacts[1].contact_id] });
  },
  updated: (book) => book.update(),
  run: async (book) => {
    const { result } = await book.plan(3);
    const { plan, confirm_token } = result.structuredContent;
    return book.answer("import_contacts", { plan, confirm_token });
  },
  status: async (book) => {
    const { result } = await book.plan(2, { bad: 3 });
    return book.answer("import_status", { plan: result.structuredContent.plan, show: "problems" });
  },
  history: (book) => book.answer("list_changes"),
  doubles: (book) => book.answer("find_duplicates"),
  account: (book) => book.answer("describe_account"),
  picture: (book) => book.answer("export_contacts", { by: "all" }),
  error: (book) => book.answer("lookup_contact", { contact_id: 999_999_999, name: "Nobody" }).then(failing),
  text: (book) => book.answer("export_contacts", { where: { tag: "VIP" } }).then(({ tool, args, result }) => ({
    tool, args, result: { content: result.content },
  })),
};

// The server may well answer that nobody was found. The face of an error needs one.
function failing(answer) {
  return answer.result.isError ? answer : { ...answer, result: { ...answer.result, isError: true } };
}

// Checks of what is on the screen

// What is seen beyond the edges of the frame, and whether the page scrolls sideways.
async function sideways(screen) {
  const frame = await screen.frame();
  return frame.evaluate(() => {
    const root = document.documentElement;
    const found = root.scrollWidth > root.clientWidth ? [`the page is ${root.scrollWidth} px wide, its frame ${root.clientWidth}`] : [];
    // The edges of what is seen of an element: ancestors may cut it.
    const edges = (one) => {
      let { left, right } = one.getBoundingClientRect();
      for (let above = one.parentElement; above; above = above.parentElement) {
        if (getComputedStyle(above).overflowX === "visible") continue;
        const box = above.getBoundingClientRect();
        [left, right] = [Math.max(left, box.left), Math.min(right, box.right)];
      }
      return [left, right];
    };
    for (const one of document.body.querySelectorAll("*")) {
      const [left, right] = edges(one);
      if (right - left > 1 && (right > innerWidth + 1 || left < -1)) found.push(`<${one.localName}> at ${left} to ${right}`);
    }
    return found.slice(0, 3);
  });
}

async function axe(screen) {
  const frame = await screen.frame();
  await frame.evaluate(AXE);
  const { violations, passes } = await frame.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
  assert(passes.length > 5, `axe looked at too little: ${passes.length} rules`);
  return violations.map((one) => `${one.id}: ${one.nodes.map((node) => node.html.slice(0, 120)).slice(0, 2).join(" ")}`);
}

// The background of the root must cover, and fit the theme. Answers its lightness from 0 to 1.
async function lightness(screen) {
  const frame = await screen.frame();
  return frame.evaluate(() => {
    const colors = [document.documentElement, document.body].map((one) => getComputedStyle(one).backgroundColor);
    const canvas = document.createElement("canvas").getContext("2d");
    canvas.fillStyle = colors[0];
    canvas.fillRect(0, 0, 1, 1);
    canvas.fillStyle = colors[1];
    canvas.fillRect(0, 0, 1, 1);
    const [red, green, blue, alpha] = canvas.getImageData(0, 0, 1, 1).data;
    return alpha < 255 ? -1 : (0.2126 * red + 0.7152 * green + 0.0722 * blue) / 255;
  });
}

// Numbers that are drawn or read aloud, and stand neither in the answer nor count something in it.
async function numbersOfItsOwn(screen, result) {
  const frame = await screen.frame();
  const drawn = await frame.evaluate(() => {
    for (const one of document.querySelectorAll("details")) one.open = true;
    const named = [...document.querySelectorAll("[aria-label], [title]")].flatMap((one) => [one.ariaLabel, one.title]);
    return [document.body.innerText, ...named].join("\n");
  });
  const answer = `${textOf(result)}\n${JSON.stringify(result.structuredContent ?? {})}`;
  const plain = (number) => number.replace(/[,.]/g, "").replace(/^0+(?=\d)/, "");
  const digitsOf = (text) => (text.match(/\d+(?:[,.]\d{3})*/g) ?? []).map(plain);
  const phones = /\+\d[\d ()-]{6,}\d/g;
  const known = new Set([...digitsOf(answer), ...digitsOf(answer.replace(/[-+T:.]/g, " "))]);
  const counts = new Set();
  const walk = (value) => {
    if (Array.isArray(value)) {
      counts.add(String(value.length));
      const parts = value.map((one) => one?.part);
      for (const part of parts) counts.add(String(parts.filter((other) => other === part).length));
    }
    if (value && typeof value === "object") Object.values(value).forEach(walk);
  };
  walk(result.structuredContent);
  const strange = digitsOf(drawn.replace(phones, " ")).filter((one) => !known.has(one) && !counts.has(one));
  const runs = answer.replace(/[^\d+]/g, " ");
  const phonesDrawn = (drawn.match(phones) ?? []).map((one) => one.replace(/[^\d+]/g, ""));
  return [...new Set([...strange, ...phonesDrawn.filter((one) => !runs.includes(one))])];
}

async function buttonsAreOff(screen) {
  const frame = await screen.frame();
  return frame.evaluate(() => [...document.querySelectorAll("button")].every((one) => one.disabled || one.ariaDisabled === "true"));
}

async function rows(screen) {
  const texts = await screen.inside.getByRole("row").allInnerTexts();
  return texts.slice(1);
}

// A call's answer takes the screen: its heading has the focus, and a live region has its first line.
async function tookTheScreen(screen) {
  const on = await screen.focused();
  const isHeading = /^H\d$/.test(on.tag) || ["heading", "alert"].includes(on.role);
  assert(isHeading, `the focus is on <${on.tag}> "${on.text.slice(0, 40)}", not on the heading`);
  const said = (await screen.inside.locator("[role=status], [aria-live]").allInnerTexts()).join("").trim();
  assert(said, "the live region is empty");
  return said;
}

async function confirmed(screen, book, answer, what) {
  const before = await book.newestChange();
  await screen.show(answer);
  await screen.press(what);
  await until("the call of the view", async () => (await screen.calls()).length === 1);
  await until("an answer on the screen", async () => (await screen.count(FIND.cancel)) === 0);
  await screen.settled();
  const [call] = await screen.calls();
  same(call.name, answer.tool, "the tool that was called");
  same(call.arguments.confirm_token, answer.result.structuredContent.confirm_token, "the token");
  same((await book.changesSince(before)).length, 1, "changes made");
  return call;
}

// The tests themselves

export const TESTS = [];
const test = (name, run) => TESTS.push({ name, run });

test("the server offers the view in both eras, as the address that its tools name", async ({ screen, given, view }) => {
  if (given.file) return "skipped: a file was given instead";
  for (const era of ["auto", "legacy"]) {
    const tools = await screen.host("connect", era);
    const uris = new Set(tools.map((tool) => tool.uri).filter(Boolean));
    same([...uris], [view.uri], `addresses, ${era}`);
    const { mimeType, html, meta } = await screen.host("read", view.uri);
    same(mimeType, "text/html;profile=mcp-app", `kind, ${era}`);
    same(meta?.ui?.csp, {}, `policy, ${era}`);
    assert(html === screen.html, `another page, ${era}`);
  }
  return `${view.uri}, ${Buffer.byteLength(screen.html)} bytes`;
});

test("the host is told in order: initialize, initialized, sizes", async ({ screen, book }) => {
  await screen.show(await book.answer("list_contacts"));
  const { methods } = await screen.seen();
  same(methods.slice(0, 2), ["ui/initialize", "ui/notifications/initialized"], "first messages");
  const other = methods.slice(2).filter((one) => one !== "ui/notifications/size-changed");
  same(other, [], "further messages without a press");
  return methods.length > 2 ? "" : "no size";
});

for (const [face, make] of Object.entries(FACES)) {
  test(`face ${face}`, async ({ screen, book, picture }) => {
    const answer = await make(book);
    const problems = [];
    for (const width of WIDTHS) {
      for (const theme of THEMES) {
        const where = `${theme} ${width}`;
        await screen.show({ ...answer, width, context: { theme } });
        await picture(`${face}-${theme}-${width}`);
        const light = await lightness(screen);
        if (light < 0 || light > 0.5 !== (theme === "light")) problems.push(`${where}: the background has a lightness of ${light}`);
        problems.push(...(await sideways(screen)).map((one) => `${where}: ${one}`));
        problems.push(...(await axe(screen)).map((one) => `${where}: ${one}`));
        const { sizes, calls } = await screen.seen();
        if (calls.length) problems.push(`${where}: ${calls.length} calls without a press`);
        if (!sizes.length || sizes.length > 3) problems.push(`${where}: ${sizes.length} sizes reported`);
        const wanted = HEIGHTS[face]?.[WIDTHS.indexOf(width)];
        if (wanted && sizes.at(-1) > wanted) problems.push(`${where}: ${sizes.at(-1)} px high, ${wanted} at most`);
      }
    }
    const own = await numbersOfItsOwn(screen, answer.result);
    if (own.length) problems.push(`numbers that are only in the view: ${own.join(" ")}`);
    if (["confirm", "delete", "plan", "merge"].includes(face) && !(await screen.count(FIND.cancel))) problems.push("no Cancel");
    if (face === "error" && !(await screen.count(FIND.alert))) problems.push("no alert");
    assert(!problems.length, problems.join("\n"));
    return `${(await screen.seen()).sizes.at(-1)} px high at ${WIDTHS.at(-1)}`;
  });
}

test("first paint and the table of 25 are timed", async ({ screen, book, given }) => {
  const answer = await book.answer("list_contacts");
  const paints = [];
  const drawns = [];
  for (let at = 0; at < TIMED; at++) {
    const { begun, drawn } = await screen.show(answer);
    const frame = await screen.frame();
    paints.push(await frame.evaluate(() => performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? Infinity));
    drawns.push(drawn - begun);
  }
  const [paint, drawn] = [Math.min(...paints), Math.min(...drawns)];
  const said = `first paint ${Math.round(paint)} ms, table ${Math.round(drawn)} ms`;
  assert(!given.timed || (paint <= FIRST_PAINT && drawn <= TABLE_DRAWN), `${said}; at most ${FIRST_PAINT} and ${TABLE_DRAWN}`);
  return said;
});

test("the height settles: no report without a change", async ({ screen, book }) => {
  await screen.show(await book.answer("list_contacts"));
  const { length } = (await screen.seen()).sizes;
  await sleep(1000);
  same((await screen.seen()).sizes.length, length, "sizes after a second");
  return `${length} reports`;
});

// Deeds

test("confirm: one call with the token, the answer takes the screen, the assistant is told", async ({ screen, book }) => {
  const answer = await book.optIn();
  const call = await confirmed(screen, book, answer, FIND.confirm);
  same({ ...call.arguments, confirm_token: "" }, { ...answer.args, confirm_token: "" }, "the arguments");
  await tookTheScreen(screen);
  const { contexts } = await screen.seen();
  same(contexts.length, 1, "context updates");
  const [{ text }] = contexts[0].content;
  assert(text && text.length <= LONGEST_CONTEXT, `the context has ${text?.length} characters`);
  assert(text.includes("is_opted_out: yes -> no"), `the context says: ${text.slice(0, 200)}`);
});

test("delete: its button says so, and the contact is gone", async ({ screen, book }) => {
  const answer = await book.deletion();
  await confirmed(screen, book, answer, FIND.delete);
  await tookTheScreen(screen);
  assert(await screen.count(FIND.undo), "no Undo after it");
  const found = await book.call("lookup_contact", { contact_id: answer.args.contact_id });
  assert(found.isError || found.structuredContent.found === false, "the contact is still there");
});

test("merge: its button says so, and the other contact is gone", async ({ screen, book }) => {
  const answer = await FACES.merge(book);
  const call = await confirmed(screen, book, answer, FIND.merge);
  same({ ...call.arguments, confirm_token: "" }, { ...answer.args, confirm_token: "" }, "the arguments");
  await tookTheScreen(screen);
  const found = await book.call("lookup_contact", { contact_id: answer.args.others[0] });
  assert(found.isError || found.structuredContent.found === false, "the other contact is still there");
});

test("import: the button has the number, and a double click imports once", async ({ screen, book }) => {
  const answer = await book.plan(7, { bad: 1 });
  const before = await book.newestChange();
  await screen.show(answer);
  assert((await screen.find(FIND.plan).first().innerText()).includes("7"), "the button has another number");
  await screen.find(FIND.plan).first().dblclick();
  await until("the answer", async () => (await screen.count(FIND.cancel)) === 0);
  await screen.settled();
  same((await screen.calls()).length, 1, "calls");
  same((await book.changesSince(before)).length, 1, "changes");
});

test("while a call runs all buttons are off, and a second press calls nothing", async ({ screen, book }) => {
  const answer = await book.deletion();
  await screen.show(answer);
  await screen.host("hold");
  await screen.find(FIND.delete).click();
  await until("the call", async () => (await screen.calls()).length === 1);
  assert(await buttonsAreOff(screen), "a button is on");
  await screen.find(FIND.delete).click({ force: true, timeout: 2000 }).catch(() => {});
  await screen.page.keyboard.press("Enter");
  await sleep(300);
  await screen.host("release");
  await until("the answer", async () => (await screen.count(FIND.cancel)) === 0);
  same((await screen.calls()).length, 1, "calls");
});

for (const [name, make, what] of [
  ["a deletion", (book) => book.deletion(), FIND.delete],
  ["an import", (book) => book.plan(2), FIND.plan],
  ["an opt-in", (book) => book.optIn(), FIND.confirm],
]) {
  test(`replay of an old screen, ${name}: nothing is done again, and it says so`, async ({ screen, book }) => {
    const answer = await make(book);
    await confirmed(screen, book, answer, what);
    const before = await book.newestChange();
    await screen.show(answer);
    await screen.press(what);
    await until("the answer", async () => (await screen.count(FIND.cancel)) === 0);
    await screen.settled();
    same((await screen.calls()).length, 1, "calls");
    same((await book.changesSince(before)).length, 0, "changes");
    const said = await screen.text();
    assert(SAYS.done.test(said), `it says: ${said}`);
  });
}

test("cancel: calls nothing, and tells the assistant not to use the token", async ({ screen, book }) => {
  const answer = await book.deletion();
  await screen.show(answer);
  await screen.press(FIND.cancel);
  const { calls, contexts } = await screen.seen();
  same(calls.length, 0, "calls");
  same(contexts.length, 1, "context updates");
  assert(/not use/i.test(contexts[0].content[0].text), `the context says: ${contexts[0].content[0].text}`);
  assert(!(await screen.count(FIND.delete)), "the button is still there");
  await tookTheScreen(screen);
  const found = await book.call("lookup_contact", { contact_id: answer.args.contact_id });
  same(found.structuredContent.found, true, "the contact is there");
});

test("a host without context updates gets none", async ({ screen, book }) => {
  await screen.show({ ...(await book.deletion()), capabilities: { serverTools: {} } });
  await screen.press(FIND.cancel);
  await screen.show({ ...(await book.update()), capabilities: { serverTools: {} } });
  await screen.press(FIND.undo);
  await until("the answer", async () => (await screen.count(FIND.undo)) === 1 && (await screen.calls()).length === 1);
  await screen.settled();
  const { contexts, methods } = await screen.seen();
  same(contexts.length, 0, "context updates");
  assert(!methods.includes("ui/update-model-context"), "it was asked for");
});

test("undo: takes a change back, once", async ({ screen, book }) => {
  const answer = await book.update();
  const before = await book.newestChange();
  await screen.show(answer);
  await screen.press(FIND.undo);
  await until("the answer", async () => (await book.changesSince(before)).length === 1);
  await screen.settled();
  same(await screen.calls(), [{ name: "undo_change", arguments: { change_id: answer.result.structuredContent.change_id } }], "calls");
  await tookTheScreen(screen);
  await screen.show(answer);
  await screen.press(FIND.undo);
  await screen.settled();
  same((await book.changesSince(before)).length, 1, "changes after an old screen was pressed");
  assert(SAYS.done.test(await screen.text()), `it says: ${await screen.text()}`);
});

test("undo of a whole import: reviewed first, then done", async ({ screen, book }) => {
  const { result } = await book.plan(3);
  const { plan, confirm_token } = result.structuredContent;
  const done = await book.answer("import_contacts", { plan, confirm_token });
  await screen.show(done);
  await screen.press(FIND.undo);
  await until("the review", async () => (await screen.count(FIND.cancel)) === 1);
  const before = await book.newestChange();
  await screen.find(FIND.plan).or(screen.find(FIND.delete)).or(screen.find(FIND.confirm)).first().click();
  await until("the answer", async () => (await screen.count(FIND.cancel)) === 0);
  await screen.settled();
  const calls = await screen.calls();
  same(calls.map((one) => one.name), ["undo_change", "undo_change"], "calls");
  assert(calls[1].arguments.confirm_token, "no token in the second one");
  same((await book.changesSince(before)).length, 1, "changes");
});

test("undo of a new number asks to confirm, and not to delete", async ({ screen, book }) => {
  const move = { contact_id: book.optedOut.shift().contact_id, new_phone: "+14155550143" };
  const { confirm_token } = (await book.call("update_contact", move)).structuredContent;
  const { change_id } = (await book.call("update_contact", { ...move, confirm_token })).structuredContent;
  await screen.show(await book.answer("undo_change", { change_id }));
  same(await screen.count(FIND.delete), 0, "buttons that delete");
  await screen.press(FIND.confirm);
  await until("the answer", async () => (await screen.count(FIND.cancel)) === 0);
  const [call] = await screen.calls();
  same([call.name, call.arguments.change_id], ["undo_change", change_id], "the call");
});

test("undo out of the history", async ({ screen, book }) => {
  const made = await book.update();
  const { change_id } = made.result.structuredContent;
  await screen.show(await book.answer("list_changes"));
  await screen.press(FIND.undo);
  await until("the call", async () => (await screen.calls()).length === 1);
  same(await screen.calls(), [{ name: "undo_change", arguments: { change_id } }], "calls");
});

// Tables

test("show all shows every row of the answer", async ({ screen, book }) => {
  const answer = await book.answer("list_contacts");
  await screen.show(answer);
  const few = (await rows(screen)).length;
  assert(few < 25, `${few} rows at first`);
  const name = await screen.find(FIND.all).innerText();
  assert(name.includes("25"), `the button says ${name}`);
  await screen.press(FIND.all);
  same((await rows(screen)).length, 25, "rows");
  same((await screen.calls()).length, 0, "calls");
  await screen.show(await FACES.picture(book));
  await screen.press(FIND.all);
  same((await screen.focused()).tag, "DIV", "the focus, where a group has no button");
  return `${few} at first`;
});

test("show more asks for the next page, and its contacts are there", async ({ screen, book }) => {
  const answer = await book.answer("list_contacts");
  const cursor = answer.result.structuredContent.next_cursor;
  await screen.show(answer);
  await screen.press(FIND.more);
  await until("the call", async () => (await screen.calls()).length === 1);
  await screen.settled();
  same(await screen.calls(), [{ name: "list_contacts", arguments: { cursor } }], "calls");
  same((await rows(screen)).length, 50, "rows");
  const next = await book.call("list_contacts", { cursor });
  const text = await screen.text();
  const { name } = next.structuredContent.contacts.findLast((one) => one.name);
  assert(text.includes(name), `"${name}" of the next page is not there`);
  const { result } = await book.answer("list_contacts", { limit: 5 });
  const structuredContent = { ...result.structuredContent, next_cursor: "no-such-cursor" };
  await screen.show({ ...answer, result: { ...result, structuredContent } });
  await screen.press(FIND.more);
  await until("an error", async () => (await screen.count(FIND.alert)) === 1);
  await screen.press(FIND.back);
  same((await rows(screen)).length, 5, "rows after an error");
});

test("a name opens the card, and Back the table", async ({ screen, book }) => {
  const answer = await book.answer("list_contacts");
  const first = answer.result.structuredContent.contacts[0];
  await screen.show(answer);
  await screen.press(["button", first.name]);
  await until("the card", async () => (await screen.count(FIND.back)) === 1);
  same(await screen.calls(), [{ name: "lookup_contact", arguments: { contact_id: first.contact_id } }], "calls");
  assert((await screen.text()).includes(first.phone), "the phone is not there");
  assert(!(await screen.count(FIND.table)), "the table is still there");
  await screen.press(FIND.back);
  assert((await rows(screen)).length > 1, "no table");
  same((await screen.calls()).length, 1, "calls after Back");
});

test("a press on a header sorts, a second one the other way", async ({ screen, book }) => {
  const answer = await book.answer("list_contacts");
  await screen.show(answer);
  await screen.press(FIND.all);
  const names = answer.result.structuredContent.contacts.map((one) => one.name ?? "");
  const header = screen.inside.getByRole("columnheader", { name: "Name", exact: true });
  const nameIn = (row) => names.find((name) => name && row.startsWith(name)) ?? "";
  const shown = async () => (await rows(screen)).map(nameIn);
  for (const [sort, factor] of [["ascending", 1], ["descending", -1]]) {
    await header.getByRole("button").click();
    await screen.settled();
    same(await header.getAttribute("aria-sort"), sort, "aria-sort");
    same(await shown(), [...names].sort((a, b) => factor * a.localeCompare(b)), sort);
  }
  same((await screen.calls()).length, 0, "calls");
  const on = await screen.focused();
  same(on.text, "Name", "the focus is on");
});

test("what the text of a real answer says stands on the screen as well", async ({ screen, book }) => {
  const problems = [];
  const draws = async (what, answer, says, never = /^$/) => {
    await screen.show(answer);
    await (await screen.frame()).evaluate(() => {
      for (const details of document.querySelectorAll("details")) details.open = true;
      for (let more; (more = [...document.querySelectorAll("button")].find((one) => one.innerText.startsWith("Show all"))); ) more.click();
    });
    const text = (await screen.text()).replace(/\s+/g, " ");
    if (says.some((one) => !text.includes(one)) || never.test(text)) problems.push(`${what}: ${text}`);
  };
  const merge = await FACES.merge(book);
  const { confirm_token: token, losses, others } = merge.result.structuredContent;
  const lost = losses.map((one) => `${one.field}: `);
  await draws("a merge", await book.answer("merge_contacts", { ...merge.args, confirm_token: token }), ["Deleted", others[0].phone, "Lost", ...lost]);

  const { plan, confirm_token } = (await book.plan(2, { bad: 1 })).result.structuredContent;
  await draws("rows of a plan", await book.answer("import_status", { plan, show: "new" }), ["line 2: to create"]);
  await draws("a run", await book.answer("import_contacts", { plan, confirm_token }), ["2 of 2 rows", "done 2", "left out: not valid 1"]);
  const change = { contact_ids: [book.unused[0].contact_id], custom_fields: { Region: "Nowhere" } };
  const many = (await book.call("update_contacts", change)).structuredContent;
  await draws("rows of a change", await book.answer("import_status", { plan: many.plan, show: "update" }), ["to change"], /line/);
  await draws("a plan for one", await book.answer("update_contacts", { plan: many.plan }), ["Change 1 ", "update Region"], /1 contacts/);

  const { change_id } = (await book.update()).result.structuredContent;
  await book.call("undo_change", { change_id });
  await draws("a second undo", await book.answer("undo_change", { change_id }), [], /without a name/);
  await draws("the history", await book.answer("list_changes"), [`takes back ${change_id}`], /import import/);
  const { name, contact_id } = book.unused[0];
  await draws("one found", await book.answer("search_contacts", { query: name }), [], /1 contacts/);
  const found = await book.answer("search_contacts", { custom_fields: { Plan: "Gold" }, created_after: "2025-01-01" });
  await draws("filters", found, ["Plan: Gold", found.result.structuredContent.contacts[0].created.slice(0, 10)]);
  const [card] = (await book.call("lookup_contact", { contact_id })).structuredContent.contacts;
  await draws("a card", await book.answer("lookup_contact", { contact_id }), [card.created, card.updated].map((one) => one.slice(0, 10)), /Names/);
  const account = await book.answer("describe_account");
  const values = account.result.structuredContent.fields.flatMap((one) => (one.values ?? []).map(({ value }) => value));
  await draws("the account", account, values);
  assert(!problems.length, problems.join("\n"));
});

test("nothing of a long, partial or counted-out answer is dropped", async ({ screen }) => {
  const shown = async (tool, structuredContent, text = "") => {
    await screen.show({ tool, args: {}, result: { content: [{ type: "text", text }], structuredContent } });
    const first = await screen.text();
    if (await screen.count(FIND.all)) await screen.press(FIND.all);
    return [first, await screen.text()];
  };
  const some = (many, make) => Array.from({ length: many }, (_, at) => make(at));
  const problems = [];
  const says = (text, ...words) => problems.push(...words.filter((one) => !text.includes(one)).map((one) => `no "${one}": ${text.slice(0, 200)}`));
  const [, cards] = await shown("lookup_contact", { contacts: some(24, (at) => ({ contact_id: at + 1, name: `Same ${at}` })) });
  says(cards, "24 contacts", "Same 23");
  const custom_fields = { ...Object.fromEntries(some(50, (at) => [`Field ${at}`, "x"])), "…": "(+9 more)" };
  const [card] = await shown("lookup_contact", { contacts: [{ name: "Shown", first: "Ada", last: "Byron", custom_fields }] });
  says(card, "(+9 more)", "Ada Byron");
  const [, lines] = await shown("export_contacts", undefined, some(300, (at) => `line ${at}`).join("\n"));
  says(lines, "line 299");
  const [changes] = await shown("update_contact", { status: "updated", changes: some(60, (at) => ({ field: `Field ${at}`, before: "", after: "x" })) });
  says(changes, "Field 59");
  const long = `${"word ".repeat(400)}… (+8000 characters)`; // as the server cuts it
  says((await shown("update_contact", { status: "updated", changes: [{ field: "Plan", before: "", after: long }] }))[0], "+8000");
  says((await shown("update_contact", { status: "updated", notes: some(30, (at) => `Note ${at}.`) }))[0], "Note 29.");
  const known = { complete: false, counts: {}, fields: [{ name: "Plan" }], tags: [{ name: "VIP" }], members: [{ name: "Dana" }] };
  says((await shown("describe_account", known))[0], "Plan", "VIP", "Dana");
  const [nothing] = await shown("export_contacts", { complete: false, counts: [] });
  says(nothing, "Not all were counted");
  if (/0 contacts/.test(nothing)) problems.push(`a count that nobody made: ${nothing}`);
  const journal = { change_id: 7, undoes: 5, who: "Alex Kim", consent: "by phone", action: "update", state: "unknown", name: "Ada" };
  says((await shown("list_changes", { changes: [journal], next_cursor: "" }))[0], "by Alex Kim", "by phone", "not known whether", "1 change\n");
  says((await shown("find_duplicates", { sets: [], total: 1, complete: false }))[0], "1 set of", "not all were looked through");
  assert(!problems.length, problems.join("\n"));
});

// The keyboard

test(`the keyboard alone confirms, with at most ${MOST_TABS} Tabs from the heading`, async ({ screen, book }) => {
  const found = [];
  for (const [answer, what] of [
    [await book.plan(2), FIND.plan],
    [await book.optIn(), FIND.confirm],
    [await book.deletion(), FIND.delete],
  ]) {
    await screen.show(answer);
    const name = (await screen.find(what).first().innerText()).trim();
    const frame = await screen.frame();
    await screen.page.locator("#view").focus();
    await frame.evaluate(() => document.querySelector("h1, h2, [role=heading]").focus());
    let tabs = 0;
    while (tabs <= MOST_TABS && (await screen.focused()).text !== name) {
      await screen.page.keyboard.press("Tab");
      tabs += 1;
    }
    assert(tabs <= MOST_TABS, `"${name}" is not reached by ${MOST_TABS} Tabs`);
    const outline = await frame.evaluate(() => {
      const style = getComputedStyle(document.activeElement);
      return `${style.outlineStyle} ${style.outlineWidth} ${style.boxShadow}`;
    });
    assert(!/^none .* none$|^\w+ 0px none$/.test(outline), `the focus cannot be seen: ${outline}`);
    await screen.page.keyboard.press("Enter");
    await until("the answer", async () => (await screen.count(FIND.cancel)) === 0);
    await screen.settled();
    same((await screen.calls()).length, 1, "calls");
    await tookTheScreen(screen);
    found.push(`${name}: ${tabs}`);
  }
  return found.join(", ");
});

// Hosts

test("a host without serverTools: no buttons that call, and a sentence about the chat", async ({ screen, book }) => {
  for (const answer of [await book.deletion(), await book.plan(2), await book.optIn()]) {
    await screen.show({ ...answer, capabilities: {} });
    for (const what of [FIND.confirm, FIND.delete, FIND.plan, FIND.undo]) same(await screen.count(what), 0, `buttons ${what[1]}`);
    assert(SAYS.inChat.test(await screen.text()), `it says: ${await screen.text()}`);
  }
  const answer = await book.answer("list_contacts");
  await screen.show({ ...answer, capabilities: {} });
  same(await screen.count(FIND.more), 0, "Show more");
  same(await screen.count(["button", answer.result.structuredContent.contacts[0].name]), 0, "names to press");
  await screen.show({ ...(await book.update()), capabilities: {} });
  same(await screen.count(FIND.undo), 0, "Undo");
});

test("a host that does not name the tool: the button works, or is not there", async ({ screen, book }) => {
  const said = [];
  for (const [answer, what] of [
    [await book.deletion(), FIND.delete],
    [await book.plan(2), FIND.plan],
    [await book.optIn(), FIND.confirm],
  ]) {
    const before = await book.newestChange();
    await screen.show({ ...answer, says: false });
    if (!(await screen.count(what))) {
      assert(SAYS.inChat.test(await screen.text()), `neither a button nor a sentence: ${await screen.text()}`);
      said.push(`${answer.tool}: the chat`);
      continue;
    }
    await screen.press(what);
    await until("the answer", async () => (await screen.count(FIND.cancel)) === 0);
    same((await screen.calls()).map((one) => one.name), [answer.tool], "calls");
    same((await book.changesSince(before)).length, 1, "changes");
    said.push(`${answer.tool}: works`);
  }
  const { tool, result } = await book.optIn();
  await screen.show({ tool, result, says: false }); // not even the arguments
  same(await screen.count(FIND.any), 0, "buttons for a call that cannot be known");
  assert(SAYS.inChat.test(await screen.text()), `it says: ${await screen.text()}`);
  return said.join(", ");
});

test("a second answer of the host takes the frame with its own call, and leaves buttons off while one runs", async ({ screen, book }) => {
  await screen.show(await book.update());
  await screen.host("hold");
  await screen.find(FIND.undo).click();
  await until("the call", async () => (await screen.calls()).length === 1);
  const { args, result } = await book.deletion();
  await screen.host("sendInput", args);
  await screen.host("sendResult", result);
  await screen.settled();
  assert(await buttonsAreOff(screen), "a button is on");
  await screen.host("release");
  await until("the answer", async () => (await screen.count(FIND.undo)) === 1);
  await screen.host("change", { toolInfo: { tool: { name: "delete_contact", inputSchema: { type: "object" } } } });
  await screen.host("sendInput", args);
  await screen.host("sendResult", result);
  await screen.settled();
  await screen.press(FIND.delete);
  const calls = await screen.calls();
  const { confirm_token } = result.structuredContent;
  same(calls.slice(1), [{ name: "delete_contact", arguments: { ...args, confirm_token } }], "the calls after it");
});

test("Show more goes on with its own call, whatever the host sends meanwhile", async ({ screen, book }) => {
  const { result } = await book.update();
  await screen.show(await book.answer("list_contacts", { limit: 5 }));
  await screen.host("hold");
  await screen.find(FIND.more).click();
  await until("the call", async () => (await screen.calls()).length === 1);
  await screen.host("change", { toolInfo: { tool: { name: "update_contact", inputSchema: { type: "object" } } } });
  await screen.host("sendResult", result);
  await screen.host("release");
  await until("the next page", async () => (await screen.count(FIND.more)) === 1);
  await screen.press(FIND.more);
  same((await screen.calls()).map((one) => one.name), ["list_contacts", "list_contacts"], "calls");
});

test("a call that the host refuses: its reason is shown, and the buttons are back", async ({ screen, book }) => {
  const answer = await book.deletion();
  await screen.show(answer);
  await screen.host("refuse", "The person has switched this off <b>here</b>");
  await screen.press(FIND.delete);
  await until("an alert", async () => (await screen.count(FIND.alert)) === 1);
  const said = await screen.find(FIND.alert).innerText();
  assert(said.includes("switched this off <b>here</b>"), `it says: ${said}`);
  assert(SAYS.unknown.test(said), `it says: ${said}`);
  assert(await screen.find(FIND.delete).isEnabled(), "the button is off");
  await screen.press(FIND.delete);
  same(await screen.count(FIND.alert), 1, "alerts after a second try");
  await screen.host("refuse", "");
  await screen.press(FIND.delete);
  await until("the answer", async () => (await screen.count(FIND.cancel)) === 0);
  same((await screen.calls()).length, 3, "calls");
});

test("a deed that the server refuses is told, and nothing was done", async ({ screen, book }) => {
  const answer = await book.deletion();
  const structuredContent = { ...answer.result.structuredContent, confirm_token: "no-such-token" };
  const before = await book.newestChange();
  await screen.show({ ...answer, result: { ...answer.result, structuredContent } });
  await screen.press(FIND.delete);
  await until("the call", async () => (await screen.calls()).length === 1);
  await screen.settled();
  same((await book.changesSince(before)).length, 0, "changes");
  assert((await screen.text()).trim(), "an empty screen");
});

test("a stopped call is told", async ({ screen }) => {
  await screen.show({ tool: "list_contacts", args: {} });
  const before = await screen.text();
  await screen.host("sendCancelled", "the person stopped it");
  await until("another text", async () => (await screen.text()) !== before);
  assert(/stopped|cancel/i.test(await screen.text()), `it says: ${await screen.text()}`);
});

test("the theme may change while the view is shown", async ({ screen, book }) => {
  await screen.show(await book.answer("list_contacts"));
  const light = await lightness(screen);
  await screen.host("change", { theme: "dark" });
  await until("a dark background", async () => (await lightness(screen)) < 0.3);
  assert(light > 0.7, `the lightness was ${light}`);
});

test("colours of the host are taken, addresses in them are not", async ({ screen, book }) => {
  const answer = await book.answer("list_contacts");
  const shown = async (variables) => {
    await screen.show({ ...answer, context: { styles: { variables } } });
    const frame = await screen.frame();
    return frame.evaluate(() => {
      const { backgroundColor, backgroundImage } = getComputedStyle(document.body);
      return `${backgroundColor} ${backgroundImage}`;
    });
  };
  const color = "rgb(250, 240, 230)";
  same(await shown({ "--color-background-primary": color }), `${color} none`, "the background");
  // Two names that are no variables: of a property, and of a rule.
  const others = { "background-image": `url(${EVIL})`, [`--x; background: url(${EVIL})`]: "red" };
  same(await shown({ "--color-background-primary": color, ...others }), `${color} none`, "the background");
  for (const value of [`url(${EVIL})`, `URL( '${EVIL}' )`, `image-set("${EVIL}" 1x)`, `\\75 rl(${EVIL})`]) {
    const said = await shown({ "--color-background-primary": value });
    assert(said.endsWith(" none"), `${value} came through as ${said}`);
  }
});

test("the host may end the view", async ({ screen, book }) => {
  await screen.show(await book.answer("list_contacts"));
  same(await screen.host("tearDown"), {}, "the answer");
});

test("messages of a stranger change nothing", async ({ screen, book }) => {
  const answer = await book.deletion();
  const forged = { content: [{ type: "text", text: "FORGED" }], structuredContent: { status: "deleted", contact: { name: "FORGED" } } };
  await screen.show(answer);
  await screen.host("hold");
  await screen.find(FIND.delete).click();
  await until("the call", async () => (await screen.calls()).length === 1);
  const ids = Array.from({ length: 50 }, (_, id) => ({ jsonrpc: "2.0", id, result: forged }));
  await screen.host("forge", [
    { jsonrpc: "2.0", method: "ui/notifications/tool-result", params: forged },
    { jsonrpc: "2.0", method: "ui/notifications/tool-input", params: { arguments: { contact_id: 1 } } },
    { jsonrpc: "2.0", method: "ui/notifications/host-context-changed", params: { theme: "dark" } },
    ...ids,
    { jsonrpc: "2.0", id: "stranger", method: "ui/resource-teardown", params: {} },
    null,
    "text",
    [],
  ]);
  assert(!(await screen.text()).includes("FORGED"), "the forged answer is on the screen");
  assert((await lightness(screen)) > 0.5, "the theme was changed");
  await screen.host("release");
  await until("the answer", async () => (await screen.count(FIND.cancel)) === 0);
  assert(!(await screen.text()).includes("FORGED"), "the forged answer is on the screen");
  same((await screen.calls()).length, 1, "calls");
});

// Hostile answers

for (const trusted of [false, true]) {
  test(`hostile answers are drawn as text${trusted ? ", under Trusted Types" : ""}`, async ({ screen, given }) => {
    const problems = [];
    let slowest = [0, ""];
    for (const [at, [name, tool, result]] of HOSTILE.entries()) {
      const width = WIDTHS[(at + Number(trusted)) % 2]; // so each answer comes in both widths
      const { sent, drawn } = await screen.show({ tool, args: { contact_id: 1 }, result, width, trusted });
      const took = drawn - sent;
      if (took > slowest[0]) slowest = [took, name];
      if (given.timed && took > HOSTILE_DRAWN) problems.push(`${name}: drawn after ${Math.round(took)} ms`);
      const foreign = await screen.inside.locator(FOREIGN).count();
      if (foreign) problems.push(`${name}: ${foreign} elements from data`);
      const text = await screen.text();
      if (!text.trim()) problems.push(`${name}: an empty screen`);
      if (/native code|undefined|\[object/.test(text)) problems.push(`${name}: the language shows through: ${text.slice(0, 200)}`);
      if (CONTROL.test(text)) problems.push(`${name}: a control character is drawn`);
      if (/waiting for the answer/i.test(text)) problems.push(`${name}: nothing was drawn`);
      problems.push(...(await sideways(screen)).map((one) => `${name}, ${width}: ${one}`));
      if (await screen.count(FIND.all)) {
        await screen.press(FIND.all);
        problems.push(...(await sideways(screen)).map((one) => `${name}, ${width}, all: ${one}`));
      }
      same((await screen.calls()).length, 0, `${name}: calls`);
    }
    const said = `${HOSTILE.length}, the slowest after ${Math.round(slowest[0])} ms (${slowest[1]})`;
    assert(!problems.length, [...problems, said].join("\n"));
    return said;
  });
}

test("under Trusted Types a face may not write HTML, so the rule is on", async ({ screen, book, expect }) => {
  expect(/requires 'TrustedHTML' assignment/);
  await screen.show({ ...(await book.answer("list_contacts")), trusted: true });
  const frame = await screen.frame();
  const said = await frame.evaluate(() => {
    try {
      document.createElement("p").innerHTML = "<b>x</b>";
      return "written";
    } catch (error) {
      return error.name;
    }
  });
  same(said, "TypeError", "innerHTML");
});

test("an emptied answer says that it is gone", async ({ screen }) => {
  for (const [name, result] of EMPTIED) {
    await screen.show({ tool: "list_contacts", args: {}, result });
    const text = await screen.text();
    assert(SAYS.gone.test(text), `${name}: it says: ${text}`);
    same(await screen.count(FIND.any), 0, `${name}: buttons`);
  }
});

test("an answer that cannot be drawn is its text", async ({ screen, expect }) => {
  expect(/BigInt/);
  const structuredContent = { found: true, contacts: [{ name: { number: 1n } }] };
  await screen.show({ tool: "lookup_contact", args: {}, result: { content: [{ type: "text", text: "The text" }], structuredContent } });
  same((await screen.text()).trim(), "The text", "the screen");
});

test("a count that is not known has no number", async ({ screen }) => {
  const counts = [{ part: "Plan", name: "Gold", contacts: 3 }, { part: "Plan", name: "others" }];
  await screen.show({ tool: "export_contacts", args: {}, result: { content: [], structuredContent: { contacts: 3, complete: true, counts, notes: [] } } });
  same((await screen.text()).split(/\s+/).filter(Boolean), ["3", "contacts", "Plan", "Gold", "3", "others"], "the screen");
});

test("an answer without structure is its text", async ({ screen, book }) => {
  const { tool, args, result } = await book.deletion();
  await screen.show({ tool, args, result: { content: result.content } });
  const text = (await screen.text()).replace(/\s+/g, " ");
  assert(text.includes("needs_confirmation, so nothing was done yet"), `it says: ${text.slice(0, 200)}`);
  same(await screen.count(FIND.delete), 0, "buttons");
});

// The last test, because others want the contacts as they were. With hundreds more the run takes several times as long as
// a press of Stop.
test("a run: Stop ends it, and Look again on the old screen says so", async ({ screen, book }) => {
  for (let part = 0; part < 6; part++) {
    const { plan, confirm_token } = (await book.plan(200)).result.structuredContent;
    same((await book.call("import_contacts", { plan, confirm_token })).structuredContent.status, "done", "the import");
  }
  const everybody = { where: { opted_out: false }, custom_fields: { Plan: "Silver" } };
  const { plan, confirm_token } = (await book.call("update_contacts", everybody)).structuredContent;
  const run = book.call("update_contacts", { plan, confirm_token });
  let answer;
  await until("the run", async () => {
    answer = await book.answer("import_status", { plan, show: "update" }); // without rows it would wait for the end
    return answer.result.structuredContent.status === "running";
  });
  await screen.show(answer);
  await screen.press(FIND.stop);
  await until("the end", async () => (await screen.count(FIND.stop)) === 0);
  same(await screen.calls(), [{ name: "import_status", arguments: { plan, stop: true } }], "calls");
  await tookTheScreen(screen);
  await run;
  const { status, about } = (await book.call("import_status", { plan })).structuredContent;
  same(status, "stopped", "the run");
  assert(about.finished < about.total, `${about.finished} of ${about.total} rows are finished`);

  await screen.show(answer);
  await screen.press(FIND.again);
  await until("the news", async () => (await screen.count(FIND.again)) === 0);
  same(await screen.calls(), [{ name: "import_status", arguments: { plan } }], "calls");
  await tookTheScreen(screen);
});

// Answers that no honest server gives. The view must draw each of them: soon, as text, and within its width.

const HTML =
  '<img src="x-bad" onerror="alert(1)"><x-bad></x-bad><script>alert(2)</script><a href="javascript:alert(3)">press</a>';
const LONG = "x".repeat(10_000);
const RLO = "\u202Eevil\u202C \u2066lro\u2069 \u200Fmark";
const CONTROL = "a\u0000b\u0007c\u001b[31md\u0085e\ufeff\u200b";
const HUGE = [1e308, -1e308, 9007199254740993, 0.1 + 0.2, -0, 12345678901234567890];
const WIDE = ["\ud800", "👩‍👩‍👧‍👦".repeat(500), "ﷺ".repeat(1000), "Z͑ͫ̓ͪ̂ͫ̽͏̴̙̤".repeat(300)];
const MIXED = [HTML, LONG, RLO, CONTROL, ...HUGE, ...WIDE];

const contact = (text, at = 1) => ({
  contact_id: at,
  name: text,
  first: text,
  phone: text,
  email: text,
  assignee: text,
  tags: Array(20).fill(text),
  custom_fields: Object.fromEntries(Array.from({ length: 30 }, (_, index) => [`${index}${text}`, text])),
  is_opted_out: text,
  updated: text,
  created: text,
  other: { note: [{ name: text, text, date: text }] },
});
const changes = (text) => Array.from({ length: 30 }, () => ({ field: text, before: text, after: [text, text] }));
const answer = (structuredContent, text = "hostile") => ({ content: [{ type: "text", text }], structuredContent });
const page = (text, cursor = "next") => ({
  contacts: Array.from({ length: 25 }, (_, at) => contact(text, at + 1)),
  next_cursor: cursor,
  complete: false,
  notes: [text, text],
});

// Each with the tool that it is the answer of. `tool` decides nothing for an honest view, but fits the shape.
export const HOSTILE = [
  ...[
    ["unbroken", LONG],
    ["html", HTML],
    ["directions", RLO],
    ["controls", CONTROL],
  ].flatMap(([name, text]) => [
    [`table, ${name}`, "list_contacts", answer(page(text), text)],
    [`card, ${name}`, "lookup_contact", answer({ found: true, contacts: [contact(text)], notes: [text] }, text)],
    [`review, ${name}`, "update_contact", answer({
      status: "needs_confirmation",
      contact: contact(text),
      changes: changes(text),
      question: text,
      confirm_token: text,
      notes: [text],
    }, text)],
    [`plan, ${name}`, "import_contacts", answer({
      status: "needs_confirmation",
      plan: 1,
      about: { source: text, rows: 3, columns: { [text]: text }, refused: { [text]: 1 } },
      counts: { new: 1, [text]: 2 },
      question: text,
      confirm_token: text,
      notes: Array(30).fill(text),
    }, text)],
    [`change, ${name}`, "update_contact", answer({
      status: text,
      contact: contact(text),
      changes: changes(text),
      notes: [text],
      change_id: text,
    }, text)],
    [`history, ${name}`, "list_changes", answer({
      changes: Array.from({ length: 10 }, (_, at) => ({
        change_id: at, at: text, action: text, state: text, contact_id: at, name: text, about: text, changes: changes(text),
      })),
      next_cursor: text,
      complete: false,
    }, text)],
    [`picture, ${name}`, "export_contacts", answer({
      contacts: 3, complete: false, counts: Array.from({ length: 60 }, () => ({ part: text, name: text, contacts: 3 })), notes: [text],
    }, text)],
    [`text, ${name}`, "export_contacts", { content: [{ type: "text", text }] }],
    [`error, ${name}`, "lookup_contact", { ...answer({ kind: text, message: text }, text), isError: true }],
  ]),
  ["table, numbers for texts", "list_contacts", answer({
    contacts: HUGE.map((value) => ({
      contact_id: value, name: value, phone: value, tags: value, is_opted_out: value, updated: value,
    })),
    next_cursor: 7, total: 1e308, notes: 5,
  })],
  ["picture, huge numbers", "export_contacts", answer({
    contacts: 1e308,
    complete: true,
    counts: HUGE.map((value) => ({ part: "tag", name: `${value}`, contacts: value })),
    notes: [],
  })],
  ["table, everything mixed", "list_contacts", answer({
    contacts: MIXED.map((text, at) => contact(text, at)), next_cursor: "", notes: MIXED,
  })],
  ["table, wrong kinds", "list_contacts", answer({
    contacts: [null, 1, "text", [], [[]], { name: { a: { b: 1 } }, tags: "one" }], next_cursor: "",
  })],
  ["review, wrong kinds", "update_contact", answer({
    status: "needs_confirmation", contact: "x", changes: { a: 1 }, notes: {}, question: 4,
  })],
  ["plan, wrong kinds", "import_contacts", answer({
    status: "needs_confirmation", plan: [], about: 7, counts: [1, "x"], notes: null,
  })],
  ["history, wrong kinds", "list_changes", answer({
    changes: [null, 7, { changes: "x" }, { changes: [null, 7] }], next_cursor: {},
  })],
  ["names of the language itself", "list_contacts", answer(JSON.parse(
    '{"status": "constructor", "__proto__": {"contacts": []}, "contact": {"name": "toString", "contact_id": 1}, "changes": [], "notes": []}',
  ))],
  ["counts named as the language", "import_contacts", answer(JSON.parse(
    '{"status": "needs_confirmation", "plan": 1, "counts": {"toString": 1, "__proto__": 2, "constructor": 3}, "notes": []}',
  ))],
];

// Answers that a host emptied: what is drawn must say that the answer is gone.
export const EMPTIED = [
  ["nothing", {}],
  ["no structure, no text", { content: [] }],
  ["an empty text", { content: [{ type: "text", text: "" }] }],
  ["an empty structure", { content: [], structuredContent: {} }],
  ["null for the structure", { content: [], structuredContent: null }],
];

// Elements that come from HTML alone. The view itself makes none of them.
export const FOREIGN = "x-bad, img, iframe, embed, form, input, a, link, base, video, svg, script ~ script, main script";

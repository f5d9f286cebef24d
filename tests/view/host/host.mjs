// The script of the host page: the extension's own bridge around one frame, and an MCP client to the real server.
//
// Tests drive it through `window.host`. Everything that the view asks for is kept in `host.seen`.

import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { AppBridge, PostMessageTransport, RESOURCE_MIME_TYPE, getToolUiResourceUri } from "@modelcontextprotocol/ext-apps/app-bridge";

const EXTENSION = "io.modelcontextprotocol/ui";
const OURS = { name: "view-tests", version: "1.0.0" };
const ALL = { serverTools: {}, updateModelContext: { text: {} }, logging: {} };

const INITIALIZED_WITHIN = 15_000; // ms

const now = () => performance.timeOrigin + performance.now();

let client;
let tools = [];
let bridge;
let frame;
let gate; // while it is set, calls of the view wait for it
let refusal = ""; // while it is set, calls of the view fail with it

const host = {
  // What the view sent, since the last show().
  seen: {},

  // Connects to the server. `era` is "legacy" for 2025-11-25, or "auto" for the newest that both sides speak.
  async connect(era) {
    await client?.close();
    client = new Client(OURS, {
      capabilities: { extensions: { [EXTENSION]: { mimeTypes: [RESOURCE_MIME_TYPE] } } },
      versionNegotiation: { mode: era },
    });
    await client.connect(new StreamableHTTPClientTransport(new URL("/mcp", location.href)));
    tools = (await client.listTools()).tools;
    return tools.map((tool) => ({ name: tool.name, uri: getToolUiResourceUri(tool) ?? "" }));
  },

  async read(uri) {
    const [content] = (await client.readResource({ uri })).contents;
    return { mimeType: content.mimeType, html: content.text, meta: content._meta };
  },

  // A call of the assistant. It does not count as one of the view.
  call: (name, args = {}) => client.callTool({ name, arguments: args }),

  // Draws an answer in a new frame, as a host does after a call.
  async show({ html, tool, args, result, capabilities = ALL, context = {}, width = 800, trusted = false, says = true }) {
    await host.hide();
    gate = undefined;
    refusal = "";
    host.seen = { calls: [], contexts: [], sizes: [], methods: [], others: [] };
    const name = await (await fetch("/frame", { method: "POST", body: html })).text();
    frame = document.createElement("iframe");
    frame.id = "view";
    frame.title = "The view";
    frame.setAttribute("sandbox", "allow-scripts");
    frame.style.width = `${width}px`;
    frame.style.height = "40px";
    document.body.append(frame);
    window.addEventListener("message", listen);
    bridge = makeBridge(capabilities, contextOf(tool, context, says));
    const initialized = new Promise((resolve) => (bridge.oninitialized = resolve));
    await bridge.connect(new PostMessageTransport(frame.contentWindow, frame.contentWindow));
    const begun = now();
    frame.src = trusted ? `${name}?trusted` : name;
    await within(INITIALIZED_WITHIN, initialized, "the view did not initialize");
    if (args) await bridge.sendToolInput({ arguments: args });
    const sent = now();
    if (result) await bridge.sendToolResult(result);
    return { begun, sent };
  },

  async hide() {
    window.removeEventListener("message", listen);
    await bridge?.close();
    frame?.remove();
    document.getElementById("forger")?.remove();
    bridge = frame = undefined;
  },

  sendInput: (args) => bridge.sendToolInput({ arguments: args }),
  sendResult: (result) => bridge.sendToolResult(result),
  sendCancelled: (reason) => bridge.sendToolCancelled({ reason }),
  change: (context) => bridge.sendHostContextChange(context),
  tearDown: () => bridge.teardownResource({}),

  hold() {
    let open;
    gate = new Promise((resolve) => (open = resolve));
    host.release = () => {
      gate = undefined;
      open();
    };
  },

  refuse(reason) {
    refusal = reason;
  },

  // Sends messages to the view from a second frame, which is neither the host nor the view.
  async forge(messages) {
    const forger = document.createElement("iframe");
    forger.id = "forger";
    forger.title = "A stranger";
    forger.style.display = "none";
    document.body.append(forger);
    const send = forger.contentWindow.Function("target", "messages", "for (const one of messages) target.postMessage(one, '*')");
    send(frame.contentWindow, messages);
    await new Promise((resolve) => setTimeout(resolve, 300));
  },
};

// Waits for a promise, or fails with `what` after `ms`.
function within(ms, promise, what) {
  const late = new Promise((_, reject) => setTimeout(() => reject(new Error(`${what} within ${ms / 1000} s`)), ms));
  return Promise.race([promise, late]);
}

function contextOf(tool, context, says) {
  const known = tools.find((one) => one.name === tool) ?? { name: tool, inputSchema: { type: "object" } };
  return {
    theme: "light",
    displayMode: "inline",
    availableDisplayModes: ["inline"],
    locale: "en-US",
    timeZone: "UTC",
    platform: "web",
    ...(says && tool ? { toolInfo: { id: 1, tool: known } } : {}),
    ...context,
  };
}

function makeBridge(capabilities, hostContext) {
  const made = new AppBridge(null, OURS, capabilities, { hostContext });
  made.oncalltool = async (params) => {
    host.seen.calls.push({ name: params.name, arguments: params.arguments ?? {} });
    await gate;
    if (refusal) throw new Error(refusal);
    return client.callTool({ name: params.name, arguments: params.arguments ?? {} });
  };
  made.onupdatemodelcontext = async (params) => {
    host.seen.contexts.push(params);
    return {};
  };
  for (const name of ["onmessage", "onopenlink", "ondownloadfile", "onrequestdisplaymode"]) {
    made[name] = async (params) => {
      host.seen.others.push({ name, params });
      return {};
    };
  }
  made.onsizechange = ({ height }) => {
    host.seen.sizes.push(height);
    if (height) frame.style.height = `${height}px`;
  };
  return made;
}

// Keeps every method that the view sends, in order.
function listen(event) {
  if (event.source === frame?.contentWindow) host.seen.methods.push(event.data?.method ?? "answer");
}

window.host = host;

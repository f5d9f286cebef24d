// The two servers of a test run: the real contacts server, and a small one in front of it.
//
// The small one serves the host page and the frame and passes /mcp on. So all has one origin, and nothing needs CORS.

import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { openSync, readFileSync } from "node:fs";
import http from "node:http";
import net from "node:net";
import path from "node:path";

const STARTED_WITHIN = 60_000; // ms

// The policy that the extension asks hosts for, where a view declares no domain.
const POLICY = [
  "default-src 'none'",
  "script-src 'self' 'unsafe-inline'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "media-src 'self' data:",
  "connect-src 'none'",
].join("; ");

const PAGE = `<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>A host</title>
<style>body { margin: 0; background: #8a8a8a } iframe { border: 0; display: block }</style>
<script type="module" src="/host.js"></script></head><body></body></html>`;

// Starts the real server on the sandbox, with folders of its own below `scratch`.
export async function serveContacts({ python, root, scratch }) {
  const port = await freePort();
  const logFile = path.join(scratch, "server.log");
  const log = openSync(logFile, "w");
  const child = spawn(python, ["-m", "contacts_mcp", "serve", "--sandbox", "--http", `127.0.0.1:${port}`], {
    cwd: root,
    env: {
      ...process.env,
      CONTACTS_MCP_DATA_DIR: path.join(scratch, "data"),
      CONTACTS_MCP_FILES: path.join(scratch, "files"),
      CONTACTS_MCP_REQUESTS_PER_MINUTE: "100000",
    },
    stdio: ["ignore", log, log],
  });
  const ended = new Promise((resolve) => child.once("exit", resolve));
  const until = Date.now() + STARTED_WITHIN;
  while (!(await answers(port))) {
    if (child.exitCode !== null || Date.now() > until) {
      child.kill("SIGKILL");
      throw new Error(`the contacts server did not start:\n${readFileSync(logFile, "utf8")}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return {
    port,
    log: () => readFileSync(logFile, "utf8"),
    async stop() {
      child.kill("SIGTERM");
      const patience = setTimeout(() => child.kill("SIGKILL"), 10_000);
      await ended;
      clearTimeout(patience);
    },
  };
}

// Serves the host page with its `script`, the frames that the page hands in, and /mcp of `mcpPort`.
export async function serveHost({ script, mcpPort }) {
  const frames = new Map();
  const server = http.createServer((request, response) => {
    const url = new URL(request.url, "http://host.invalid");
    if (url.pathname === "/mcp") return passOn(request, response, mcpPort);
    if (url.pathname === "/") return send(response, 200, "text/html; charset=utf-8", PAGE);
    if (url.pathname === "/host.js") return send(response, 200, "text/javascript; charset=utf-8", script);
    if (url.pathname === "/frame" && request.method === "POST") return keep(request, response, frames);
    const html = frames.get(url.pathname);
    if (html) {
      const policy = url.searchParams.has("trusted") ? `${POLICY}; require-trusted-types-for 'script'` : POLICY;
      return send(response, 200, "text/html; charset=utf-8", html, { "Content-Security-Policy": policy });
    }
    return send(response, url.pathname === "/favicon.ico" ? 204 : 404, "text/plain", "");
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    origin: `http://127.0.0.1:${server.address().port}`,
    stop() {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(resolve));
    },
  };
}

function send(response, status, type, body, headers = {}) {
  response.writeHead(status, { "Content-Type": type, "Cache-Control": "no-store", ...headers });
  response.end(body);
}

function keep(request, response, frames) {
  const parts = [];
  request.on("data", (part) => parts.push(part));
  request.on("end", () => {
    const html = Buffer.concat(parts);
    const name = `/frame/${createHash("sha256").update(html).digest("hex").slice(0, 16)}`;
    frames.set(name, html);
    send(response, 200, "text/plain", name);
  });
}

function passOn(request, response, port) {
  const headers = { ...request.headers, host: `127.0.0.1:${port}` };
  delete headers.origin;
  const onward = http.request({ host: "127.0.0.1", port, path: "/mcp", method: request.method, headers }, (answer) => {
    response.writeHead(answer.statusCode, answer.headers);
    answer.pipe(response);
  });
  onward.on("error", () => (response.headersSent ? response.destroy() : send(response, 502, "text/plain", "")));
  response.on("close", () => onward.destroy());
  request.pipe(onward);
}

function freePort() {
  return new Promise((resolve) => {
    const taken = net.createServer();
    taken.listen(0, "127.0.0.1", () => {
      const { port } = taken.address();
      taken.close(() => resolve(port));
    });
  });
}

function answers(port) {
  return new Promise((resolve) => {
    const socket = net.connect(port, "127.0.0.1");
    socket.once("connect", () => resolve(true));
    socket.once("error", () => resolve(false));
    socket.once("connect", () => socket.destroy());
  });
}

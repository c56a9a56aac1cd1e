/** Proxies in front of an agent, run as processes from the configurations that docs/ingress.md shows. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { collect, mustRun } from "./command.ts";
import { freePort } from "./free-port.ts";
import { until } from "./until.ts";

const page = readFileSync(new URL("../../docs/ingress.md", import.meta.url), "utf8");

export interface Front {
  readonly port: number;
  readonly process: ChildProcess;
  /** What it printed. */
  output(): string;
  close(): void;
}

export interface FrontOptions {
  readonly kind: "nginx" | "haproxy" | "tinyproxy";
  /** The agent's port 8001 of the page. */
  readonly agentPort: number;
  /** The port to listen on, for what has to be known before; a free one unless given. */
  readonly port: number;
  /** The port 443 of the page that a CONNECT may name. */
  readonly connectPort?: number;
}

const programs = {
  nginx: (folder: string) => ["nginx", "-p", folder, "-c", join(folder, "nginx.conf"), "-g", "daemon off;"],
  haproxy: (folder: string) => ["haproxy", "-db", "-f", join(folder, "haproxy.conf")],
  tinyproxy: (folder: string) => ["tinyproxy", "-d", "-c", join(folder, "tinyproxy.conf")],
};

/** Throws an Error that says what to install when the program is missing. */
export async function startFront(o: FrontOptions): Promise<Front> {
  const folder = mkdtempSync(join(tmpdir(), "fairlead-front-"));
  await makeCertificate(folder);
  const shown = recipe(o.kind)
    .replaceAll("8001", String(o.agentPort))
    .replace(/\b443\b/, String(o.connectPort ?? o.port))
    .replace("Port 3128", `Port ${o.port}`)
    .replaceAll("/etc/ssl/", `${folder}/`);
  const around = `pid ${folder}/pid; error_log stderr notice; events {}\nhttp {\n access_log off;\n ${temporary(folder)}\n${shown}\n}\n`;
  writeFileSync(join(folder, `${o.kind}.conf`), o.kind === "nginx" ? around : shown);
  const [program = "", ...args] = programs[o.kind](folder);
  const child = spawn(program, args, {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, PATH: `${process.env.PATH}:/usr/sbin` },
  });
  const output = collect(child);
  const said = (): string => output().stdout + output().stderr;
  let failure: Error | undefined;
  child.once("error", () => {
    failure = new Error(`${program} is not installed: apt-get install nginx-light haproxy tinyproxy`);
  });
  await until(`${program} listens`, async () => failure !== undefined || accepts(o.port), { seconds: 20, seen: said });
  if (failure) throw failure;
  return {
    port: o.port,
    process: child,
    output: said,
    close() {
      child.kill();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

export { freePort };

function recipe(kind: string): string {
  const found = new RegExp(`^\`\`\`${kind}\\n([\\s\\S]*?)^\`\`\`$`, "m").exec(page)?.[1];
  assert.ok(found, `docs/ingress.md shows a configuration of ${kind}`);
  return found;
}

/** Where nginx keeps what does not fit in memory; else in /var, which is root's. */
function temporary(folder: string): string {
  const kinds = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
  return kinds.map((kind) => `${kind}_temp_path ${folder}/${kind};`).join(" ");
}

async function makeCertificate(folder: string): Promise<void> {
  const [key, crt] = [join(folder, "fairlead.key"), join(folder, "fairlead.crt")];
  const subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"];
  const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  await mustRun("openssl", ["req", "-x509", ...curve, "-keyout", key, "-out", crt, "-days", "2", ...subject]);
  writeFileSync(join(folder, "fairlead.pem"), readFileSync(crt, "utf8") + readFileSync(key, "utf8"));
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("error", () => resolve(false));
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
  });
}

/** Debian's squid as the HTTP proxy on the way out, with the rules of Debian's own configuration for CONNECT. */

import { createHash } from "node:crypto";
import { chmod, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Program, startProgram } from "./debian.ts";
import { freePort } from "./free-port.ts";
import { until } from "./until.ts";

export interface SquidOptions {
  /** Where it keeps its files; made if need be. */
  readonly directory: string;
  /** Ports to which it lets CONNECT pass; squid's own rule has 443 only. */
  readonly ports: readonly number[];
  /** A name that it knows as 127.0.0.1, and nobody else. */
  readonly knows: string;
  /** Who may use it; everybody unless given. */
  readonly credentials?: { readonly user: string; readonly password: string };
  /** Further lines of its configuration. */
  readonly more?: string;
}

export interface Squid extends AsyncDisposable {
  readonly port: number;
  /**
   * What it was asked for: "CONNECT peer.example:443 200", in the order in which they ended. It writes that down a
   * moment later, so this waits for at least so many.
   */
  asked(least: number): Promise<string[]>;
  kill(): Promise<void>;
  /** Again, on the same port. */
  start(): Promise<void>;
}

/** Resolves when it listens. */
export async function startSquid(o: SquidOptions): Promise<Squid> {
  const port = await freePort();
  await mkdir(o.directory, { recursive: true });
  // Started by root, it becomes a user of its own before it opens its log.
  await chmod(o.directory, 0o777);
  const file = (name: string): string => join(o.directory, name);
  await writeFile(file("hosts"), `127.0.0.1 localhost ${o.knows}\n`);
  if (o.credentials) await writeFile(file("users"), passwordLine(o.credentials.user, o.credentials.password));
  await writeFile(file("squid.conf"), configuration(o, port, file));
  let program: Program | undefined;
  const squid = {
    port,
    async start() {
      program = await startProgram("squid", ["-N", "-f", file("squid.conf")], port);
    },
    async kill() {
      await program?.kill();
      program = undefined;
    },
    asked: (least: number) =>
      until("squid wrote down what it was asked", async () => {
        const log = await readFile(file("access.log"), "utf8");
        // Whoever only connects, as `startProgram` does, asks for nothing, and has a line too.
        const lines = log.split("\n").filter((line) => line.startsWith("CONNECT "));
        return lines.length >= least && lines;
      }),
    [Symbol.asyncDispose]: () => squid.kill(),
  };
  await squid.start();
  return squid;
}

function configuration(o: SquidOptions, port: number, file: (name: string) => string): string {
  const authentication = [
    `auth_param basic program /usr/lib/squid/basic_ncsa_auth ${file("users")}`,
    "acl known proxy_auth REQUIRED",
    "http_access deny !known",
  ];
  return `http_port 127.0.0.1:${port}
pid_filename ${file("squid.pid")}
hosts_file ${file("hosts")}
cache_log ${file("cache.log")}
coredump_dir ${o.directory}
cache deny all
cache_mem 8 MB
max_filedescriptors 256
netdb_filename none
logformat asked %rm %ru %>Hs
access_log stdio:${file("access.log")} asked
buffered_logs off
pinger_enable off
shutdown_lifetime 1 seconds
acl SSL_ports port ${o.ports.join(" ")}
http_access deny CONNECT !SSL_ports
${o.credentials ? authentication.join("\n") : ""}
http_access allow all
${o.more ?? ""}
`;
}

/** One of the forms that squid's helper reads; it is for a test. */
function passwordLine(user: string, password: string): string {
  return `${user}:${createHash("md5").update(password).digest("hex")}\n`;
}

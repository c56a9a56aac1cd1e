/** Debian's nginx in front of a peer port, with the recipe of docs/ingress.md. */

import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { mustRun } from "./command.ts";
import { findProgram, type Program, startProgram } from "./debian.ts";
import { freePort } from "./free-port.ts";
import type { Certificate } from "./outer-certificate.ts";
import { recipe } from "./recipe.ts";
import { until } from "./until.ts";

export interface NginxOptions {
  /** The peer port behind it. */
  readonly target: number;
  readonly certificate: Certificate;
  /** Where it keeps its files; made if need be. */
  readonly directory: string;
  /** Further directives of the main context and of `http`. */
  readonly main?: string;
  readonly http?: string;
  /** What else differs from the recipe: texts of it, and what stands there instead. */
  readonly changes?: Readonly<Record<string, string>>;
}

export interface Nginx extends AsyncDisposable {
  readonly port: number;
  /** `nginx -s reload`; resolves when the new workers run. */
  reload(): Promise<void>;
  /** Without notice, workers and all. */
  kill(): Promise<void>;
  /** Again, on the same port. */
  start(): Promise<void>;
}

const workers = 2;

/** Resolves when it listens. */
export async function startNginx(o: NginxOptions): Promise<Nginx> {
  const port = await freePort();
  await mkdir(o.directory, { recursive: true, mode: 0o755 });
  const file = join(o.directory, "nginx.conf");
  await writeFile(file, configuration(o, port));
  const args = ["-p", o.directory, "-e", "stderr", "-c", file];
  let program: Program | undefined;
  const nginx = {
    port,
    async start() {
      program = await startProgram("nginx", args, port);
    },
    async kill() {
      await program?.kill();
      program = undefined;
    },
    async reload() {
      const started = (): number => program?.output().match(/start worker process \d/g)?.length ?? 0;
      const before = started();
      await mustRun(await findProgram("nginx"), [...args, "-s", "reload"]);
      await until("nginx has new workers", async () => started() === before + workers, { seconds: 20 });
    },
    [Symbol.asyncDispose]: () => nginx.kill(),
  };
  await nginx.start();
  return nginx;
}

/** What Debian's nginx.conf has around the sites, with every path below one directory. */
function configuration(o: NginxOptions, port: number): string {
  const site = recipe("nginx", {
    "listen 443 ssl": `listen 127.0.0.1:${port} ssl`,
    "fairlead.example.com": "localhost",
    "/etc/nginx/fairlead.crt": o.certificate.chainFile,
    "/etc/nginx/fairlead.key": o.certificate.keyFile,
    "127.0.0.1:8001": `127.0.0.1:${o.target}`,
  });
  const changed = Object.entries(o.changes ?? {}).reduce((text, [from, to]) => text.replaceAll(from, to), site);
  const scratch = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(
    (of) => `${of}_temp_path ${o.directory}/${of};`,
  );
  return `daemon off;
worker_processes ${workers};
pid ${o.directory}/nginx.pid;
error_log stderr notice;
${o.main ?? ""}
events { worker_connections 768; }
http {
  sendfile on;
  tcp_nopush on;
  types_hash_max_size 2048;
  ssl_protocols TLSv1 TLSv1.1 TLSv1.2 TLSv1.3;
  ssl_prefer_server_ciphers on;
  access_log off;
  gzip on;
  ${scratch.join("\n  ")}
  ${o.http ?? ""}
${changed}
}
`;
}

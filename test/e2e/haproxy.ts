/** Debian's haproxy in front of a peer port, with the recipe of docs/ingress.md. */

import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Program, startProgram } from "./debian.ts";
import { freePort } from "./free-port.ts";
import type { Certificate } from "./outer-certificate.ts";
import { recipe } from "./recipe.ts";
import { until } from "./until.ts";

export interface HaproxyOptions {
  /** The peer port behind it, and the telemetry port of the same agent. */
  readonly target: number;
  readonly telemetry: number;
  readonly certificate: Certificate;
  /** Where it keeps its configuration; made if need be. */
  readonly directory: string;
  /** Further lines of the section `global`. */
  readonly global?: string;
  /** What else differs from the recipe: texts of it, and what stands there instead. */
  readonly changes?: Readonly<Record<string, string>>;
}

export interface Haproxy extends AsyncDisposable {
  readonly port: number;
  /** What `systemctl reload haproxy` does; resolves when the new worker runs. */
  reload(): Promise<void>;
  /** Without notice, workers and all. */
  kill(): Promise<void>;
  /** Again, on the same port. */
  start(): Promise<void>;
  /** Waits until it has printed something like this. */
  prints(pattern: RegExp): Promise<void>;
}

/** Resolves when it listens. */
export async function startHaproxy(o: HaproxyOptions): Promise<Haproxy> {
  const port = await freePort();
  await mkdir(o.directory, { recursive: true });
  const file = join(o.directory, "haproxy.cfg");
  const written = recipe("haproxy", {
    "bind :443": `bind 127.0.0.1:${port}`,
    "/etc/haproxy/fairlead.pem": o.certificate.bundleFile,
    "127.0.0.1:8001": `127.0.0.1:${o.target}`,
    "port 8002": `port ${o.telemetry}`,
  });
  const changed = Object.entries(o.changes ?? {}).reduce((text, [from, to]) => text.replaceAll(from, to), written);
  await writeFile(file, `global\n  log stdout format raw local0\n  ${o.global ?? ""}\n\n${changed}`);
  let program: Program | undefined;
  const haproxy = {
    port,
    async start() {
      // A master with workers that stays in the foreground, as Debian's unit runs it.
      program = await startProgram("haproxy", ["-W", "-f", file], port);
    },
    async kill() {
      await program?.kill();
      program = undefined;
    },
    async reload() {
      const started = (): number => program?.output().match(/New worker/g)?.length ?? 0;
      const before = started();
      program?.signal("SIGUSR2");
      await until("haproxy has a new worker", async () => started() > before, {
        seconds: 20,
        seen: () => program?.output(),
      });
    },
    async prints(pattern: RegExp) {
      const output = (): string => program?.output() ?? "";
      await until(`haproxy prints ${pattern}`, async () => pattern.test(output()), { seconds: 20, seen: output });
    },
    [Symbol.asyncDispose]: () => haproxy.kill(),
  };
  await haproxy.start();
  return haproxy;
}

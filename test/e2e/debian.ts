/**
 * Programs of Debian, run as plain processes of a test's own: in the foreground, on loopback, with what they are to read in
 * a directory that goes with them. A test installs nothing; who runs it does.
 */

import { spawn } from "node:child_process";
import { access, constants, glob } from "node:fs/promises";
import { connect } from "node:net";
import { collect } from "./command.ts";
import { until } from "./until.ts";

/** Which of Debian's packages brings which program. */
const packages = {
  nginx: "nginx-light",
  haproxy: "haproxy",
  squid: "squid",
  "docker-registry": "docker-registry",
  postgres: "postgresql",
  initdb: "postgresql",
  psql: "postgresql-client",
  pgbench: "postgresql",
  "redis-server": "redis-server",
  "redis-benchmark": "redis-tools",
  "redis-cli": "redis-tools",
  sshd: "openssh-server",
  scp: "openssh-client",
  "ssh-keygen": "openssh-client",
  rsync: "rsync",
  wrk: "wrk",
  "git-daemon": "git",
} as const;

export type ProgramName = keyof typeof packages;

/** What an administrator runs is not on everybody's PATH, nor is what is there in several versions, or what another program starts. */
const elsewhere = ["/usr/sbin", "/usr/local/sbin", "/usr/lib/postgresql/*/bin", "/usr/lib/git-core"];

export interface Program {
  /** To the process that was started, not to its children. */
  signal(name: NodeJS.Signals): void;
  /** SIGKILL to it and all its children, and waits until it is gone. */
  kill(): Promise<void>;
  /** What it printed so far. */
  output(): string;
}

/** Rejects with all the packages to install when a program is missing. */
export async function requirePrograms(names: readonly ProgramName[]): Promise<void> {
  const found = await Promise.all(names.map(look));
  const missing = names.filter((_name, index) => found[index] === undefined);
  if (missing.length === 0) return;
  const install = [...new Set(missing.map((name) => packages[name]))].join(" ");
  throw new Error(`These tests need ${missing.join(", ")}, and install nothing themselves: apt-get install ${install}`);
}

/** Where the program is; rejects with the package to install when it is not there. */
export async function findProgram(name: ProgramName): Promise<string> {
  await requirePrograms([name]);
  return (await look(name)) ?? name;
}

async function look(name: ProgramName): Promise<string | undefined> {
  for (const directory of (process.env.PATH ?? "").split(":")) {
    const path = `${directory}/${name}`;
    if (await isExecutable(path)) return path;
  }
  for (const directory of elsewhere)
    for await (const path of glob(`${directory}/${name}`)) if (await isExecutable(path)) return path;
  return undefined;
}

/**
 * Starts it, and resolves when it listens on `port` of loopback, or of the address `o.at`. Rejects with what it printed when it ends before. `o.as` is
 * the user that it runs as, where this process may choose.
 */
export async function startProgram(
  name: ProgramName,
  args: readonly string[],
  port: number,
  o: { readonly at?: string; readonly as?: string } = {},
): Promise<Program> {
  const [command = name, ...words] = [...userCommand(o.as), await findProgram(name), ...args];
  // A process group of its own, so that its children go with it.
  const child = spawn(command, words, { detached: true, stdio: ["ignore", "pipe", "pipe"] });
  const printed = collect(child);
  const output = (): string => printed().stdout + printed().stderr;
  const ended = new Promise<void>((resolve) => child.once("close", () => resolve()));
  const group = await new Promise<number>((resolve, reject) => {
    child.once("spawn", () => resolve(-(child.pid ?? Number.NaN)));
    child.once("error", reject);
  });
  const killGroup = (): void => {
    try {
      process.kill(group, "SIGKILL");
    } catch {
      // It is gone.
    }
  };
  // Should the test's process end without having killed it.
  process.once("exit", killGroup);
  const kill = async (): Promise<void> => {
    killGroup();
    process.removeListener("exit", killGroup);
    await ended;
  };
  const hasEnded = (): boolean => child.exitCode !== null || child.signalCode !== null;
  await until(`${name} listens`, async () => hasEnded() || (await isOpen(port, o.at)), {
    seconds: 20,
    seen: output,
  }).catch(async (error: unknown) => {
    await kill();
    throw error;
  });
  if (hasEnded()) throw new Error(`${name} ended with ${child.exitCode ?? child.signalCode}: ${output()}`);
  return { signal: (signal) => void child.kill(signal), kill, output };
}

/** What comes before a command so that it runs as that user; nothing where this process is not root, or nobody is named. */
export function userCommand(user: string | undefined): string[] {
  if (user === undefined || process.getuid?.() !== 0) return [];
  return ["setpriv", `--reuid=${user}`, `--regid=${user}`, "--init-groups"];
}

async function isExecutable(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function isOpen(port: number, host = "127.0.0.1"): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, host);
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}

/** Programs of others that forward a TCP port through one encrypted connection, measured when they are on PATH. */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { accessSync, constants, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir, userInfo } from "node:os";
import { delimiter, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { freePorts } from "../../src/demo/free-port.ts";
import type { WayKind } from "./way.ts";

interface Rival {
  readonly name: string;
  readonly needs: readonly string[];
  /** Commands, first a word of `needs`, for the far and the near end. `folder` is empty and goes when it is over. */
  commands(o: RivalPorts & { readonly folder: string }): { readonly far: string[]; readonly near: string[] };
}

interface RivalPorts {
  readonly target: number;
  /** Where the far end takes the near one's connection. */
  readonly accept: number;
  /** Where the near end dials it. */
  readonly dial: number;
  /** Where the near end takes connections. */
  readonly listen: number;
}

const host = "127.0.0.1";

export const rivals: readonly WayKind[] = [
  asWay({
    name: "OpenSSH -L",
    needs: ["ssh", "sshd", "ssh-keygen"],
    commands({ target, accept, dial, listen, folder }) {
      for (const name of ["host", "user"]) {
        execFileSync(find("ssh-keygen") ?? "", ["-q", "-t", "ed25519", "-N", "", "-f", join(folder, name)]);
      }
      writeFileSync(join(folder, "authorized"), readFileSync(join(folder, "user.pub")));
      const server = [`HostKey=${folder}/host`, `AuthorizedKeysFile=${folder}/authorized`, `ListenAddress=${host}`];
      const options = [...server, "StrictModes=no", "UsePAM=no", "PidFile=none", "MaxSessions=1000"];
      const client = [
        "StrictHostKeyChecking=no",
        `UserKnownHostsFile=${folder}/known`,
        "IdentitiesOnly=yes",
        "LogLevel=ERROR",
      ];
      const flags = (list: string[]): string[] => list.flatMap((option) => ["-o", option]);
      const user = `${userInfo().username}@${host}`;
      return {
        far: ["sshd", "-D", "-f", "/dev/null", "-p", String(accept), ...flags(options)],
        near: [
          "ssh",
          "-F",
          "none",
          "-N",
          "-i",
          `${folder}/user`,
          "-p",
          String(dial),
          ...flags(client),
          "-L",
          `${listen}:${host}:${target}`,
          user,
        ],
      };
    },
  }),
  asWay({
    name: "chisel",
    needs: ["chisel"],
    commands: ({ target, accept, dial, listen }) => ({
      far: ["chisel", "server", "--host", host, "--port", String(accept)],
      near: ["chisel", "client", `http://${host}:${dial}`, `${host}:${listen}:${host}:${target}`],
    }),
  }),
  asWay({
    name: "wstunnel",
    needs: ["wstunnel"],
    commands: ({ target, accept, dial, listen }) => ({
      far: ["wstunnel", "server", `wss://${host}:${accept}`],
      near: ["wstunnel", "client", "-L", `tcp://${host}:${listen}:${host}:${target}`, `wss://${host}:${dial}`],
    }),
  }),
];

function asWay(rival: Rival): WayKind {
  return {
    name: rival.name,
    absent() {
      const missing = rival.needs.filter((name) => find(name) === undefined);
      return missing.length === 0 ? undefined : `absent: no ${missing.join(", ")} on PATH`;
    },
    async start({ target, between }) {
      const [listen, accept] = await freePorts(0);
      const folder = mkdtempSync(join(tmpdir(), "fairlead-bench-"));
      const ends: ChildProcess[] = [];
      const close = async (): Promise<void> => {
        await Promise.all(ends.map(end));
        rmSync(folder, { recursive: true });
      };
      try {
        const dial = await between(accept);
        const { far, near } = rival.commands({ target, accept, dial, listen, folder });
        ends.push(run(far));
        await listens(accept);
        ends.push(run(near));
        await listens(listen);
      } catch (error) {
        await close();
        throw error;
      }
      return { port: listen, pids: ends.map(({ pid }) => pid ?? 0), close };
    },
  };
}

/** Where the command is on PATH. */
function find(command: string): string | undefined {
  return (process.env.PATH ?? "")
    .split(delimiter)
    .map((folder) => join(folder, command))
    .find((path) => {
      try {
        accessSync(path, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}

function run([command = "", ...args]: string[]): ChildProcess {
  return spawn(find(command) ?? command, args, { stdio: ["ignore", "ignore", "ignore"] });
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, "exit");
  child.kill("SIGKILL");
  await gone;
}

/** Resolves when something listens there; rejects when nothing does within 10 s. */
async function listens(port: number): Promise<void> {
  for (const until = performance.now() + 10_000; performance.now() < until; await sleep(50)) {
    const socket = connect({ port, host });
    const there = await new Promise<boolean>((resolve) => {
      socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
    });
    socket.destroy();
    if (there) return;
  }
  throw new Error(`Nothing listens on port ${port}.`);
}

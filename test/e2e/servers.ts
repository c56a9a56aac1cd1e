/** Servers of Debian as somebody runs them beside a cluster: on an address of this machine, with all that they keep below one directory. */

import { randomBytes } from "node:crypto";
import { appendFile, chmod, mkdir, readFile, writeFile } from "node:fs/promises";
import { networkInterfaces, userInfo } from "node:os";
import { join } from "node:path";
import { mustRun } from "./command.ts";
import { findProgram, type Program, startProgram, userCommand } from "./debian.ts";
import { freePort } from "./free-port.ts";

export interface ServerPlace {
  /** Of its own; made if need be. */
  readonly directory: string;
  /** Where it listens. */
  readonly at: string;
}

export interface Server extends AsyncDisposable {
  readonly port: number;
}

/** An address of this machine that is not loopback: a host leads no peer there. */
export function outerAddress(): string {
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  const found = all.find(
    ({ family, internal, address }) => family === "IPv4" && !internal && !address.startsWith("169.254."),
  );
  if (!found) throw new Error("this machine has no IPv4 address but loopback's");
  return found.address;
}

function served(port: number, program: Program): Server {
  return { port, [Symbol.asyncDispose]: () => program.kill() };
}

export interface Postgres extends Server {
  /** What psql and its like want in their environment. */
  readonly environment: Readonly<Record<string, string>>;
}

/** PostgreSQL with one superuser, who has a password. It runs as nobody who is root. */
export async function startPostgres({ directory, at }: ServerPlace): Promise<Postgres> {
  const port = await freePort();
  const data = join(directory, "data");
  const password = randomBytes(12).toString("hex");
  await mkdir(directory, { recursive: true });
  await writeFile(join(directory, "password"), password);
  const owner = process.getuid?.() === 0 ? "postgres" : undefined;
  if (owner) await mustRun("chown", ["-R", `${owner}:`, directory]);
  const files = ["-D", data, "-U", "somebody", "-A", "scram-sha-256", `--pwfile=${join(directory, "password")}`];
  const [command = "", ...words] = [...userCommand(owner), await findProgram("initdb"), ...files, "--no-sync"];
  await mustRun(command, words, { seconds: 120 });
  await appendFile(join(data, "pg_hba.conf"), "host all all samehost scram-sha-256\n");
  const settings = { listen_addresses: at, unix_socket_directories: "", fsync: "off", shared_buffers: "16MB" };
  const flags = Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
  const program = await startProgram("postgres", ["-D", data, "-p", `${port}`, ...flags], port, {
    at,
    ...(owner && { as: owner }),
  });
  const environment = { PGUSER: "somebody", PGPASSWORD: password, PGDATABASE: "postgres", PGCONNECT_TIMEOUT: "30" };
  return { ...served(port, program), environment };
}

export interface Redis extends Server {
  readonly password: string;
}

export async function startRedis({ directory, at }: ServerPlace): Promise<Redis> {
  const port = await freePort();
  const password = randomBytes(12).toString("hex");
  await mkdir(directory, { recursive: true });
  const settings = {
    port,
    bind: at,
    requirepass: password,
    dir: directory,
    save: "",
    appendonly: "no",
    "enable-debug-command": "yes",
  };
  const args = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, String(value)]);
  return { ...served(port, await startProgram("redis-server", args, port, { at })), password };
}

export interface SshServer extends Server {
  /** The options of ssh that are needed to get in, without the port. */
  readonly options: readonly string[];
  readonly user: string;
}

/** OpenSSH for the user that runs the test, who has a key for it. */
export async function startSshd({ directory, at }: ServerPlace): Promise<SshServer> {
  const port = await freePort();
  await mkdir(directory, { recursive: true, mode: 0o700 });
  // Where it separates privileges; Debian's start script makes it at each boot.
  if (process.getuid?.() === 0) await mkdir("/run/sshd", { recursive: true, mode: 0o755 });
  const keygen = await findProgram("ssh-keygen");
  for (const name of ["host", "user"])
    await mustRun(keygen, ["-q", "-t", "ed25519", "-N", "", "-f", join(directory, name)]);
  const hostKey = await readFile(join(directory, "host.pub"), "utf8");
  await writeFile(join(directory, "known"), `the-server ${hostKey}`);
  await writeFile(join(directory, "authorized"), await readFile(join(directory, "user.pub")));
  const settings = {
    ListenAddress: at,
    HostKey: join(directory, "host"),
    AuthorizedKeysFile: join(directory, "authorized"),
    StrictModes: "no",
    UsePAM: "no",
    PidFile: "none",
    Subsystem: "sftp internal-sftp",
  };
  const flags = Object.entries(settings).flatMap(([name, value]) => ["-o", `${name}=${value}`]);
  const program = await startProgram("sshd", ["-D", "-e", "-f", "/dev/null", "-p", `${port}`, ...flags], port, { at });
  const client = {
    IdentityFile: join(directory, "user"),
    IdentitiesOnly: "yes",
    UserKnownHostsFile: join(directory, "known"),
    // Whichever way it is reached, it is this server and no other.
    HostKeyAlias: "the-server",
    StrictHostKeyChecking: "yes",
    BatchMode: "yes",
  };
  const options = ["-F", "none", ...Object.entries(client).flatMap(([name, value]) => ["-o", `${name}=${value}`])];
  return { ...served(port, program), options, user: userInfo().username };
}

/** What is below `base` by git's own protocol, for anybody to read and write. */
export async function startGitDaemon({ directory: base, at }: ServerPlace): Promise<Server> {
  const port = await freePort();
  const args = [`--listen=${at}`, `--port=${port}`, `--base-path=${base}`, "--export-all", "--enable=receive-pack"];
  return served(port, await startProgram("git-daemon", [...args, base], port, { at }));
}

/** nginx with the files of one directory. */
export async function startFiles({ directory, at }: ServerPlace): Promise<Server> {
  const port = await freePort();
  await mkdir(join(directory, "files"), { recursive: true });
  // As root it serves as another user.
  await chmod(directory, 0o755);
  const scratch = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(
    (of) => `${of}_temp_path ${directory}/${of};`,
  );
  const file = join(directory, "nginx.conf");
  await writeFile(
    file,
    `daemon off; worker_processes 1; pid ${directory}/nginx.pid; error_log stderr;
events { worker_connections 1024; }
http { access_log off; ${scratch.join(" ")} server { listen ${at}:${port}; root ${directory}/files; keepalive_requests 1000000; } }
`,
  );
  const args = ["-p", directory, "-e", "stderr", "-c", file];
  return served(port, await startProgram("nginx", args, port, { at }));
}

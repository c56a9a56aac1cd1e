/**
 * The commands that the sandbox plays for `exec`, for containers with a command of their own and for probes, each as
 * much of itself as trying things out needs. They see the files of their container and nothing of the machine.
 */
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { type CommandContext, writeBreach } from "./command-context.ts";
import { playTar } from "./played-tar.ts";
import { runShell } from "./shell.ts";

type Play = (args: readonly string[], context: CommandContext) => number | Promise<number>;

/** Whether the sandbox plays this command at all. */
export function isPlayed([name = ""]: readonly string[]): boolean {
  return Object.hasOwn(plays, programName(name));
}

/** Runs a command and resolves to its exit code. */
export async function runCommand(words: readonly string[], context: CommandContext): Promise<number> {
  const [name = "", ...args] = words;
  const play = isPlayed(words) ? plays[programName(name)] : undefined;
  if (!play) {
    if (context.isLenient) return 0;
    return fail(context, `exec: ${JSON.stringify(name)}: executable file not found in $PATH`, 127);
  }
  try {
    return await play(args, context);
  } catch (error) {
    if (!(error instanceof Error && "code" in error)) throw error;
    const last = args.at(-1) ?? "";
    const why =
      error.code === "ENOENT"
        ? "No such file or directory"
        : error.code === "EISDIR"
          ? "Is a directory"
          : String(error.code);
    return fail(context, `${programName(name)}: ${last}: ${why}`, 1);
  }
}

const plays: Readonly<Record<string, Play>> = {
  sh: (args, context) => runShell(args, context, runCommand),
  bash: (args, context) => runShell(args, context, runCommand),
  ash: (args, context) => runShell(args, context, runCommand),
  true: () => 0,
  ":": () => 0,
  false: () => 1,
  exit: ([code = "0"]) => Number(code),
  echo: (args, { stdout }) => say(stdout, args[0] === "-n" ? args.slice(1).join(" ") : `${args.join(" ")}\n`),
  printf: ([format, ...args], context) => {
    if (format !== "%s") return fail(context, "printf: the sandbox plays %s and no other format", 1);
    return say(context.stdout, args.join(""));
  },
  read,
  env: printEnv,
  printenv: printEnv,
  hostname: (_, { env, stdout }) => say(stdout, `${env.HOSTNAME ?? "sandbox"}\n`),
  date: (_, { stdout }) => say(stdout, `${new Date().toISOString()}\n`),
  pwd: (_, { stdout }) => say(stdout, "/\n"),
  sleep,
  cat,
  ls: (args, { files, stdout }) => {
    const path = args.find((arg) => !arg.startsWith("-")) ?? "/";
    const shown = statSync(files.resolve(path)).isDirectory() ? readdirSync(files.resolve(path)).sort() : [path];
    return say(stdout, shown.map((name) => `${name}\n`).join(""));
  },
  touch: (args, context) =>
    writing(args, context, (file) => {
      writeFileSync(file, "", { flag: "a" });
      utimesSync(file, new Date(), new Date());
    }),
  mkdir: (args, context) => writing(args, context, (file) => void mkdirSync(file, { recursive: args.includes("-p") })),
  rm: (args, context) =>
    writing(args, context, (file) =>
      rmSync(file, {
        recursive: args.some((arg) => /^-\w*r/.test(arg)),
        force: args.some((arg) => /^-\w*f/.test(arg)),
      }),
    ),
  test: (args, context) => judge(args, context),
  "[": (args, context) => judge(args.slice(0, args.lastIndexOf("]")), context),
  wc: async (args, context) => {
    const bytes = await readAll(args, context);
    const lines = bytes.reduce((count, byte) => count + Number(byte === 10), 0);
    return say(context.stdout, `${args.includes("-l") ? lines : bytes.length}\n`);
  },
  sha256sum: async (args, context) => {
    const bytes = await readAll(args, context);
    return say(context.stdout, `${createHash("sha256").update(bytes).digest("hex")}  ${args.at(-1) ?? "-"}\n`);
  },
  tar: playTar,
  tty: (_, { terminal, stdout }) => (terminal ? say(stdout, "/dev/pts/0\n") : say(stdout, "not a tty\n") + 1),
  stty: (args, context) => {
    const { terminal } = context;
    if (!terminal) return fail(context, "stty: standard input: Inappropriate ioctl for device", 1);
    return args[0] === "size" ? say(context.stdout, `${terminal.size.rows} ${terminal.size.columns}\n`) : 0;
  },
};

function programName(name: string): string {
  return name.split("/").at(-1) ?? "";
}

function say(write: CommandContext["stdout"], text: string): number {
  if (text) write(text);
  return 0;
}

function fail(context: CommandContext, why: string, code: number): number {
  context.stderr(`${why}\n`);
  return code;
}

function printEnv([wanted]: readonly string[], { env, stdout }: CommandContext): number {
  if (wanted === undefined) {
    const lines = Object.entries(env).filter(([name]) => name !== "?");
    return say(stdout, lines.map(([name, value]) => `${name}=${value}\n`).join(""));
  }
  const value = env[wanted];
  return value === undefined ? 1 : say(stdout, `${value}\n`);
}

async function sleep([seconds = "0"]: readonly string[], { signal }: CommandContext): Promise<number> {
  const forever = 2 ** 31 - 1;
  const ms = seconds === "infinity" ? forever : Math.min(forever, Number(seconds) * 1000);
  await delay(ms, undefined, { signal }).catch(() => undefined);
  return signal.aborted ? 130 : 0;
}

/** Waits for a line, of which nothing is kept. */
async function read(_args: readonly string[], context: CommandContext): Promise<number> {
  for await (const chunk of heard(context)) if (chunk.includes(10)) return 0;
  return context.signal.aborted ? 130 : 1;
}

async function cat(args: readonly string[], context: CommandContext): Promise<number> {
  for (const path of args) context.stdout(readFileSync(context.files.resolve(path)));
  if (args.length > 0) return 0;
  for await (const chunk of heard(context)) context.stdout(chunk);
  return context.signal.aborted ? 130 : 0;
}

/** The input, until it ends or the command is to end. */
async function* heard({ input, signal }: CommandContext): AsyncGenerator<Buffer, void, undefined> {
  const chunks = input[Symbol.asyncIterator]();
  const aborted = new Promise<undefined>((resolve) => {
    if (signal.aborted) resolve(undefined);
    signal.addEventListener("abort", () => resolve(undefined), { once: true });
  });
  for (;;) {
    const next = await Promise.race([chunks.next(), aborted]);
    if (!next || next.done) return;
    yield next.value;
  }
}

function writing(args: readonly string[], context: CommandContext, write: (file: string) => void): number {
  for (const path of args.filter((arg) => !arg.startsWith("-"))) {
    const why = writeBreach(path, context.files);
    if (why) return fail(context, why, 1);
    write(context.files.resolve(path));
  }
  return 0;
}

/** `-f`, `-d`, `-e`, `-s` of a file, `-n`, `-z`, `=`, `!=` of texts, and `!` before any of them. */
function judge(args: readonly string[], context: CommandContext): number {
  if (args[0] === "!") return Number(judge(args.slice(1), context) === 0);
  const [first = "", second = "", third] = args;
  const isTrue = (): boolean => {
    if (second === "=" || second === "==") return first === third;
    if (second === "!=") return first !== third;
    if (first === "-n") return second !== "";
    if (first === "-z") return second === "";
    if (!["-f", "-d", "-e", "-s"].includes(first)) return first !== "";
    const found = statSync(context.files.resolve(second), { throwIfNoEntry: false });
    if (first === "-f") return found?.isFile() ?? false;
    if (first === "-d") return found?.isDirectory() ?? false;
    return first === "-s" ? (found?.size ?? 0) > 0 : found !== undefined;
  };
  return isTrue() ? 0 : 1;
}

/** The bytes of the file that is named, or else of the input. */
async function readAll(args: readonly string[], { files, input }: CommandContext): Promise<Buffer> {
  const path = args.find((arg) => !arg.startsWith("-"));
  if (path) return readFileSync(files.resolve(path));
  const chunks: Buffer[] = [];
  for await (const chunk of input) chunks.push(chunk);
  return Buffer.concat(chunks);
}

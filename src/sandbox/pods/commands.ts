/** The commands that `exec` plays: echo, printenv, env, hostname, date, cat (of its input), sleep, true, false, exit, sh -c. */
import { setTimeout as delay } from "node:timers/promises";

export interface CommandContext {
  env: Readonly<Record<string, string>>;
  input: AsyncIterable<Buffer>;
  stdout(data: string | Uint8Array): void;
  stderr(data: string | Uint8Array): void;
  signal: AbortSignal;
}

/** Runs a command and resolves to its exit code. */
export async function runCommand([name = "", ...args]: readonly string[], context: CommandContext): Promise<number> {
  const program = name.split("/").at(-1) ?? "";
  switch (program) {
    case "sh":
    case "bash":
      return args[0] === "-c" ? runScript(args[1] ?? "", context) : runInput(context);
    case "echo":
      context.stdout(args[0] === "-n" ? args.slice(1).join(" ") : `${args.join(" ")}\n`);
      return 0;
    case "env":
    case "printenv":
      return printEnv(args, context);
    case "hostname":
      context.stdout(`${context.env.HOSTNAME ?? "sandbox"}\n`);
      return 0;
    case "date":
      context.stdout(`${new Date().toISOString()}\n`);
      return 0;
    case "cat":
      if (args.length > 0) return fail(context, `cat: ${args[0]}: No such file or directory\n`, 1);
      for await (const chunk of context.input) context.stdout(chunk);
      return 0;
    case "sleep":
      await delay(Number(args[0] ?? 0) * 1000, undefined, { signal: context.signal }).catch(() => undefined);
      return 0;
    case "true":
      return 0;
    case "false":
      return 1;
    default:
      return fail(context, `exec: ${JSON.stringify(name)}: executable file not found in $PATH\n`, 127);
  }
}

function fail(context: CommandContext, why: string, code: number): number {
  context.stderr(why);
  return code;
}

function printEnv([wanted]: readonly string[], { env, stdout }: CommandContext): number {
  if (wanted === undefined) {
    for (const [name, value] of Object.entries(env)) stdout(`${name}=${value}\n`);
    return 0;
  }
  const value = env[wanted];
  if (value === undefined) return 1;
  stdout(`${value}\n`);
  return 0;
}

/** Commands one after the other, with `;`, `&&`, quotes, `$NAME`, `>&2` and `exit N`. No more of a shell than that. */
async function runScript(script: string, context: CommandContext): Promise<number> {
  let code = 0;
  for (const line of script.split(/\n|;/)) {
    for (const part of line.split("&&")) {
      const words = split(part, context.env);
      if (words.length === 0) continue;
      if (words[0] === "exit") return Number(words[1] ?? code);
      const toError = words.includes(">&2") || words.includes("1>&2");
      const plain = words.filter((word) => word !== ">&2" && word !== "1>&2");
      code = await runCommand(plain, toError ? { ...context, stdout: context.stderr } : context);
      if (code !== 0) break;
    }
  }
  return code;
}

async function runInput(context: CommandContext): Promise<number> {
  const lines: Buffer[] = [];
  for await (const chunk of context.input) lines.push(chunk);
  return runScript(Buffer.concat(lines).toString("utf8"), context);
}

function split(text: string, env: Readonly<Record<string, string>>): string[] {
  const words: string[] = [];
  for (const [, single, double, bare] of text.matchAll(/'([^']*)'|"([^"]*)"|([^\s'"]+)/g)) {
    if (single !== undefined) words.push(single);
    else
      words.push(
        (double ?? bare ?? "").replace(/\$\{?([A-Za-z_][A-Za-z0-9_]*)\}?/g, (_, name: string) => env[name] ?? ""),
      );
  }
  return words;
}

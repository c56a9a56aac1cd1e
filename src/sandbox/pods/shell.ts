/**
 * As much of a shell as the sandbox plays: commands one after the other with `;`, `&&`, `||`, pipes, quotes, `$NAME`,
 * `$?`, `$1`, `>`, `>>`, `<`, `>&2`, `exit`, and a prompt where there is a terminal. Nothing of it runs on the machine.
 */
import { appendFileSync, readFileSync, writeFileSync } from "node:fs";
import { type CommandContext, type RunCommand, writeBreach } from "./command-context.ts";

const operators = ["&&", "||", ";", "\n", "|"];

export async function runShell(args: readonly string[], context: CommandContext, run: RunCommand): Promise<number> {
  if (args[0] === "-c" || args[0] === "-ec") {
    const parameters = Object.fromEntries(args.slice(2).map((value, index) => [String(index), value]));
    const input = sharedInput(context.input);
    const own = { ...context, env: { ...context.env, ...parameters }, input: { [Symbol.asyncIterator]: () => input } };
    return (await runScript(args[1] ?? "", own, run)).code;
  }
  return runLines(context, run);
}

interface ScriptEnd {
  code: number;
  /** Whether the script said `exit`. */
  isExit: boolean;
}

/** Reads lines until the input ends or one says `exit`. With a terminal each has a prompt, and ^C ends only the line. */
async function runLines(context: CommandContext, run: RunCommand): Promise<number> {
  const { terminal } = context;
  const prompt = (): void => {
    if (terminal) context.stdout("/ # ");
  };
  let code = 0;
  let rest = "";
  prompt();
  const input = sharedInput(context.input);
  const shared = { ...context, input: { [Symbol.asyncIterator]: () => input } };
  for (let read = await input.next(); !read.done; read = await input.next()) {
    const lines = (rest + read.value.toString("utf8")).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      const interrupted = terminal?.interruptible(context.signal) ?? context.signal;
      const end = await runScript(line, { ...shared, signal: interrupted }, run, code);
      code = interrupted.aborted ? 130 : end.code;
      if (context.signal.aborted || (end.isExit && !interrupted.aborted)) return code;
      prompt();
    }
  }
  return rest ? (await runScript(rest, context, run, code)).code : code;
}

/** Commands read on from where the shell is; what one waited for and left, when it was interrupted, is the next one's. */
function sharedInput(from: AsyncIterable<Buffer>): AsyncIterator<Buffer> {
  const input = from[Symbol.asyncIterator]();
  let reading: Promise<IteratorResult<Buffer>> | undefined;
  return {
    next() {
      const read = reading ?? input.next();
      reading = read;
      const taken = read.finally(() => {
        if (reading === read) reading = undefined;
      });
      return taken;
    },
  };
}

async function runScript(text: string, context: CommandContext, run: RunCommand, before = 0): Promise<ScriptEnd> {
  let code = before;
  let skip = false;
  let pipeline: Token[][] = [];
  let words: Token[] = [];
  const variables: Record<string, string> = {};
  const finish = async (operator: string): Promise<boolean> => {
    pipeline.push(words);
    words = [];
    if (operator === "|") return false;
    const commands = pipeline.filter((command) => command.length > 0);
    pipeline = [];
    if (commands.length > 0 && !skip) {
      const env = { ...context.env, ...variables, "?": String(code) };
      const first = commands[0]?.map((token) => token.expand(env)) ?? [];
      const assigned = /^([A-Za-z_]\w*)=(.*)$/s.exec(first[0] ?? "");
      if (first[0] === "exit") {
        code = Number(first[1] ?? code);
        return true;
      }
      if (assigned?.[1] && first.length === 1) variables[assigned[1]] = assigned[2] ?? "";
      else code = await runPipeline(commands, { ...context, env }, run);
    }
    if (context.signal.aborted) return true;
    skip =
      (operator === "&&" && code !== 0) ||
      (operator === "||" && code === 0) ||
      (skip && operator !== ";" && operator !== "\n");
    return false;
  };
  for (const token of tokenize(text)) {
    if (!token.operator) words.push(token);
    else if (await finish(token.operator)) return { code, isExit: true };
  }
  const isExit = await finish(";");
  return { code, isExit };
}

/** Each command reads what the one before it wrote. */
async function runPipeline(commands: readonly Token[][], context: CommandContext, run: RunCommand): Promise<number> {
  let { input } = context;
  for (const command of commands.slice(0, -1)) {
    const written: Buffer[] = [];
    await runRedirected(command, { ...context, input, stdout: (data) => void written.push(Buffer.from(data)) }, run);
    input = only(written);
  }
  return runRedirected(commands.at(-1) ?? [], { ...context, input }, run);
}

async function* only(chunks: readonly Buffer[]): AsyncGenerator<Buffer> {
  yield* chunks;
}

async function runRedirected(command: readonly Token[], context: CommandContext, run: RunCommand): Promise<number> {
  const words: string[] = [];
  let { stdout, stderr, input } = context;
  for (let i = 0; i < command.length; i++) {
    const token = command[i];
    const word = token?.expand(context.env) ?? "";
    const redirection = token?.isQuoted ? null : /^([12]?)(>>|>|<)(&[12]|.*)$/s.exec(word);
    if (!redirection) {
      // What is not in quotes is split at spaces, and is no word at all when nothing is left of it.
      if (token?.isQuoted) words.push(word);
      else words.push(...word.split(/\s+/).filter(Boolean));
      continue;
    }
    const [, channel, direction, target = ""] = redirection;
    if (target === "&2") stdout = stderr;
    else if (target === "&1") stderr = stdout;
    else {
      const path = target || command[++i]?.expand(context.env) || "";
      const into = path === "/dev/null" ? () => undefined : open(path, direction ?? ">", context);
      if (typeof into === "string") {
        context.stderr(`sh: ${into}\n`);
        return 1;
      }
      if (typeof into === "object") input = only([into]);
      else if (channel === "2") stderr = into;
      else stdout = into;
    }
  }
  if (words.length === 0) return 0;
  return run(words, { ...context, stdout, stderr, input });
}

/** Where to write, what to read, or why it cannot be. */
function open(path: string, direction: string, context: CommandContext): CommandContext["stdout"] | Buffer | string {
  const file = context.files.resolve(path);
  try {
    if (direction === "<") return readFileSync(file);
    const why = writeBreach(path, context.files);
    if (why) return why;
    if (direction === ">") writeFileSync(file, "");
    return (data) => appendFileSync(file, data);
  } catch {
    return direction === "<" ? `can't open ${path}: no such file` : `can't create ${path}: nonexistent directory`;
  }
}

interface Token {
  operator?: string;
  isQuoted: boolean;
  expand(env: Readonly<Record<string, string>>): string;
}

function* tokenize(text: string): Generator<Token> {
  let parts: { text: string; plain: boolean }[] = [];
  let isQuoted = false;
  const word = function* (): Generator<Token> {
    if (parts.length > 0) yield wordOf(parts, isQuoted);
    parts = [];
    isQuoted = false;
  };
  for (let i = 0; i < text.length; ) {
    const quote = text[i];
    const operator = operators.find((candidate) => text.startsWith(candidate, i));
    if (quote === "'" || quote === '"') {
      const end = text.indexOf(quote, i + 1);
      parts.push({ text: text.slice(i + 1, end < 0 ? text.length : end), plain: quote === "'" });
      isQuoted = true;
      i = end < 0 ? text.length : end + 1;
    } else if (operator) {
      yield* word();
      yield { operator, isQuoted: false, expand: () => operator };
      i += operator.length;
    } else if (/\s/.test(quote ?? "")) {
      yield* word();
      i++;
    } else if (quote === "\\" && i + 1 < text.length) {
      parts.push({ text: text[i + 1] ?? "", plain: true });
      isQuoted = true;
      i += 2;
    } else {
      const bare = /^[^\s'"\\;|&]+|^&/.exec(text.slice(i))?.[0] ?? text.slice(i, i + 1);
      parts.push({ text: bare, plain: false });
      i += bare.length;
    }
  }
  yield* word();
}

function wordOf(parts: readonly { text: string; plain: boolean }[], isQuoted: boolean): Token {
  const kept = [...parts];
  return {
    isQuoted,
    expand: (env) => kept.map(({ text, plain }) => (plain ? text : expandVariables(text, env))).join(""),
  };
}

function expandVariables(text: string, env: Readonly<Record<string, string>>): string {
  return text.replace(/\$\{?([A-Za-z_][A-Za-z0-9_]*|[0-9?])\}?/g, (_, name: string) => env[name] ?? "");
}

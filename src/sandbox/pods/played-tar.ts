/** `tar` as the sandbox plays it: `-c` and `-x`, with `-f -` and `-C`, for files and directories. */
import { closeSync, mkdirSync, openSync, readdirSync, readFileSync, statSync, writeSync } from "node:fs";
import { dirname, posix } from "node:path";
import { readTar, type TarHeader, tarEnd, tarHeader, tarPadding } from "../../base/tar.ts";
import { type CommandContext, writeBreach } from "./command-context.ts";

/** Ends with 2, as GNU tar does, when something could not be done. */
export async function playTar(args: readonly string[], context: CommandContext): Promise<number> {
  const [flags = "", ...rest] = args;
  const at = rest.indexOf("-C");
  const directory = at < 0 ? "/" : posix.join("/", rest[at + 1] ?? "");
  const names = rest.filter((_, place) => place > 0 && (at < 0 || (place !== at && place !== at + 1)));
  if (!/^-?[a-z]*f$/.test(flags) || rest[0] !== "-")
    return complain(context, "only archives on the standard streams are played");
  if (!isDirectory(directory, context))
    return complain(context, `${directory}: Cannot open: No such file or directory`);
  if (flags.includes("c")) return pack(directory, names, context);
  if (flags.includes("x")) return unpack(directory, context);
  return complain(context, "only -c and -x are played");
}

function pack(directory: string, names: readonly string[], context: CommandContext): number {
  const add = (path: string, name: string): void => {
    const place = context.files.resolve(path);
    const stats = statSync(place);
    const isFile = stats.isFile();
    const header: TarHeader = {
      name: isFile ? name : `${name}/`,
      type: isFile ? "file" : "directory",
      size: isFile ? stats.size : 0,
      mode: stats.mode & 0o777,
      modifiedAt: stats.mtimeMs,
      linkTarget: "",
    };
    if (isFile) {
      const content = readFileSync(place);
      for (const part of [tarHeader({ ...header, size: content.length }), content, tarPadding(content.length)]) {
        if (part.length > 0) context.stdout(part);
      }
      return;
    }
    context.stdout(tarHeader(header));
    for (const child of readdirSync(place).sort()) add(posix.join(path, child), `${name}/${child}`);
  };
  for (const name of names) {
    const path = posix.join(directory, name);
    if (!statSync(context.files.resolve(path), { throwIfNoEntry: false })) {
      return complain(context, `${name}: Cannot stat: No such file or directory`);
    }
    add(path, name);
  }
  context.stdout(tarEnd());
  return 0;
}

async function unpack(directory: string, context: CommandContext): Promise<number> {
  for await (const { name, type, content } of readTar(context.input)) {
    const path = posix.join(directory, posix.join("/", name));
    const breach = writeBreach(path, context.files);
    if (breach) return complain(context, breach);
    const place = context.files.resolve(path);
    const there = isDirectory(path, context);
    if (type === "directory") mkdirSync(place, { recursive: true });
    else if (type !== "file") return complain(context, `${name}: only files and directories are played`);
    else if (there) return complain(context, `${name}: Cannot open: Is a directory`);
    else {
      mkdirSync(dirname(place), { recursive: true });
      const file = openSync(place, "w");
      try {
        for await (const piece of content) writeSync(file, piece);
      } finally {
        closeSync(file);
      }
    }
  }
  return 0;
}

function isDirectory(path: string, { files }: CommandContext): boolean {
  return statSync(files.resolve(path), { throwIfNoEntry: false })?.isDirectory() ?? false;
}

function complain(context: CommandContext, why: string): number {
  context.stderr(`tar: ${why}\n`);
  return 2;
}

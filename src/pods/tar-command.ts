/** The `tar` that runs in a container, and what it says. Pure. */
import { Code, ConnectError } from "@connectrpc/connect";
import { markingScript } from "./whole-output.ts";

/** Packs a file or directory as an archive in which its own name, below ".", is the first part of each name; the mark stands behind it. */
export function packCommand(path: string, mark: string): string[] {
  const { directory, name } = split(path);
  // With "./" in front no name is an option.
  return ["sh", "-c", packScript, mark, directory, `./${name}`];
}

const packScript = markingScript('tar -cf - -C "$1" "$2"');

/** Unpacks into a directory that is there. Owners are not taken over, nor times, so that a clock that differs does not matter. */
export function unpackCommand(directory: string): string[] {
  check(directory);
  return ["tar", "-xmof", "-", "-C", asDirectory(directory)];
}

/** What a program complained of, as much as is worth telling. */
export class Complaints {
  readonly #parts: Uint8Array[] = [];
  #bytes = 0;

  add(data: Uint8Array): void {
    const part = data.subarray(0, Math.max(0, mostBytes - this.#bytes));
    if (part.length > 0) this.#parts.push(part);
    this.#bytes += part.length;
  }

  /** Throws a ConnectError when it did not end well. */
  judge({ code, message }: { code: number; message: string }): void {
    if (code === 0) return;
    const said = Buffer.concat(this.#parts).toString("utf8").trim() || message;
    if (
      /executable file not found|no such file or directory.*\b(sh|tar)\b|exec.*"(sh|tar)"/i.test(message) ||
      (code === 127 && /\btar\b/.test(said))
    ) {
      throw new ConnectError(
        "There is no `tar`, or no `sh`, in the container, and without them no file can be copied. Use an image that has them, or name another container.",
        Code.FailedPrecondition,
      );
    }
    throw new ConnectError(
      `tar in the container ended with code ${code}: ${said || "it did not say why"}`,
      Code.Aborted,
    );
  }
}

const mostBytes = 4_096;

function split(path: string): { directory: string; name: string } {
  check(path);
  const trimmed = path.replace(/(?<=.)\/+$/, "");
  const at = trimmed.lastIndexOf("/");
  const name = trimmed.slice(at + 1);
  // A directory by its last step up or by itself has no name: all that is in it, then.
  if (name === "" || name === "." || name === "..") return { directory: asDirectory(trimmed), name: "." };
  return { directory: at < 0 ? "." : asDirectory(trimmed.slice(0, at) || "/"), name };
}

/** No option, whatever it begins with. */
function asDirectory(path: string): string {
  return path.startsWith("/") ? path : `./${path}`;
}

function check(path: string): void {
  if (path.includes("\0")) throw new ConnectError("A path has no NUL in it.", Code.InvalidArgument);
}

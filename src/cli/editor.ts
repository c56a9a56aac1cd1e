/** A text in a person's own editor. The file is theirs alone, and gone afterwards unless it is to be kept. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CliError } from "./errors.ts";

type Env = Readonly<Record<string, string | undefined>>;

/** Resolves with what the person saved. Rejects when the editor cannot be started, or fails. */
export async function editText(env: Env, name: string, text: string): Promise<string> {
  const editor = env.KUBE_EDITOR || env.VISUAL || env.EDITOR || "vi";
  const file = await keepText(name, text);
  try {
    // Through a shell, since an editor may be named with options.
    const child = spawn("sh", ["-c", `${editor} "$1"`, "sh", file], { stdio: "inherit" });
    const [code] = await once(child, "close");
    if (code === 0) return await readFile(file, "utf8");
    throw new CliError(`the editor \`${editor}\` ended with ${code}`, {
      hint: "EDITOR names another one, as in EDITOR=nano",
    });
  } finally {
    await rm(join(file, ".."), { recursive: true, force: true });
  }
}

/** Writes the text into a new file that only this person can read, and gives its path. */
export async function keepText(name: string, text: string): Promise<string> {
  const file = join(await mkdtemp(join(tmpdir(), "fairlead-edit-")), name);
  await writeFile(file, text, { mode: 0o600 });
  return file;
}

/** Somebody's kubeconfig: found and locked as kubectl does it, and replaced in one go. */
import { mkdir, open, readFile, realpath, rename, rm, writeFile } from "node:fs/promises";
import { delimiter, dirname, join } from "node:path";
import { CliError, exitCode } from "./errors.ts";

/** The file that kubectl would write to. */
export function kubeconfigPath(env: Readonly<Record<string, string | undefined>>, given: string | undefined): string {
  const [first] = (env.KUBECONFIG ?? "").split(delimiter).filter((path) => path !== "");
  return given ?? first ?? join(env.HOME ?? "", ".kube", "config");
}

/** Gives the text (empty when there is no file) to `change`, and writes what that makes of it. Nobody else can read the file. */
export async function updateKubeconfig(path: string, change: (text: string) => string): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const file = await realpath(path).catch(() => path);
  const lock = `${file}.lock`;
  await (await takeLock(lock)).close();
  const next = `${file}.fairlead-${process.pid}`;
  try {
    const text = await readFile(file, "utf8").catch((error: unknown) => {
      if (error instanceof Error && "code" in error && error.code === "ENOENT") return "";
      throw error;
    });
    await writeFile(next, change(text), { mode: 0o600 });
    await rename(next, file);
  } finally {
    await Promise.all([rm(next, { force: true }), rm(lock, { force: true })]);
  }
}

async function takeLock(lock: string) {
  try {
    return await open(lock, "wx", 0o600);
  } catch (cause) {
    throw new CliError(`the kubeconfig is locked by another program (${lock})`, {
      code: exitCode.failed,
      hint: "try again; delete that file if no other program runs",
      cause,
    });
  }
}

/** A Go that is new enough for the suite: the machine's, or the one that the machine's Go fetches, as Go itself does from 1.21 on. */
import { execFileSync } from "node:child_process";
import { chmodSync, globSync } from "node:fs";
import { join } from "node:path";

const wanted = "1.26.0";

/** The command to call; throws an Error that says what to install. */
export function findGo(): string {
  let version: string;
  try {
    version = execFileSync("go", ["env", "GOVERSION"], { encoding: "utf8" }).trim();
  } catch {
    throw new Error("It is a Go module, and there is no Go. Install golang-go, and try again.");
  }
  const minor = Number(/^go1\.(\d+)/.exec(version)?.[1] ?? 0);
  // A newer one fetches what a module needs by itself.
  if (minor >= 21) return "go";
  const arch = process.arch === "x64" ? "amd64" : process.arch;
  const module = `golang.org/toolchain@v0.0.1-go${wanted}.${process.platform}-${arch}`;
  const env = { ...process.env, GOFLAGS: "-mod=mod" };
  const said: { Dir?: string; Error?: string } = JSON.parse(
    execFileSync("go", ["mod", "download", "-json", module], { encoding: "utf8", env, cwd: "/" }),
  );
  if (said.Dir === undefined) throw new Error(`${version} is too old, and ${module} did not come: ${said.Error}`);
  // A module has no executable files; Go's own way to this sets them, too.
  for (const file of globSync(["bin/*", "pkg/tool/*/*"], { cwd: said.Dir })) chmodSync(join(said.Dir, file), 0o755);
  return join(said.Dir, "bin/go");
}

/** How commands on the same machine find the console of an agent without a cluster: a file in its directory, for its owner alone. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { isJsonObject } from "../kube/object.ts";

export interface FoundConsole {
  readonly url: string;
  readonly token: string;
}

export const consoleFile = {
  name: "console.json",
  format: (found: FoundConsole): string => `${JSON.stringify(found, undefined, 2)}\n`,
} as const;

/** Undefined when no agent has had that directory. Rejects when the file cannot be read, or is none of an agent's. */
export async function findConsole(directory: string): Promise<FoundConsole | undefined> {
  const path = join(directory, consoleFile.name);
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
  const said: unknown = JSON.parse(text);
  const { url, token } = isJsonObject(said) ? said : {};
  if (typeof url === "string" && typeof token === "string") return { url, token };
  throw new Error(`${path} does not say where the agent's console is`);
}

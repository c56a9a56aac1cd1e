/** How commands on the same machine find the console of an agent without a cluster: a file in its directory, for its owner alone. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { isJsonObject } from "../kube/object.ts";

export interface FoundConsole {
  /** With https. */
  readonly url: string;
  readonly token: string;
  /** The agent's own CA, PEM, and what its certificate is for: whoever else has taken the port while the agent was away is known by it. */
  readonly ca: string;
  readonly serverName: string;
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
  const { url, token, ca, serverName } = isJsonObject(said) ? said : {};
  const isSecure = typeof url === "string" && url.startsWith("https://");
  if (isSecure && typeof token === "string" && typeof ca === "string" && typeof serverName === "string") {
    return { url, token, ca, serverName };
  }
  throw new Error(`${path} does not say where the agent's console is`);
}

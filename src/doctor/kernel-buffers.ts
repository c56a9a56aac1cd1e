import { readFile } from "node:fs/promises";
import { type KernelBuffers, readMost } from "./judge-buffers.ts";

/** What Linux tells of itself; undefined on other systems. */
export async function readKernelBuffers(directory = "/proc/sys/net/ipv4"): Promise<KernelBuffers | undefined> {
  try {
    const [receive, send] = await Promise.all(
      ["tcp_rmem", "tcp_wmem"].map(async (name) => readMost(await readFile(`${directory}/${name}`, "utf8"))),
    );
    return receive !== undefined && send !== undefined ? { receive, send } : undefined;
  } catch {
    return undefined;
  }
}

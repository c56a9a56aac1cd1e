/** How other agents are dialled, as the settings have it. */
import { readFile } from "node:fs/promises";
import type { Config } from "./config.ts";
import type { OuterTls } from "./link/outer.ts";
import type { ProxySettings } from "./link/proxy.ts";

/** Rejects when a file that a setting names cannot be read. */
export async function readOutward(config: Config): Promise<{ outerTls: OuterTls; proxy: ProxySettings }> {
  return {
    outerTls: {
      insecure: config.link.insecure,
      ...(config.link.caFile !== undefined && { rootCaPem: await readFile(config.link.caFile, "utf8") }),
    },
    proxy: {
      httpProxy: config.link.httpProxy,
      httpsProxy: config.link.httpsProxy,
      noProxy: config.link.noProxy,
    },
  };
}

/** The API of an agent on an embedded cluster, alone, with whatever credentials a test shows. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Transport } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { type Log, silentLog } from "../../../src/base/log.ts";
import { buildTown, type Town } from "../../../src/demo/town.ts";

export interface ApiWorld extends AsyncDisposable {
  readonly town: Town;
  /** To the console's port, without credentials. */
  readonly transport: Transport;
}

export async function startApi(log: Log = silentLog): Promise<ApiWorld> {
  const directory = await mkdtemp(join(tmpdir(), "fairlead-test-"));
  const clean = (): Promise<void> => rm(directory, { recursive: true, force: true });
  try {
    const options = {
      name: "porto",
      directory,
      firstPort: 0,
      version: "0.0.1",
      log,
      processes: false,
    };
    const town = await buildTown(options, AbortSignal.timeout(60_000));
    return {
      town,
      transport: createConnectTransport({ baseUrl: town.consoleUrl, httpVersion: "1.1" }),
      async [Symbol.asyncDispose]() {
        await town.close();
        await clean();
      },
    };
  } catch (error) {
    await clean();
    throw error;
  }
}

/** Tells who deploys to a peer that cannot be reached that nothing will happen yet. */
import { Code, ConnectError } from "@connectrpc/connect";
import type { FairleadClient } from "../client/index.ts";
import type { AppManifest } from "./app-manifest.ts";

/** Says one line for each peer of the apps that is unknown or away. */
export async function warnOfPeers(
  client: FairleadClient,
  apps: readonly AppManifest[],
  signal: AbortSignal,
  say: (text: string) => void,
): Promise<void> {
  for (const name of new Set(apps.map(({ spec }) => spec.peer))) {
    if (name === undefined) continue; // It is placed wherever there is a peer for it.
    try {
      const { peer } = await client.peers.getPeer({ name }, { signal });
      if (peer?.status?.link?.state === "Connected") continue;
      say(`note: there is no link to ${name} now; the app goes there as soon as there is one\n`);
    } catch (error) {
      if (ConnectError.from(error).code !== Code.NotFound) throw error;
      say(`warning: there is no peer ${name} here, so nothing runs yet; see: fairlead peer list\n`);
    }
  }
}

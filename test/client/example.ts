/** The client's example, as another package would write it: compiled by `make check`, run by the tests. */
import { createFairleadClient } from "fairlead/client";

/** The names of an agent's peers. */
export async function peerNames(url: string, token: string): Promise<string[]> {
  const fairlead = createFairleadClient({ url, token });
  const { peers } = await fairlead.peers.listPeers({});
  return peers.map((peer) => peer.metadata?.name ?? "");
}

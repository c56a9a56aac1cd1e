/** The example of the client's documentation, as another package would write it: compiled by `make check`, run by the tests. */
import { createConnectTransport } from "@connectrpc/connect-node";
import { createFairleadClient } from "fairlead/client";

/** The names of an agent's peers. */
export async function peerNames(baseUrl: string, token: string): Promise<string[]> {
  const fairlead = createFairleadClient({
    transport: createConnectTransport({ baseUrl, httpVersion: "1.1" }),
    token,
  });
  const { peers } = await fairlead.peers.listPeers({});
  return peers.map((peer) => peer.metadata?.name ?? "");
}

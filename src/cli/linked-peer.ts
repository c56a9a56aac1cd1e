/** A peer together with its link, once or for as long as somebody watches. */
import { Code, ConnectError } from "@connectrpc/connect";
import type { FairleadClient } from "../client/index.ts";
import type { Peer } from "../gen/fairlead/console/v1/peer_service_pb.ts";
import type { LinkedPeer } from "./link-view.ts";
import type { Heard } from "./watch.ts";

/** Rejects with NOT_FOUND when there is no peer of that name. */
export async function readLinkedPeer(client: FairleadClient, name: string, signal: AbortSignal): Promise<LinkedPeer> {
  const [peer, link] = await Promise.all([
    readPeer(client, name, signal),
    client.links.getLink({ peer: name }, { signal }).catch((error: unknown) => {
      const { code } = ConnectError.from(error);
      // An agent of an earlier version does not tell. That there is no such peer, the other call says better.
      if (code === Code.Unimplemented || code === Code.NotFound) return undefined;
      throw error;
    }),
  ]);
  return { peer, link: link?.link };
}

/** As it is, and then each time that its link changes, and every so many seconds besides unless that is 0. */
export async function* watchLinkedPeer(
  client: FairleadClient,
  name: string,
  everySeconds: number,
  signal: AbortSignal,
): AsyncGenerator<Heard<LinkedPeer>> {
  let known = false;
  try {
    for await (const { link } of client.links.watchLink({ peer: name, everySeconds }, { signal })) {
      const peer = await readPeer(client, name, signal);
      yield { kind: "now", item: { peer, link } };
      if (!known) yield { kind: "synced" };
      known = true;
    }
  } catch (error) {
    // It may be removed between the two.
    if (!known || ConnectError.from(error).code !== Code.NotFound) throw error;
  }
  yield { kind: "gone", name };
}

async function readPeer(client: FairleadClient, name: string, signal: AbortSignal): Promise<Peer> {
  const { peer } = await client.peers.getPeer({ name }, { signal });
  if (peer) return peer;
  throw new ConnectError(`The agent did not say how ${name} is.`, Code.Internal);
}

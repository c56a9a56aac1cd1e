/** The links, of which those things are told that a person would want to be told of: numbers change all the time. */
import type { Link } from "../../gen/fairlead/console/v1/link_service_pb.ts";
import { Topic } from "../../gen/fairlead/console/v1/watch_service_pb.ts";
import type { LinkLook } from "../../peering/switchboard.ts";
import { differs, toLink } from "../api/link.ts";
import type { WatchSource } from "./sources.ts";

export interface KnownLinks {
  /** Names of all peers. */
  peers(): readonly string[];
  /** Undefined when there is no such peer. */
  look(peer: string): LinkLook | undefined;
  /** Told, with the peer's name, that something of a link may have changed, or that the peer has come or gone. */
  subscribe(listener: (peer: string) => void): () => void;
}

export function linkSource(links: KnownLinks): WatchSource {
  return {
    topic: Topic.LINKS,
    synced: () => Promise.resolve(),
    feed(into) {
      const told = new Map<string, Link>();
      const look = (peer: string): void => {
        const ref = { namespace: "", name: peer };
        const found = links.look(peer);
        const link = found && toLink(peer, found);
        const before = told.get(peer);
        if (!link) {
          told.delete(peer);
          into.put(ref, undefined);
        } else if (!before || differs(link, before)) {
          told.set(peer, link);
          into.put(ref, { peers: [peer], about: [peer], now: () => ({ case: "link", value: link }) });
        }
      };
      for (const peer of links.peers()) look(peer);
      return links.subscribe(look);
    },
  };
}

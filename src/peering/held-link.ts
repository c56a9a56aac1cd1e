import type { Transport } from "@connectrpc/connect";
import type { Link } from "../link/link.ts";
import type { LinkFacts } from "./choose-link.ts";

/** A link that stands, and the way to call over it. */
export interface HeldLink {
  readonly link: Link;
  readonly transport: Transport;
  readonly facts: LinkFacts;
}

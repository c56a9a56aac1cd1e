import type { Transport } from "@connectrpc/connect";
import type { Link } from "../link/link.ts";

/** A link, and the way to call over it. */
export interface HeldLink {
  readonly link: Link;
  readonly transport: Transport;
  /** The instance id of the agent behind it, hex. */
  readonly instance: string;
}

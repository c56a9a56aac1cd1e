/** What is seen on the way to a peer's door, step by step. Plain values: what they mean is judged elsewhere. */

/** One step. A failure ends the way; what comes behind it is not seen. */
export type Observation =
  | UrlSeen
  | ProxySeen
  | NameSeen
  | ReachSeen
  | TunnelSeen
  | OuterTlsSeen
  | UpgradeSeen
  | AgentSeen;

export interface UrlSeen {
  readonly step: "url";
  /** Why it cannot be dialled. */
  readonly error: string;
}

export interface ProxySeen {
  readonly step: "proxy";
  /** Host and port of the proxy that is used; undefined when it is dialled straight. */
  readonly proxy: string | undefined;
  /** Whether one is set, and an exemption is why it is not used. */
  readonly exempt: boolean;
  readonly error?: string;
}

export interface NameSeen {
  readonly step: "name";
  readonly host: string;
  readonly addresses: readonly string[];
  readonly tookMs: number;
  /** As Node names it: ENOTFOUND, EAI_AGAIN. */
  readonly errorCode?: string;
}

export interface ReachSeen {
  readonly step: "reach";
  readonly host: string;
  readonly port: number;
  /** One address of each family. */
  readonly attempts: readonly Attempt[];
}

export interface Attempt {
  readonly address: string;
  readonly tookMs: number;
  /** As Node names it: ECONNREFUSED, ETIMEDOUT, ENETUNREACH; undefined when it was reached. */
  readonly errorCode?: string;
}

export interface TunnelSeen {
  readonly step: "tunnel";
  readonly proxy: string;
  /** In words; undefined when the proxy has connected. */
  readonly error?: string;
}

export interface OuterTlsSeen {
  readonly step: "outer-tls";
  readonly host: string;
  /** That no TLS came to be at all; nothing else is known then. */
  readonly error?: string;
  /** Why the certificate is not trusted, as OpenSSL names it; undefined when it is. */
  readonly untrusted?: string;
  /** Whether settings say to take it all the same. */
  readonly insecure: boolean;
  /** Whether a root of our own was to be trusted instead of the public ones. */
  readonly ownRoot: boolean;
  /** Who issued it, in one line. */
  readonly issuer?: string;
  readonly names?: string;
  /** Milliseconds since 1970. */
  readonly validFrom?: number;
  readonly validTo?: number;
}

export interface UpgradeSeen {
  readonly step: "upgrade";
  readonly host: string;
  readonly path: string;
  /** 101 when it is a WebSocket now; undefined when no answer came. */
  readonly status?: number;
  /** Who says to have answered. */
  readonly server?: string;
  /** Where it sends us instead. */
  readonly location?: string;
  /** The begin of the body, in one line. */
  readonly excerpt?: string;
  /** How far the clock there, by its Date, is ahead of ours, in milliseconds; to a second. */
  readonly aheadMs?: number;
  readonly error?: string;
}

export interface AgentSeen {
  readonly step: "agent";
  readonly host: string;
  /** Why there is no agent, or not the right one, behind the WebSocket; undefined when it is. */
  readonly error?: string;
  /** Of the agent that answered, if one did. */
  readonly fingerprint?: string;
  /** Of the agent's certificate, milliseconds since 1970. */
  readonly validFrom?: number;
  readonly validTo?: number;
}

/** Why there is no link, for programs. The message says it for people, with what to try. */
export type LinkErrorCode =
  /** The URL is not one that can be dialled. */
  | "bad-url"
  /** No TCP connection, or it broke before anybody was known behind it. */
  | "unreachable"
  /** The HTTP proxy refused or did not understand. */
  | "proxy"
  /** The certificate of the outer TLS (an ingress's, usually) is not trusted. */
  | "outer-tls"
  /** Something answered that is no Fairlead agent's peer port. */
  | "not-an-agent"
  /** Both ends speak, but the TLS inside the WebSocket failed. */
  | "handshake"
  /** The other end is not who it should be, or its certificate is not good. */
  | "untrusted"
  /** Both ends are proven, but the other one sent no Hello, or one that does not do: it may have refused this end. */
  | "refused"
  /** The other end has this agent's own identity. */
  | "same-identity"
  /** The peer that should have carried refused, or does not reach the other end. */
  | "relay"
  /** It took too long. */
  | "timeout";

/** A link that did not come to be. */
export class LinkError extends Error {
  override readonly name = "LinkError";
  readonly code: LinkErrorCode;
  /** Of HTTP, where that was the answer. */
  readonly status: number | undefined;

  constructor(code: LinkErrorCode, message: string, cause?: unknown, status?: number) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.status = status;
  }
}

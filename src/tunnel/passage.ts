import type { HttpScheme } from "./app-port.ts";
import type { ByteRate } from "./byte-rate.ts";
import type { Destination } from "./entry.ts";
import type { Arrival } from "./headers.ts";

/** What a certificate must be. */
export interface TlsRules {
  /** Asked for, and in the certificate. */
  readonly serverName?: string | undefined;
  /** In PEM; those that the system trusts when it is missing. With these alone, any certificate under them will do. */
  readonly ca?: string | undefined;
  /** Whether any certificate will do. */
  readonly insecure: boolean;
}

/** What a door has found out about a request that may pass. */
export interface Passage {
  readonly destination: Destination;
  readonly scheme: HttpScheme;
  /** What the certificate must be where TLS is spoken; it is not judged when this is missing. */
  readonly tls?: TlsRules | undefined;
  /** What the bytes of the connection, both ways, are held to beside those of others. */
  readonly rate?: ByteRate | undefined;
  /** What the app is asked for: a path with its query, as the client wrote it. */
  readonly path: string;
  readonly arrival: Arrival;
  /** Names of cookies that are the console's. */
  readonly consoleCookies: readonly string[];
  readonly stripAuthorization: boolean;
  /** Headers that the door adds to the request, name after value; a client's own of these names never pass. */
  readonly requestHeaders?: readonly string[];
  /** Headers that the door adds to the answer, name after value. */
  readonly answerHeaders?: readonly string[];
}

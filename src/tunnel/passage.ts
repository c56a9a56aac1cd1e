import type { HttpScheme } from "./app-port.ts";
import type { Destination } from "./entry.ts";
import type { Arrival } from "./headers.ts";

/** What a door has found out about a request that may pass. */
export interface Passage {
  readonly destination: Destination;
  readonly scheme: HttpScheme;
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

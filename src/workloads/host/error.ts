/** Why the host's half does not do what a person here asked for. */

export type HostErrorCode =
  /** Nothing of that name waits for a decision or was decided. */
  | "not-found"
  /** What is asked for is no longer what the person saw. */
  | "changed";

export class HostError extends Error {
  readonly code: HostErrorCode;

  constructor(code: HostErrorCode, message: string) {
    super(message);
    this.name = "HostError";
    this.code = code;
  }
}

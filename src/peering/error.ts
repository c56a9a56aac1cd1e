/** Why something about peers could not be done, for programs; the message says it for people, with what to try. */
export type PeeringErrorCode =
  /** There is no such peer or invite. */
  | "not-found"
  /** A name, grant, label or URL that cannot be. */
  | "invalid"
  /** The name belongs to a peer, or to one that was removed. */
  | "name-taken"
  /** The text is no invite: cut, mistyped, or something else. */
  | "bad-invite"
  /** The inviter refused, or its invite is no longer good. */
  | "refused"
  /** The other agent cannot be reached, or is not the one that it should be. */
  | "unreachable"
  /** What is stored changed again and again while it was being changed. */
  | "conflict"
  /** What was asked needs a state that is not so, such as a URL of our own. */
  | "precondition";

/** What was asked of peering cannot be done. */
export class PeeringError extends Error {
  override readonly name = "PeeringError";
  readonly code: PeeringErrorCode;

  constructor(code: PeeringErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.code = code;
  }
}

/** The identity could not be read, made or used. The message says what to do; `cause` has what went wrong below. */
export class IdentityError extends Error {
  override readonly name = "IdentityError";
}

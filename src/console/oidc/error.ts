/** Why somebody is not signed in after all. The message is for them; what the provider said in detail is in `cause`, for the log. */
export class OidcError extends Error {
  override readonly name = "OidcError";
  readonly why: "provider-down" | "refused" | "no-name";

  constructor(why: OidcError["why"], message: string, options?: ErrorOptions) {
    super(message, options);
    this.why = why;
  }
}

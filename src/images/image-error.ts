/**
 * Why an image does not come. "denied": the registry refuses; "not-found": it has no such thing; "range": not those bytes; "busy": later; "setup":
 * the operator's settings are wrong; "unreachable": nobody answers, or not as a registry; "damaged": what came is not what was asked for.
 */
export type ImageFailure = "denied" | "not-found" | "range" | "busy" | "setup" | "unreachable" | "damaged";

/** Its message is a sentence for people at both ends: it tells no credentials and no addresses but the registry's. */
export class ImageError extends Error {
  override readonly name = "ImageError";
  readonly failure: ImageFailure;

  constructor(failure: ImageFailure, message: string, options?: ErrorOptions) {
    super(message, options);
    this.failure = failure;
  }
}

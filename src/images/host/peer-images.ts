/** Asks a peer for images that our nodes are to run for it: one dialled stream a request, behind all that is more urgent. */
import { request as httpRequest, type IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { create } from "@bufbuild/protobuf";
import { DialingAgent } from "../../base/dialing-agent.ts";
import { errorText } from "../../base/error-text.ts";
import { ImagesTargetSchema, type Target, TargetSchema } from "../../gen/fairlead/wire/v1/target_pb.ts";
import { Reason, StreamError } from "../../wire/reason.ts";
import { Priority } from "../../wire/scheduler.ts";
import { readProblem } from "../image-answer.ts";
import { ImageError, type ImageFailure } from "../image-error.ts";
import { type ByteRange, formatRange, type ImageRequest } from "../image-request.ts";

/** A connection to a target at a peer, by our name for it. */
export type DialPeer = (
  peer: string,
  target: Target,
  o: { priority: Priority; signal: AbortSignal },
) => Promise<Duplex>;

/** Resolves with an answer of status 200 or 206. Rejects with an `ImageError`, or with the signal's reason. */
export type AskPeer = (
  peer: string,
  o: { method: "GET" | "HEAD"; request: ImageRequest; range?: ByteRange | undefined },
  signal: AbortSignal,
) => Promise<IncomingMessage>;

export function createPeerImages(dial: DialPeer): AskPeer {
  const target = create(TargetSchema, { kind: { case: "images", value: create(ImagesTargetSchema) } });
  return (peer, { method, request, range }, signal) =>
    new Promise((resolve, reject) => {
      const agent = new DialingAgent(() => dial(peer, target, { priority: Priority.BULK, signal }));
      const { name, kind, digest } = request;
      const headers = { host: "images", ...(range && { range: formatRange(range) }) };
      const out = httpRequest({ agent, method, path: `/v2/${name}/${kind}/${digest}`, headers, signal });
      out.once("error", (error) => reject(signal.aborted ? signal.reason : dialFailure(peer, error)));
      out.once("response", (answer) => {
        const { statusCode = 0 } = answer;
        if (statusCode === 200 || statusCode === 206) resolve(answer);
        else readProblem(answer).then((said) => reject(refusal(peer, statusCode, said.message)), reject);
      });
      out.end();
    });
}

const failures: Readonly<Record<number, ImageFailure>> = {
  401: "denied",
  403: "denied",
  404: "not-found",
  416: "range",
  429: "busy",
};

function refusal(peer: string, status: number, said: string | undefined): ImageError {
  return new ImageError(failures[status] ?? "unreachable", `${peer}: ${said ?? `it answers ${status}`}`);
}

function dialFailure(peer: string, cause: unknown): ImageError {
  const reason = cause instanceof StreamError ? cause.reason : Reason.UNSPECIFIED;
  const isRefused = reason === Reason.DENIED || reason === Reason.REVOKED || reason === Reason.UNSUPPORTED;
  const message = `${peer} does not give the image: ${errorText(cause)}`;
  if (reason === Reason.OVERLOADED) return new ImageError("busy", message, { cause });
  return new ImageError(isRefused ? "denied" : "unreachable", message, { cause });
}

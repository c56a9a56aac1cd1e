import { create } from "@bufbuild/protobuf";
import { DialSchema, type Open, RpcSchema } from "../gen/fairlead/wire/v1/frame_pb.ts";
import { Network, type Target } from "../gen/fairlead/wire/v1/target_pb.ts";
import type { DatagramOutlet } from "./datagram-line.ts";
import { writeHeaders } from "./headers.ts";
import { Reason, StreamError } from "./reason.ts";
import { Priority } from "./scheduler.ts";

/** What is opened: a call or a connection. */
export type OpenRequest = {
  /** Normal unless said. */
  readonly priority?: Priority;
} & (
  | { readonly rpc: { readonly path: string; readonly headers?: Headers } }
  | { readonly dial: { readonly target: Target; readonly metadata?: Headers } }
);

export interface DialOptions {
  /** Normal unless said. */
  readonly priority?: Priority;
  /** Gives the dial up; without meaning once it has succeeded. */
  readonly signal?: AbortSignal;
  /** Told the number of the stream once the other end has answered, well or not; never if the stream has not left. */
  numbered?(stream: number): void;
  /** Remarks for the other end's audit log. */
  readonly metadata?: Headers;
}

/** As the wire asks for it. */
export function writeOpen(request: OpenRequest): Open["what"] {
  if ("rpc" in request) {
    const { path, headers } = request.rpc;
    return { case: "rpc", value: create(RpcSchema, { path, headers: writeHeaders(headers) }) };
  }
  const { target, metadata } = request.dial;
  return { case: "dial", value: create(DialSchema, { target, metadata: writeHeaders(metadata) }) };
}

/** What a dial opens. */
export function dialRequest(target: Target, { priority, metadata }: DialOptions): OpenRequest {
  const dial = metadata === undefined ? { target } : { target, metadata };
  return priority === undefined ? { dial } : { dial, priority };
}

/** What a dial for datagrams opens. Throws a {@link StreamError} when one of both ends does not know them. */
export function datagramRequest(target: Target, options: DialOptions, outlet: DatagramOutlet): OpenRequest {
  if (!outlet.available) {
    const message = "The other end's version carries no datagrams (UDP); its agent has to be upgraded.";
    throw new StreamError(Reason.UNSUPPORTED, message);
  }
  return dialRequest({ ...target, network: Network.UDP }, { priority: Priority.INTERACTIVE, ...options });
}

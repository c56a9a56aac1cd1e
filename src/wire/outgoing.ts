import { create } from "@bufbuild/protobuf";
import { DialSchema, type Open, RpcSchema } from "../gen/fairlead/wire/v1/frame_pb.ts";
import type { Target } from "../gen/fairlead/wire/v1/target_pb.ts";
import { writeHeaders } from "./headers.ts";
import type { Priority } from "./scheduler.ts";

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

/** Parts of requests that validation has refused to be without; this tells the compiler. */
import { Code, ConnectError } from "@connectrpc/connect";
import type { ObjectRef } from "../../gen/fairlead/console/v1/object_pb.ts";

export function requiredRef(ref: ObjectRef | undefined): { readonly namespace: string; readonly name: string } {
  if (ref) return { namespace: ref.namespace, name: ref.name };
  throw new ConnectError("the request names no object", Code.InvalidArgument);
}

export function requiredSpec<Spec>(spec: Spec | undefined): Spec {
  if (spec !== undefined) return spec;
  throw new ConnectError("the request has no spec", Code.InvalidArgument);
}

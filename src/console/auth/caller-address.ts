import { type ContextKey, type ContextValues, createContextKey, createContextValues } from "@connectrpc/connect";

/** Whence a call comes, as the socket says; empty where it came through something that is no socket. */
export const callerAddressKey: ContextKey<string> = createContextKey("", { description: "whence a call comes" });

/** What is known of a call when it comes. */
export function callerAddress({
  socket,
}: {
  readonly socket: { readonly remoteAddress?: string | undefined };
}): ContextValues {
  return createContextValues().set(callerAddressKey, socket.remoteAddress ?? "");
}

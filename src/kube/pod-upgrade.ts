/** What port-forward and exec have in common: a WebSocket to the API server, made by the client library. */
import type { RequestOptions } from "node:https";
import type { KubeConfig } from "@kubernetes/client-node";
import { type Attempt, fromTransport, KubeError } from "./errors.ts";
import type { ObjectRef } from "./object.ts";

/** How long the API server may take to accept, in milliseconds. */
export const handshakeMs = 15_000;

/** What stands in a path must be a name. Throws a TypeError. */
export function checkPodName(ref: ObjectRef): void {
  for (const name of [ref.namespace, ref.name]) {
    if (!name || !/^[a-z0-9][a-z0-9.-]*$/.test(name)) throw new TypeError(`"${name}" is no name of a Pod.`);
  }
}

/** The library offers no way to stop a connection in the making, but it asks the configuration for the request's options. */
export function cancellable(config: KubeConfig, signal: AbortSignal): KubeConfig {
  return Object.create(config, {
    applyToHTTPSOptions: {
      value: async (options: RequestOptions): Promise<void> => {
        await config.applyToHTTPSOptions(options);
        signal.throwIfAborted();
        options.signal = signal;
      },
    },
  });
}

/**
 * Why a WebSocket was not opened; `right` is what it takes, as in "`create` pods/exec". `ws` tells of a refused upgrade in words
 * only, or by an event whose `error` has them.
 */
export function refusedUpgrade(attempt: Attempt, error: unknown, right: string): Error {
  if (error instanceof KubeError) return error;
  const cause = typeof error === "object" && error !== null && "error" in error ? error.error : error;
  const text = cause instanceof Error ? cause.message : "";
  const status = Number(/Unexpected server response: (\d+)/.exec(text)?.[1] ?? 0);
  if (status === 0) return fromTransport(attempt, cause);
  const reason = status === 404 ? "NotFound" : status === 403 ? "Forbidden" : "Refused";
  const advice = status === 403 ? ` It takes the right to ${right}.` : "";
  const message = `Could not ${attempt.what}: the API server answered with HTTP status ${status}.${advice}`;
  return new KubeError({ status, reason, message }, { cause });
}

/** This page's connection to the agent and how the agent is, in one word and one sentence. Pure. */
import type { Component } from "../../../src/gen/fairlead/console/v1/agent_service_pb.ts";
import type { Tone } from "./tone.ts";

/** As the watch has it; times in milliseconds since 1970 UTC. */
export type ConnectionStatus =
  | { readonly kind: "connecting" }
  | { readonly kind: "connected"; readonly since: number }
  | { readonly kind: "lost"; readonly since: number; readonly why: string };

export interface Connection {
  readonly tone: Tone;
  readonly word: string;
  /** RFC 3339; empty while there is none. */
  readonly since: string;
  readonly text: string;
}

/** `parts` are the agent's own, as far as this person may know of them. */
export function connectionOf(status: ConnectionStatus, parts: readonly Pick<Component, "ok" | "name">[]): Connection {
  if (status.kind === "connecting") {
    return { tone: "progressing", word: "Connecting", since: "", text: "What there is has not been told yet." };
  }
  const since = new Date(status.since).toISOString();
  if (status.kind === "lost") {
    const text = `What you see is as of then. It is tried again by itself. The last attempt: ${status.why}`;
    return { tone: "failed", word: "Not connected", since, text };
  }
  const unwell = parts.filter(({ ok }) => !ok).map(({ name }) => name);
  if (unwell.length > 0) {
    const text = `Changes are shown as they happen. Not well: ${unwell.join(", ")}.`;
    return { tone: "degraded", word: "Connected, not well", since, text };
  }
  return { tone: "ok", word: "Connected", since, text: "Changes are shown as they happen." };
}

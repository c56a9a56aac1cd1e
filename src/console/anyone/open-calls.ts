/**
 * Calls that anybody may make hold something of the agent before anybody has said who they are. So there are few of them at a time, from
 * one network fewer, and what they ask has to come soon. Where there are as many as there may be, the oldest that has not said all yet gives way.
 */
import { codeToHttpStatus, errorToJson } from "@connectrpc/connect/protocol-connect";
import type { Clock, Timer } from "../../base/clock.ts";
import { networkOf } from "../../base/network-of.ts";
import { type ClientRequest, type ClientResponse, isGone } from "../../tunnel/client-side.ts";
import { tryLater } from "../try-later.ts";

export interface OpenCalls {
  /** Takes the call, or answers it with a refusal. */
  admit(req: ClientRequest, res: ClientResponse): boolean;
  close(): void;
}

/** Of one method at a time. */
const mostOfMethod = 64;
/** Of that, from one network. */
const mostOfNetwork = 16;
/** How long what is asked may take to come, in milliseconds. */
const askMs = 10_000;

interface OpenCall {
  readonly network: string;
  readonly res: ClientResponse;
  isWhole(): boolean;
  readonly late: Timer;
}

/** `paths` are those of the methods: a limit each, so that a flood of one leaves the others alone. */
export function createOpenCalls(deps: { readonly paths: ReadonlySet<string>; readonly clock: Clock }): OpenCalls {
  /** By path, the oldest first. */
  const calls = new Map<string, Set<OpenCall>>();

  /** Makes room by ending the oldest that has not said all yet. */
  function makeRoom(some: readonly OpenCall[], most: number): boolean {
    if (some.length < most) return true;
    const oldest = some.find((call) => !call.isWhole());
    oldest?.res.destroy();
    return oldest !== undefined;
  }

  return {
    admit(req, res) {
      const path = (req.url ?? "").split("?", 1)[0] ?? "";
      if (!deps.paths.has(path)) return true;
      const open = calls.get(path) ?? new Set();
      calls.set(path, open);
      const network = networkOf(req.socket.remoteAddress ?? "");
      const ofNetwork = [...open].filter((call) => call.network === network);
      if (!makeRoom(ofNetwork, mostOfNetwork) || !makeRoom([...open], mostOfMethod)) {
        refuse(req, res);
        return false;
      }
      const isWhole = (): boolean => req.complete || req.readableEnded;
      const late = deps.clock.after(askMs, () => {
        if (!isWhole()) res.destroy();
      });
      late.unref?.();
      const call = { network, res, isWhole, late };
      open.add(call);
      res.once("close", () => {
        late.cancel();
        open.delete(call);
      });
      return true;
    },
    close() {
      for (const open of calls.values()) for (const { late } of open) late.cancel();
    },
  };
}

/** As Connect would say it, which gRPC's clients read by the status. */
function refuse(req: ClientRequest, res: ClientResponse): void {
  if (isGone(res)) return;
  const message = "Too many call this at once who have not signed in. Try again in a moment.";
  const error = tryLater(message, { seconds: 1 });
  res.statusCode = codeToHttpStatus(error.code);
  res.setHeader("Content-Type", "application/json");
  for (const [name, value] of error.metadata) res.setHeader(name, value);
  res.end(JSON.stringify(errorToJson(error, undefined)));
  res.once("finish", () => req.resume());
}

/** The face of pairing to guests: `fairlead.peer.v1.PairingService`. */
import { create } from "@bufbuild/protobuf";
import { Code, ConnectError, type ServiceImpl } from "@connectrpc/connect";
import { createRateLimit } from "../base/rate-limit.ts";
import {
  JoinedSchema,
  JoinRefusalSchema,
  JoinResponseSchema,
  type PairingService,
  JoinRefusal_Reason as Refusal,
  WaitingSchema,
} from "../gen/fairlead/peer/v1/pairing_pb.ts";
import { callerKey } from "../rpc/caller.ts";
import type { Session } from "../wire/session.ts";
import { type InviterDeps, JoinRefused, receiveJoiner } from "./inviter.ts";

export interface PairingServiceDeps extends Omit<InviterDeps, "noted"> {
  /** What this agent calls itself. */
  readonly name: string;
  /** A guest is joining; the answer says that it no longer is. */
  joining(session: Session): () => void;
}

export function createPairingService(deps: PairingServiceDeps): ServiceImpl<typeof PairingService> {
  const noted = createRateLimit({ clock: deps.clock, burst: 60, perSecond: 1 });
  return {
    async *join(request, context) {
      const caller = context.values.get(callerKey);
      const done = caller.session ? deps.joining(caller.session) : () => undefined;
      try {
        for await (const step of receiveJoiner({ ...deps, noted }, caller, request, context.signal)) {
          yield step === "waiting"
            ? create(JoinResponseSchema, { step: { case: "waiting", value: create(WaitingSchema) } })
            : create(JoinResponseSchema, {
                step: { case: "joined", value: create(JoinedSchema, { name: deps.name }) },
              });
        }
      } catch (error) {
        throw error instanceof JoinRefused ? toConnectError(error) : error;
      } finally {
        done();
      }
    },
  };
}

function toConnectError(refused: JoinRefused): ConnectError {
  const details = [{ desc: JoinRefusalSchema, value: { reason: refused.reason } }];
  return new ConnectError(refused.message, codeOf(refused.reason), undefined, details, refused);
}

function codeOf(reason: Refusal): Code {
  if (reason === Refusal.UNKNOWN) return Code.NotFound;
  if (reason === Refusal.TOO_MANY_ATTEMPTS) return Code.ResourceExhausted;
  if (reason === Refusal.UNANSWERED) return Code.DeadlineExceeded;
  return Code.FailedPrecondition;
}

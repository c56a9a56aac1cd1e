/** A peer's version beside this agent's own, as the API shows it. Pure. */
import { create } from "@bufbuild/protobuf";
import { judgeVersion } from "../../doctor/judge-version.ts";
import {
  type PeerVersion,
  PeerVersionSchema,
  PeerVersion_Skew as Skew,
} from "../../gen/fairlead/console/v1/agent_service_pb.ts";

/** `theirs` is undefined, or empty, while the peer has never said. */
export function comparePeer(peer: string, ours: string, theirs: string | undefined): PeerVersion {
  const { level, summary, remedy = "" } = judgeVersion(ours, theirs, peer);
  const known = theirs === ours ? Skew.NONE : level === "ok" ? Skew.NEAR : Skew.FAR;
  return create(PeerVersionSchema, {
    peer,
    version: theirs ?? "",
    skew: theirs ? known : Skew.UNKNOWN,
    summary,
    remedy,
  });
}

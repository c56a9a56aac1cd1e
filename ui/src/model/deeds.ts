/** What an entry of the audit tells, in words of a person. Pure. */
import type { AuditEntry } from "../../../src/gen/fairlead/console/v1/audit_service_pb.ts";

export interface Deed {
  readonly who: string;
  readonly did: string;
  /** Whether the sentence goes on with the target. */
  readonly hasTarget: boolean;
}

type Told = Pick<AuditEntry, "action" | "verdict" | "person" | "peer">;

/** What somebody asks for: as it is said of who may not, and of who did. */
const asked: Readonly<Record<string, readonly [infinitive: string, past: string]>> = {
  "app.deploy": ["deploy", "deployed"],
  "app.edit": ["edit", "edited"],
  "app.scale": ["scale", "scaled"],
  "app.restart": ["restart", "restarted"],
  "app.pause": ["pause", "paused"],
  "app.resume": ["resume", "resumed"],
  "app.rollback": ["roll back", "rolled back"],
  "app.delete": ["delete", "deleted"],
  "app.open": ["open the page of", "opened the page of"],
  "app.admit": ["run", "runs"],
  "app.remove": ["remove", "removed"],
  "app.stop": ["stop", "stopped"],
  "orphan.adopt": ["adopt", "adopted"],
  "orphan.delete": ["delete the orphan", "deleted the orphan"],
  "inbox.approve": ["approve", "approved"],
  "inbox.deny": ["deny", "denied"],
  "invite.create": ["make an invite for", "made an invite for"],
  "invite.revoke": ["withdraw the invite for", "withdrew the invite for"],
  "peer.join": ["join", "joined"],
  "peer.pair": ["pair with", "paired with"],
  "peer.update": ["change the peer", "changed the peer"],
  "peer.remove": ["remove the peer", "removed the peer"],
  "peer.reconnect": ["connect anew with", "connected anew with"],
  "policy.apply": ["change the policy", "changed the policy"],
  "policy.delete": ["delete the policy", "deleted the policy"],
  "forward.create": ["create the forward", "created the forward"],
  "forward.update": ["change the forward", "changed the forward"],
  "forward.delete": ["delete the forward", "deleted the forward"],
  "user.create": ["create the user", "created the user"],
  "user.update": ["change the user", "changed the user"],
  "user.delete": ["delete the user", "deleted the user"],
  "user.reset-password": ["reset the password of", "reset the password of"],
  "user.change-password": ["change their password", "changed their password"],
  "token.create": ["create the token", "created the token"],
  "token.revoke": ["revoke the token", "revoked the token"],
  "tunnel.open": ["reach", "reached"],
  "kube.request": ["ask the Kubernetes API of", "asked the Kubernetes API of"],
  "image.pull": ["pull", "pulled"],
  logs: ["read the logs of", "read the logs of"],
};

/** What is said in other words, by the verdict; what has none for one is said as usual. */
const special: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  "app.answer": { allowed: "admitted", done: "admitted", denied: "refused", held: "holds", failed: "could not run" },
  "user.sign-in": { denied: "tried to sign in as", failed: "tried to sign in as" },
  "access.refuse": { denied: "may not use" },
};

/** The whole of it: there is no target worth to be named. */
const whole: Readonly<Record<string, string>> = {
  "session.begin": "signed in",
  "session.end": "signed out",
  "agent.start": "started",
  "agent.stop": "stopped",
};

export function deedOf({ action, verdict, person, peer }: Told): Deed {
  const named = person !== "" && person !== "unknown" ? person : peer;
  const who = named !== "" ? named : action.startsWith("user.") ? "Somebody" : "This agent";
  const sentence = whole[action];
  if (sentence !== undefined) return { who, did: sentence, hasTarget: false };
  const did = special[action]?.[verdict] ?? usual(action, verdict);
  return { who, did, hasTarget: true };
}

function usual(action: string, verdict: string): string {
  const [infinitive, past] = asked[action] ?? [`do ${action} to`, `did ${action} to`];
  if (verdict === "denied") return `was not allowed to ${infinitive}`;
  if (verdict === "failed") return `could not ${infinitive}`;
  return verdict === "held" ? `waits for approval to ${infinitive}` : past;
}

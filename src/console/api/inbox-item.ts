/** What waits for a person here, from the rooms that hold it, as the API shows it. Pure. */
import { createHash } from "node:crypto";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import {
  type InboxItem,
  InboxItemSchema,
  InboxItem_Kind as Kind,
  InboxItem_State as State,
} from "../../gen/fairlead/console/v1/inbox_service_pb.ts";
import type { RemoteAppSpec } from "../../gen/fairlead/resources/v1alpha1/remote_app_pb.ts";
import type { Finding } from "../../policy/admission.ts";

/** What apps and tunnels that wait have in common. */
interface Waiting {
  /** Our name for the peer that asks. */
  readonly peer: string;
  /** Since when it waits, RFC 3339. */
  readonly since: string;
  readonly state: keyof typeof states;
  /** The rules that hold it. */
  readonly findings: readonly Finding[];
  readonly decision?: Decision | undefined;
}

/** What a person said about it. */
interface Decision {
  readonly by: string;
  readonly at: string;
  readonly message: string;
  /** Until when it holds; for ever when it is missing. */
  readonly until?: string | undefined;
}

/** A wish of a peer that a policy holds. */
export interface HeldApp extends Waiting {
  /** `<peer>/<name of the Workload>`. */
  readonly name: string;
  /** What it is called there. */
  readonly origin: { readonly namespace: string; readonly name: string };
  /** Names exactly what is asked for. */
  readonly hash: string;
  readonly app: RemoteAppSpec;
  /** What runs now. */
  readonly running?: RemoteAppSpec | undefined;
}

/** A target that a peer wants to reach. */
export interface HeldTunnel extends Waiting {
  /** Of the peer: another agent may get its name one day. */
  readonly fingerprint: string;
  /** As in "service/shop/db:5432" or "kubernetes". */
  readonly target: string;
}

const states = { Held: State.HELD, Approved: State.APPROVED, Denied: State.DENIED } as const;

/** All of both, the oldest first. */
export function inboxItems(apps: readonly HeldApp[], tunnels: readonly HeldTunnel[]): InboxItem[] {
  return [...apps.map(appItem), ...tunnels.map(tunnelItem)].sort(byAge);
}

function byAge(a: InboxItem, b: InboxItem): number {
  return a.since.localeCompare(b.since) || a.name.localeCompare(b.name);
}

export function appItem(held: HeldApp): InboxItem {
  const { name, origin, hash, app, running } = held;
  const subject = `${origin.namespace}/${origin.name}`;
  return create(InboxItemSchema, {
    ...common(held),
    kind: Kind.APP,
    name,
    subject,
    hash,
    app,
    ...(running && { running }),
  });
}

export function tunnelItem(held: HeldTunnel): InboxItem {
  const { target } = held;
  return create(InboxItemSchema, {
    ...common(held),
    kind: Kind.TUNNEL,
    name: tunnelName(held),
    subject: target,
    hash: tunnelHash(held),
  });
}

/** What the inbox calls it. No Workload is called so: their names end in a hash. */
export function tunnelName({ peer, target }: Pick<HeldTunnel, "peer" | "target">): string {
  return `${peer}/${target}`;
}

/** Names who asks for what, for whoever is about to say yes to it. */
export function tunnelHash({ fingerprint, target }: Pick<HeldTunnel, "fingerprint" | "target">): string {
  return createHash("sha256").update(`${fingerprint}\n${target}`).digest("hex");
}

function common({ peer, since, state, findings, decision }: Waiting): MessageInitShape<typeof InboxItemSchema> {
  return {
    peer,
    since,
    state: states[state],
    findings: findings.map(({ rule, field, message, asked, allowed }) => {
      return { rule, field, message, ...(asked !== undefined && { asked }), ...(allowed !== undefined && { allowed }) };
    }),
    ...(decision && {
      decidedBy: decision.by,
      decidedAt: decision.at,
      message: decision.message,
      until: decision.until ?? "",
    }),
  };
}

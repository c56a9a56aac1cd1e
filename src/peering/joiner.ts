/** The joiner's half of pairing: from a pasted line to a stored peer. */
import { Code, ConnectError, createClient, type Transport } from "@connectrpc/connect";
import type { Clock } from "../base/clock.ts";
import { errorText } from "../base/error-text.ts";
import type { Log } from "../base/log.ts";
import {
  JoinRefusalSchema,
  PairingService,
  JoinRefusal_Reason as Refusal,
} from "../gen/fairlead/peer/v1/pairing_pb.ts";
import type { Fingerprint } from "../identity/fingerprint.ts";
import { shortWords } from "../identity/short-words.ts";
import { LinkError } from "../link/error.ts";
import type { Link } from "../link/link.ts";
import { readLinkUrl } from "../link/link-url.ts";
import { Reason } from "../wire/reason.ts";
import type { Session } from "../wire/session.ts";
import type { PeeringAudit } from "./audit-entry.ts";
import { type PeerDestination, waysTo, wayText } from "./dial-peer.ts";
import { PeeringError } from "./error.ts";
import { checkLifetime, endTogether } from "./grants.ts";
import { checkExpiry, decodeInvite, type Invite } from "./invite.ts";
import type { Peer, PeerOuterTls } from "./peer.ts";
import { checkGrantsAndLabels, checkPeerName, findFreeName, nameTaken } from "./peer-name.ts";
import type { Roster } from "./roster.ts";

export interface JoinOptions {
  /** What the inviter will be called here; what the invite suggests unless given. */
  readonly name?: string | undefined;
  /** What the inviter may do here; nothing unless given. */
  readonly grants?: readonly string[];
  /** For how long the grants count from the join on, in milliseconds; until they are withdrawn unless given. */
  readonly grantsLastMs?: number | undefined;
  readonly labels?: Readonly<Record<string, string>>;
  /** Take a removed peer's name. */
  readonly reuseName?: boolean;
  /** How the outer TLS is checked, now and later; the agent's own settings unless given. */
  readonly outerTls?: PeerOuterTls | undefined;
  /** Who asked for it, for the audit. */
  readonly person?: string | undefined;
}

/** What happens, in this order; "waiting" only when the inviter asks a person. */
export type JoinProgress =
  | /** The way is a URL, or through whom. */
  { readonly step: "dialling"; readonly way: string }
  /** The other end is the one of the invite; the token is shown next. */
  | { readonly step: "proved"; readonly words: string }
  | { readonly step: "waiting"; readonly words: string }
  | { readonly step: "joined"; readonly words: string; readonly peer: Peer };

export interface JoinerDeps {
  /** This agent's own. */
  readonly fingerprint: Fingerprint;
  /** What this agent calls itself. */
  readonly name: string;
  /** Where peers dial this agent; undefined when they cannot. */
  readonly url?: string | undefined;
  readonly roster: Roster;
  readonly clock: Clock;
  readonly log: Log;
  readonly audit: PeeringAudit;
  /** Dials, and resolves only when the pinned agent is at the other end. The link is a guest's until its agent is a peer. */
  dial(to: PeerDestination, signal: AbortSignal): Promise<Link | undefined>;
  createTransport(link: Link): Transport;
  /** What the agent opens waits until it is known whether it becomes our peer, which the answer says. */
  expect(fingerprint: Fingerprint): () => void;
  /** Keeps the link while it joins; the answer ends that. */
  joining(session: Session): () => void;
  /** Remembers the words of a pairing, to be shown with the peer. */
  remember(peer: string, words: string): void;
}

/** Clocks differ: the inviter has the last word on an invite that ended less than this ago. Milliseconds. */
const clockSlackMs = 3_600_000;

/**
 * Joins by an invite. The token is shown only after TLS has proved that the other end is the agent of the invite. Throws a
 * `PeeringError`; after one of code `unreachable` the same line may be tried again.
 */
export async function* joinByInvite(
  deps: JoinerDeps,
  line: string,
  options: JoinOptions,
  signal: AbortSignal,
): AsyncGenerator<JoinProgress> {
  const invite = decodeInvite(line);
  const actor = { person: options.person };
  try {
    checkExpiry({ expiresAt: invite.expiresAt + clockSlackMs }, deps.clock.now());
    const name = chooseName(deps, invite, options);
    for await (const progress of redeemAt(deps, invite, name, options, signal)) {
      if (progress.step === "joined") {
        const { peer, words } = progress;
        deps.log.info({ peer: peer.name, fingerprint: peer.fingerprint, words }, "joined a peer");
        deps.audit.record({ action: "peer.pair", actor, target: peer.name, verdict: "done" });
      }
      yield progress;
    }
  } catch (error) {
    if (error instanceof PeeringError) {
      const { fingerprint } = invite;
      deps.log.warn({ fingerprint, code: error.code, reason: error.message }, "joining failed");
      const { message } = error;
      deps.audit.record({
        action: "peer.pair",
        actor,
        target: fingerprint,
        verdict: "failed",
        rule: error.code,
        message,
      });
    }
    throw error;
  }
}

/** A name that can be had, before anything is dialled. */
function chooseName(deps: JoinerDeps, invite: Invite, options: JoinOptions): string {
  const { roster } = deps;
  checkGrantsAndLabels(options.grants ?? [], options.labels ?? {});
  if (options.grantsLastMs !== undefined) checkLifetime(options.grantsLastMs);
  if (invite.fingerprint === deps.fingerprint) {
    throw new PeeringError("refused", "This invite is this agent's own. Use it on another cluster.");
  }
  const known = roster.byFingerprint(invite.fingerprint);
  if (known) {
    if (options.name === undefined || options.name === known.name) return known.name;
    throw new PeeringError("name-taken", `The agent of this invite is your peer "${known.name}" already.`);
  }
  const former = roster.former(invite.fingerprint)?.name;
  if (options.name === undefined) {
    return former ?? findFreeName(invite.name, (one) => roster.nameState(one) !== "free");
  }
  checkPeerName(options.name);
  const state = roster.nameState(options.name);
  if (state === "free" || (state === "removed" && (options.reuseName === true || former === options.name))) {
    return options.name;
  }
  throw nameTaken(options.name, state);
}

async function* redeemAt(
  deps: JoinerDeps,
  invite: Invite,
  name: string,
  options: JoinOptions,
  signal: AbortSignal,
): AsyncGenerator<JoinProgress> {
  const { fingerprint, token } = invite;
  // From here on what the inviter opens waits: it may hold us as its peer before we hold it as ours.
  const settle = deps.expect(fingerprint);
  let rest: (() => void) | undefined;
  let link: Link | undefined;
  let joined = false;
  try {
    const { urls } = invite;
    const relays = knownRelays(deps.roster, invite);
    let url = urls[0];
    const failures: unknown[] = [];
    const ways = waysTo({ urls, relays });
    for (const way of ways) {
      yield { step: "dialling", way: wayText(way) };
      try {
        link = await deps.dial(
          { ways: [way], hasMore: way !== ways.at(-1), pin: fingerprint, outerTls: options.outerTls },
          signal,
        );
        if ("url" in way) url = way.url;
        break;
      } catch (error) {
        signal.throwIfAborted();
        failures.push(error);
      }
    }
    if (!link) throw notReached(failures);
    rest = deps.joining(link.session);
    const words = shortWords(deps.fingerprint, fingerprint, token.reveal());
    yield { step: "proved", words };
    for await (const waiting of showToken(deps, link, invite, signal)) if (waiting) yield { step: "waiting", words };
    const peer = await storeInviter(deps, link, { name, url, relays, options }, signal);
    joined = true;
    settle();
    deps.remember(peer.name, words);
    yield { step: "joined", words, peer };
  } finally {
    settle();
    rest?.();
    const isPeers = deps.roster.byFingerprint(fingerprint) !== undefined;
    if (!joined && !isPeers) link?.close({ reason: Reason.CANCELLED, message: "The join did not come to its end." });
  }
}

/** Yields true when a person is asked; ends when the inviter holds us as its peer. */
async function* showToken(deps: JoinerDeps, link: Link, invite: Invite, signal: AbortSignal): AsyncGenerator<boolean> {
  const client = createClient(PairingService, deps.createTransport(link));
  const token = Buffer.from(invite.token.reveal(), "hex");
  // As pairing.proto wants them: people write https:// and long names.
  const url = readLinkUrl(deps.url ?? "") ?? "";
  const name = deps.name.slice(0, 63).toWellFormed();
  try {
    for await (const { step } of client.join({ token, url, name }, { signal })) {
      if (step.case === "joined") return;
      yield true;
    }
  } catch (error) {
    signal.throwIfAborted();
    throw toPeeringError(error);
  }
  throw new PeeringError("unreachable", "The inviter ended the join without an answer. Try the same line again.");
}

async function storeInviter(
  deps: JoinerDeps,
  link: Link,
  to: { name: string; url: string | undefined; relays: readonly string[]; options: JoinOptions },
  signal: AbortSignal,
): Promise<Peer> {
  const { name, url, options } = to;
  const { grants = [], labels = {}, outerTls, reuseName = false } = options;
  const relays = to.relays.length > 0 && { relays: to.relays };
  const rights = { grants, ...endTogether(grants, options.grantsLastMs, deps.clock.now()) };
  const { fingerprint, caPem } = link;
  const known = deps.roster.byFingerprint(fingerprint);
  if (!known)
    return deps.roster.add(
      { name, fingerprint, caPem, url, ...relays, outerTls, labels, ...rights },
      { reuseName },
      signal,
    );
  const merge = (peer: Peer): Peer => ({
    ...peer,
    url,
    ...relays,
    outerTls: outerTls ?? peer.outerTls,
    labels: { ...peer.labels, ...labels },
    ...(grants.length > 0 && rights),
  });
  return deps.roster.update(known.name, merge, signal);
}

/** Those of our peers that the invite names as relays, by our names. Throws when there is no other way and none of them is a peer. */
function knownRelays(roster: Roster, { urls, relays }: Invite): string[] {
  const known = relays.flatMap((fingerprint) => roster.byFingerprint(fingerprint)?.name ?? []);
  if (urls.length + known.length > 0) return known;
  const named = relays.map((fingerprint) => fingerprint.slice(0, 16)).join(", ");
  throw new PeeringError(
    "precondition",
    `The inviter cannot be dialled: the way to it leads through an agent that this one is not paired with (its fingerprint begins with ${named}). Pair with that one first, then use the same line again.`,
  );
}

function notReached(failures: readonly unknown[]): PeeringError {
  const why = failures.map(errorText).join(" ");
  const [cause] = failures;
  const stranger = failures.find((error) => error instanceof LinkError && error.code === "untrusted");
  const message = stranger
    ? `Whoever answers there is not the agent that made the invite, so the token was not shown: ${errorText(stranger)}`
    : `The inviter was not reached: ${why}`;
  return new PeeringError("unreachable", message, { cause: stranger ?? cause });
}

function toPeeringError(error: unknown): PeeringError {
  const connect = ConnectError.from(error);
  const [refusal] = connect.findDetails(JoinRefusalSchema);
  if (refusal) {
    const again = refusal.reason === Refusal.UNANSWERED ? " Try the same line again while it lasts." : "";
    return new PeeringError("refused", connect.rawMessage + again, { cause: error });
  }
  const lost = connect.code === Code.Unavailable || connect.code === Code.DataLoss || connect.code === Code.Canceled;
  return new PeeringError(
    lost ? "unreachable" : "refused",
    lost
      ? `The inviter was lost on the way: ${connect.rawMessage} Try the same line again.`
      : `The inviter could not let this agent in: ${connect.rawMessage} Its log says more. The same line may be tried again.`,
    { cause: error },
  );
}

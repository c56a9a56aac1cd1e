/**
 * The one watch, and all that it tells. It asks for everything that the person may see: a list costs the agent nothing while it does not
 * change, every page is there at once, and browsers allow six connections over HTTP/1.1. It goes on by itself over cuts and restarts.
 */
import { Signal } from "signal-polyfill";
import type { Clock, Timer } from "../../../src/base/clock.ts";
import { Code, ConnectError, type FairleadClient, type Followed, followChanges } from "../../../src/client/browser.ts";
import type { BrowserSession, Token, User } from "../../../src/gen/fairlead/console/v1/access_service_pb.ts";
import type { Component } from "../../../src/gen/fairlead/console/v1/agent_service_pb.ts";
import type { App, Orphan, OrphanAtPeer } from "../../../src/gen/fairlead/console/v1/app_service_pb.ts";
import type { AuditEntry } from "../../../src/gen/fairlead/console/v1/audit_service_pb.ts";
import type { InboxItem } from "../../../src/gen/fairlead/console/v1/inbox_service_pb.ts";
import type { Link } from "../../../src/gen/fairlead/console/v1/link_service_pb.ts";
import type { Notification } from "../../../src/gen/fairlead/console/v1/notification_service_pb.ts";
import type { Invite, Peer } from "../../../src/gen/fairlead/console/v1/peer_service_pb.ts";
import type { Policy } from "../../../src/gen/fairlead/console/v1/policy_service_pb.ts";
import type { Forward } from "../../../src/gen/fairlead/console/v1/tunnel_service_pb.ts";
import { type Change, Topic } from "../../../src/gen/fairlead/console/v1/watch_service_pb.ts";
import type { ConnectionStatus } from "../model/connection.ts";
import { Collection } from "./collection.ts";

export interface LiveDeps {
  /** Calls once before the next frame is painted, or soon where none is. */
  onFrame(show: () => void): void;
  /** The agent says that nobody is signed in any more. */
  onSignedOut(): void;
  readonly clock: Clock;
}

/** Entries of the audit never go, so a page that is open for a week would have all of that week. */
const mostEntries = 500;
/** A cut shorter than this is healed before anybody has to know. Milliseconds. */
const patienceMs = 1_000;

type AnyCollection = Pick<Collection<unknown>, "begin" | "settle" | "drop" | "clear" | "show">;

export class Live {
  readonly apps = new Collection<App>();
  readonly peers = new Collection<Peer>();
  readonly links = new Collection<Link>();
  readonly inbox = new Collection<InboxItem>();
  readonly policies = new Collection<Policy>();
  readonly forwards = new Collection<Forward>();
  readonly invites = new Collection<Invite>();
  readonly notifications = new Collection<Notification>();
  readonly audit = new Collection<AuditEntry>(mostEntries);
  readonly orphans = new Collection<Orphan>();
  readonly orphansAtPeers = new Collection<OrphanAtPeer>();
  /** The agent's own parts. */
  readonly components = new Collection<Component>();
  readonly users = new Collection<User>();
  readonly tokens = new Collection<Token>();
  readonly browserSessions = new Collection<BrowserSession>();

  readonly #byTopic: ReadonlyMap<Topic, AnyCollection> = new Map<Topic, AnyCollection>([
    [Topic.APPS, this.apps],
    [Topic.PEERS, this.peers],
    [Topic.LINKS, this.links],
    [Topic.INBOX, this.inbox],
    [Topic.POLICIES, this.policies],
    [Topic.FORWARDS, this.forwards],
    [Topic.INVITES, this.invites],
    [Topic.NOTIFICATIONS, this.notifications],
    [Topic.AUDIT, this.audit],
    [Topic.ORPHANS, this.orphans],
    [Topic.ORPHANS_AT_PEERS, this.orphansAtPeers],
    [Topic.HEALTH, this.components],
    [Topic.USERS, this.users],
    [Topic.TOKENS, this.tokens],
    [Topic.BROWSER_SESSIONS, this.browserSessions],
  ]);
  readonly #status = new Signal.State<ConnectionStatus>({ kind: "connecting" });
  readonly #synced = new Signal.State(false);
  readonly #refused = new Signal.State<ConnectError | undefined>(undefined);
  readonly #deps: LiveDeps;
  #watching: AbortController | undefined;
  #isWhole = false;
  #isFrameDue = false;
  #losing: Timer | undefined;

  constructor(deps: LiveDeps) {
    this.#deps = deps;
  }

  get status(): ConnectionStatus {
    return this.#status.get();
  }

  /** Why this person may watch nothing; undefined while they may. */
  get refused(): ConnectError | undefined {
    return this.#refused.get();
  }

  /** Whether all that there is has been told once: before, an empty list says nothing. */
  get isSynced(): boolean {
    return this.#synced.get();
  }

  /** Begins anew, for whoever is signed in now. What somebody else saw is forgotten. */
  start(watch: FairleadClient["watch"]): void {
    this.stop();
    this.#watching = new AbortController();
    void this.#follow(watch, this.#watching.signal);
  }

  stop(): void {
    this.#watching?.abort();
    this.#watching = undefined;
    this.#losing?.cancel();
    for (const collection of this.#byTopic.values()) collection.clear();
    this.#isWhole = false;
    this.#synced.set(false);
    this.#refused.set(undefined);
    this.#status.set({ kind: "connecting" });
    this.#show();
  }

  async #follow(watch: FairleadClient["watch"], signal: AbortSignal): Promise<void> {
    try {
      for await (const told of followChanges(watch, [], { signal, clock: this.#deps.clock })) this.#take(told);
    } catch (error) {
      if (signal.aborted) return;
      const refused = ConnectError.from(error);
      if (refused.code === Code.Unauthenticated) this.#deps.onSignedOut();
      else this.#refused.set(refused);
    }
  }

  #take(told: Followed): void {
    const { clock } = this.#deps;
    if (told.kind === "lost") {
      this.#lose(told.error.rawMessage);
      return;
    }
    this.#losing?.cancel();
    this.#losing = undefined;
    if (told.beginsAnew) for (const collection of this.#byTopic.values()) collection.begin();
    for (const change of told.changes) this.#change(change);
    // While the present state is told anew, what is shown is still that of before.
    if (told.isSynced) {
      for (const collection of this.#byTopic.values()) collection.settle();
      this.#isWhole = true;
      if (this.#status.get().kind !== "connected") this.#status.set({ kind: "connected", since: clock.now() });
    }
    this.#show();
  }

  #lose(why: string): void {
    if (this.#losing || this.#status.get().kind === "lost") return;
    const { clock } = this.#deps;
    const since = clock.now();
    this.#losing = clock.after(patienceMs, () => {
      this.#losing = undefined;
      this.#status.set({ kind: "lost", since, why });
    });
  }

  #change({ topic, now, namespace, name, gone }: Change): void {
    const key = namespace === "" ? name : `${namespace}/${name}`;
    if (now.case === "app") this.apps.put(key, now.value);
    else if (now.case === "peer") this.peers.put(key, now.value);
    else if (now.case === "link") this.links.put(key, now.value);
    else if (now.case === "inboxItem") this.inbox.put(key, now.value);
    else if (now.case === "policy") this.policies.put(key, now.value);
    else if (now.case === "forward") this.forwards.put(key, now.value);
    else if (now.case === "invite") this.invites.put(key, now.value);
    else if (now.case === "notification") this.notifications.put(key, now.value);
    else if (now.case === "auditEntry") this.audit.put(key, now.value);
    else if (now.case === "orphan") this.orphans.put(key, now.value);
    else if (now.case === "orphanAtPeer") this.orphansAtPeers.put(key, now.value);
    else if (now.case === "component") this.components.put(key, now.value);
    else if (now.case === "user") this.users.put(key, now.value);
    else if (now.case === "token") this.tokens.put(key, now.value);
    else if (now.case === "browserSession") this.browserSessions.put(key, now.value);
    else if (gone) this.#byTopic.get(topic)?.drop(key);
  }

  /** All collections at once, so that no page sees half of what came together. */
  #show(): void {
    if (this.#isFrameDue) return;
    this.#isFrameDue = true;
    this.#deps.onFrame(() => {
      this.#isFrameDue = false;
      for (const collection of this.#byTopic.values()) collection.show();
      if (this.#isWhole) this.#synced.set(true);
    });
  }
}

/**
 * A modified agent: it has an identity of its own and is paired as anybody is, and then says what it likes. Everything goes over a
 * real link, so nothing stands between it and the host but what the host itself does.
 */
import { randomBytes } from "node:crypto";
import type { Duplex } from "node:stream";
import { create, type DescService, fromJsonString, type MessageInitShape } from "@bufbuild/protobuf";
import { type Client, Code, ConnectError, type ConnectRouter, createClient } from "@connectrpc/connect";
import { systemClock } from "../../../src/base/clock.ts";
import { silentLog } from "../../../src/base/log.ts";
import { Queue } from "../../../src/base/queue.ts";
import {
  IntentService,
  type SyncRequest,
  type SyncRequestSchema,
  type SyncResponse,
} from "../../../src/gen/fairlead/peer/v1/intent_pb.ts";
import { MembershipService } from "../../../src/gen/fairlead/peer/v1/membership_pb.ts";
import { PairingService } from "../../../src/gen/fairlead/peer/v1/pairing_pb.ts";
import { RemoteAppStatusSchema } from "../../../src/gen/fairlead/resources/v1alpha1/remote_app_pb.ts";
import { TargetSchema } from "../../../src/gen/fairlead/wire/v1/target_pb.ts";
import { type Identity, loadIdentity } from "../../../src/identity/identity.ts";
import { request } from "../../../src/intent/messages.ts";
import { dialLink } from "../../../src/link/dialer.ts";
import type { Link } from "../../../src/link/link.ts";
import { parseLinkUrl } from "../../../src/link/link-url.ts";
import { openOuter } from "../../../src/link/outer.ts";
import { createSecurer } from "../../../src/link/secure.ts";
import { openWebSocket } from "../../../src/link/websocket.ts";
import { decodeInvite } from "../../../src/peering/invite.ts";
import { StreamBody } from "../../../src/rpc/body.ts";
import { createRpcServer, type RpcServer } from "../../../src/rpc/server.ts";
import { createLinkTransport } from "../../../src/rpc/transport.ts";
import { DialError, Reason, reasonName } from "../../../src/wire/reason.ts";
import type { IncomingStream, Session } from "../../../src/wire/session.ts";
import { createMemoryStore } from "../../identity/memory-store.ts";
import { until } from "../../patience.ts";
import { RawPeer } from "../../wire/raw-peer.ts";

export type Word = MessageInitShape<typeof SyncRequestSchema>["message"];

/** Where the host is, and who it must be. */
export interface Address {
  readonly url: string;
  readonly fingerprint: string;
}

/** Long enough for two busy cores; an attack that needs it has failed. */
export const patienceMs = 60_000;

export class Attacker {
  readonly identity: Identity;
  readonly #host: Address;
  readonly #links = new Set<Link>();
  /** What it says its process is; the same for all its links unless it wants to look like two. */
  readonly #instance = randomBytes(16);
  #current: Link | undefined;
  #rpc: RpcServer = createRpcServer({ routes: honestly });

  private constructor(identity: Identity, host: Address) {
    this.identity = identity;
    this.#host = host;
  }

  static async make(host: Address): Promise<Attacker> {
    const deps = { store: createMemoryStore(), clock: systemClock, log: silentLog };
    return new Attacker(await loadIdentity(deps, AbortSignal.timeout(patienceMs)), host);
  }

  get fingerprint(): string {
    return this.identity.fingerprint;
  }

  /** Uses an invite as it should, and then stays linked. */
  async join(line: string, name = "mallory"): Promise<void> {
    const token = Buffer.from(decodeInvite(line).token.reveal(), "hex");
    const link = await this.link();
    const pairing = createClient(PairingService, createLinkTransport(link.session));
    for await (const { step } of pairing.join({ token, url: "", name })) if (step.case === "joined") return;
    throw new Error("The attacker was not let in at all.");
  }

  /** Another link to the host; what that asks on it is answered by `serves`, as an honest agent would unless told otherwise. */
  async link(o: { instance?: Uint8Array; url?: string } = {}): Promise<Link> {
    const link = await dialLink(
      {
        identity: this.identity,
        hello: { instance: o.instance ?? this.#instance, version: "9.9.9-mallory" },
        clock: systemClock,
        accept: (from, stream) => this.#answer(from, stream),
      },
      { url: o.url ?? this.#host.url, pin: this.#host.fingerprint },
      AbortSignal.timeout(patienceMs),
    );
    this.#links.add(link);
    void link.closed.then(() => this.#links.delete(link));
    this.#current = link;
    return link;
  }

  #answer(link: Link, stream: IncomingStream): void {
    if (stream.kind === "dial") stream.refuse(Reason.NOT_FOUND, "Nothing is here.");
    else void this.#rpc.serve(stream, { fingerprint: link.fingerprint, guest: false, grants: [], caPem: link.caPem });
  }

  /** What it answers to the host's own calls from now on. */
  serves(routes: (router: ConnectRouter) => void): void {
    this.#rpc = createRpcServer({ routes });
  }

  /** The latest link's session; a new link when the host ended that. */
  async session(): Promise<Session> {
    const link = this.#current && this.#links.has(this.#current) ? this.#current : await this.link();
    return link.session;
  }

  async client<S extends DescService>(service: S): Promise<Client<S>> {
    return createClient(service, createLinkTransport(await this.session()));
  }

  /** Frames by hand, behind an honest TLS handshake. */
  async raw(): Promise<RawPeer> {
    const url = parseLinkUrl(this.#host.url);
    const signal = AbortSignal.timeout(patienceMs);
    const outer = await openOuter(url, { proxy: undefined, tls: {} }, signal);
    const securer = createSecurer({ identity: this.identity, now: () => Date.now() });
    const carrier = await securer.dial(
      await openWebSocket(url, outer, signal),
      { fingerprint: this.#host.fingerprint },
      signal,
    );
    return new RawPeer(carrier.stream);
  }

  /** A session whose frames are made by hand, with the first number that a stream of ours may have; we know these features. */
  async rawSession(features: readonly string[] = []): Promise<{ peer: RawPeer; first: number }> {
    const peer = await this.raw();
    const { kind } = await peer.hear("hello");
    const isLow = kind.value.fresh.length === 0;
    const limits = { maxStreams: 100, streamCredit: 65_536 };
    const hello = { instance: this.#instance, version: "raw", limits, features: [...features] };
    const names = { fresh: new Uint8Array(16).fill(7), carrier: 1n };
    peer.send({ kind: { case: "hello", value: { ...hello, ...(isLow && names) } } });
    return { peer, first: isLow ? 1 : 2 };
  }

  /** "open", or how the dial was refused: "DENIED: message". */
  async dial(target: MessageInitShape<typeof TargetSchema>, metadata?: Headers): Promise<string> {
    try {
      const session = await this.session();
      const options = { signal: AbortSignal.timeout(patienceMs), ...(metadata && { metadata }) };
      (await session.dial(create(TargetSchema, target), options)).on("error", () => undefined).destroy();
      return "open";
    } catch (error) {
      if (error instanceof DialError) return `${reasonName(error.reason)}: ${error.message}`;
      throw error;
    }
  }

  /** A dial that is kept open. */
  async open(target: MessageInitShape<typeof TargetSchema>): Promise<Duplex> {
    const stream = await (await this.session()).dial(create(TargetSchema, target));
    stream.on("error", () => undefined).resume();
    return stream;
  }

  /** A conversation about workloads, begun and with an empty digest unless `words` say otherwise. */
  async converse(words: readonly Word[] = [begin, nothingHeld]): Promise<Conversation> {
    return new Conversation(await this.session(), words);
  }

  /** Calls a method with bytes that no codec would make. Resolves with the gRPC status, or with how the stream was cut. */
  async call(path: string, messages: readonly Uint8Array[], headers = new Headers()): Promise<string> {
    headers.set("content-type", "application/grpc+proto");
    const stream = (await this.session()).open({ rpc: { path, headers } });
    const body = new StreamBody(stream);
    for (const message of messages) {
      const prefix = Buffer.alloc(5);
      prefix.writeUInt32BE(message.length, 1);
      await new Promise<void>((resolve) => {
        if (stream.write([prefix, message], () => resolve())) resolve();
      });
    }
    stream.end();
    try {
      for await (const _ of body);
    } catch (error) {
      return `cut ${Code[ConnectError.from(error).code]}`;
    }
    const status = Number(body.trailers.get("grpc-status") ?? "2");
    return status === 0 ? "OK" : (Code[status] ?? String(status));
  }

  async close(): Promise<void> {
    const links = [...this.#links];
    for (const link of links) link.close({ reason: Reason.SHUTDOWN, message: "The test is over." });
    await Promise.all(links.map((link) => link.closed));
    this.identity.close();
  }
}

export const begin: Word = { case: "begin", value: { kind: "workload" } };
export const nothingHeld: Word = { case: "digest", value: { entries: [], complete: true } };

/** A wish that an honest host could carry out, with whatever is changed in it. */
export function wish(change: { [field: string]: unknown } = {}): Word {
  const { spec, ...rest } = change;
  const value = { uid: "m-1", generation: 1n, namespace: "shop", name: "web", hash: "h", ...rest };
  const text = typeof spec === "string" ? spec : JSON.stringify(spec ?? { image: "fairlead.dev/echo:1" });
  return { case: "wish", value: { ...value, spec: text } };
}

/** One Sync call, spoken by hand. */
export class Conversation {
  readonly answers: SyncResponse[] = [];
  readonly #about = new Map<string, SyncResponse["message"][]>();
  #end: string | undefined;
  readonly #words = new Queue<SyncRequest>(100_000);
  readonly #abort = new AbortController();
  readonly #over: Promise<void>;

  constructor(session: Session, words: readonly Word[]) {
    for (const word of words) this.say(word);
    this.#over = this.#listen(session);
  }

  say(word: Word): void {
    this.#words.push(request(word));
  }

  /** How the host ended it, as a code of gRPC; undefined while it lasts. */
  get end(): string | undefined {
    return this.#end;
  }

  /**
   * What became of one object, in a word: "ends InvalidArgument", "Denied: images/denied, …", "Invalid: unknown-field",
   * "held" or the state's phase such as "Progressing", "gone".
   */
  async outcome(uid: string): Promise<string> {
    return until(`the host says what becomes of ${uid}`, () => this.#latest(uid) ?? this.#end);
  }

  /** What became of one object's wish of that generation. */
  next(uid: string, generation: bigint): Promise<string> {
    const isAnswer = ({ case: kind, value }: SyncResponse["message"]): boolean =>
      (kind === "state" || kind === "refusal") && value.generation === generation;
    return until(
      `the host answers ${uid} ${generation}`,
      () => this.#end ?? (this.about(uid).some(isAnswer) && this.#latest(uid)),
    );
  }

  /** How many objects the host has said something of. */
  get answered(): number {
    return this.#about.size;
  }

  /** All that the host said of one object. */
  about(uid: string): readonly SyncResponse["message"][] {
    return this.#about.get(uid) ?? [];
  }

  async close(): Promise<void> {
    this.#abort.abort();
    await this.#over;
  }

  #latest(uid: string): string | undefined {
    const latest = this.about(uid).at(-1);
    if (latest?.case === "gone") return "gone";
    if (latest?.case === "state") return standingOf(latest.value.status);
    if (latest?.case !== "refusal") return undefined;
    const rules = latest.value.violations.map(({ rule }) => rule);
    return [latest.value.reason, ...new Set(rules)].join(" ");
  }

  #hear(answer: SyncResponse): void {
    this.answers.push(answer);
    const { message } = answer;
    if (message.case !== "state" && message.case !== "refusal" && message.case !== "gone") return;
    const { uid } = message.value;
    this.#about.set(uid, [...(this.#about.get(uid) ?? []), message]);
  }

  async #listen(session: Session): Promise<void> {
    try {
      const intent = createClient(IntentService, createLinkTransport(session));
      for await (const answer of intent.sync(this.#words, { signal: this.#abort.signal })) this.#hear(answer);
      this.#end = "ends";
    } catch (error) {
      this.#end = `ends ${Code[ConnectError.from(error).code]}`;
    }
  }
}

/**
 * The phase in a status, with the rules that hold it. Undefined for what is no answer yet: an orphan, which is one only until its
 * wish is heard, and a wish that the host took and has not judged in its status.
 */
function standingOf(status: string): string | undefined {
  const {
    phase = "no phase",
    message = "",
    admission,
  } = fromJsonString(RemoteAppStatusSchema, status || "{}", {
    ignoreUnknownFields: true,
  });
  if (phase === "Orphaned" || /^The host took the (app|change)\.$/.test(message)) return undefined;
  if (phase !== "Held" && phase !== "Denied") return phase;
  const rules = admission?.findings.map(({ rule = "" }) => rule) ?? [];
  return [phase, ...new Set(rules)].join(" ");
}

/** What an honest agent says of itself. */
export function honestly(router: ConnectRouter): void {
  router.service(MembershipService, {
    getFacts: () => ({ version: "9.9.9-mallory", facts: {} }),
    leave: () => ({}),
  });
}

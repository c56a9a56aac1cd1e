/**
 * Goes the way to a peer's door as the dialler does, and tells what it sees at each step instead of giving up with one error. It comes as
 * any stranger: without a certificate of its own, so that nothing it finds depends on a pairing, and nothing changes by it.
 */
import { X509Certificate } from "node:crypto";
import { lookup } from "node:dns/promises";
import { connect as connectTcp, isIP } from "node:net";
import type { Duplex } from "node:stream";
import { connect as connectTls, type PeerCertificate, type TLSSocket } from "node:tls";
import { startDeadline } from "../../base/abort.ts";
import type { Clock } from "../../base/clock.ts";
import { errorText } from "../../base/error-text.ts";
import type { Fingerprint } from "../../identity/fingerprint.ts";
import type { Pin } from "../../identity/verify.ts";
import { LinkError } from "../error.ts";
import { parseLinkUrl } from "../link-url.ts";
import { type OuterTls, openOuter } from "../outer.ts";
import { judgeHandshake, readHandshake } from "../peer-proof.ts";
import { bareHost, chooseProxy, type ProxySettings } from "../proxy.ts";
import { linkProtocol } from "../secure.ts";
import type { AgentSeen, Attempt, NameSeen, Observation, OuterTlsSeen, ReachSeen } from "./observation.ts";
import { openUpgrade } from "./upgrade.ts";

export interface ProbeTarget {
  readonly url: string;
  /** Who must answer; whoever it is unless given. */
  readonly pin?: Fingerprint | undefined;
  readonly outer?: OuterTls | undefined;
  readonly proxy?: ProxySettings | undefined;
}

export interface ProbeDeps {
  readonly clock: Clock;
  /** For each step, in milliseconds; 5 s unless said. */
  readonly stepMs?: number;
  /** Every address of a name. The system's unless given. */
  resolve?(host: string): Promise<readonly string[]>;
}

const defaultStepMs = 5_000;

/** Ends with the first step that fails, or when all is seen. Rejects only with the signal's reason. */
export async function* probeWay(
  deps: ProbeDeps,
  to: ProbeTarget,
  signal: AbortSignal,
): AsyncGenerator<Observation, void, undefined> {
  let url: URL;
  try {
    url = parseLinkUrl(to.url);
  } catch (error) {
    yield { step: "url", error: errorText(error) };
    return;
  }
  const host = bareHost(url.hostname);
  const port = Number(url.port || (url.protocol === "wss:" ? 443 : 80));
  const way = chooseWay(url, to.proxy ?? {});
  yield way.seen;
  if (way.seen.error !== undefined) return;

  const first = way.proxy
    ? {
        host: bareHost(way.proxy.hostname),
        port: Number(way.proxy.port || (way.proxy.protocol === "https:" ? 443 : 80)),
      }
    : { host, port };
  const name = await seeName(deps, first.host, signal);
  if (isIP(first.host) === 0) yield name;
  if (name.addresses.length === 0) return;
  const reach = await seeReach(deps, first.host, first.port, name.addresses, signal);
  yield reach;
  if (reach.attempts.every(({ errorCode }) => errorCode !== undefined)) return;

  const open = new Set<Duplex>();
  try {
    yield* seeInside(deps, to, { url, host, port, proxy: way.proxy }, open, signal);
  } finally {
    closeAll([...open]);
  }
}

/** The uppermost first, and what is below it not before that has let go: Node crashes when TLS loses its socket within a turn. */
function closeAll(opened: readonly Duplex[]): void {
  const top = opened.at(-1);
  top?.destroy();
  setImmediate(() => {
    for (const below of opened.toReversed()) below.destroy();
  });
}

interface Way {
  readonly url: URL;
  readonly host: string;
  readonly port: number;
  readonly proxy: URL | undefined;
}

/** From the connection to the agent behind it. What it opens it adds to `open`. */
async function* seeInside(
  deps: ProbeDeps,
  to: ProbeTarget,
  { url, host, port, proxy }: Way,
  open: Set<Duplex>,
  signal: AbortSignal,
): AsyncGenerator<Observation, void, undefined> {
  const outer = to.outer ?? {};
  // Without its TLS, which is looked at by itself.
  const plain = new URL(`ws://${url.host}`);
  plain.port = String(port);
  let socket: Duplex;
  try {
    socket = await within(deps, signal, (until) => openOuter(plain, { proxy, tls: outer }, until));
  } catch (error) {
    signal.throwIfAborted();
    if (proxy) yield { step: "tunnel", proxy: proxy.host, error: errorText(error) };
    else yield { step: "reach", host, port, attempts: [{ address: host, tookMs: 0, errorCode: errorText(error) }] };
    return;
  }
  open.add(socket);
  if (proxy) yield { step: "tunnel", proxy: proxy.host };

  if (url.protocol === "wss:") {
    const { seen, secured } = await seeOuterTls(deps, socket, host, outer, open, signal);
    yield seen;
    if (!secured) return;
    if (seen.untrusted !== undefined && !seen.insecure) return;
    socket = secured;
  }
  const { seen, webSocket } = await seeUpgrade(deps, url, socket, signal);
  yield seen;
  if (!webSocket) return;
  open.add(webSocket);
  yield await seeAgent(deps, webSocket, host, to.pin, open, signal);
}

function chooseWay(
  url: URL,
  settings: ProxySettings,
): { seen: Observation & { step: "proxy" }; proxy: URL | undefined } {
  const isSet = Boolean(url.protocol === "wss:" ? settings.httpsProxy : settings.httpProxy);
  try {
    const proxy = chooseProxy(url, settings);
    return { seen: { step: "proxy", proxy: proxy?.host, exempt: isSet && !proxy }, proxy };
  } catch (error) {
    return { seen: { step: "proxy", proxy: undefined, exempt: false, error: errorText(error) }, proxy: undefined };
  }
}

async function seeName(deps: ProbeDeps, host: string, signal: AbortSignal): Promise<NameSeen> {
  if (isIP(host) !== 0) return { step: "name", host, addresses: [host], tookMs: 0 };
  const startedAt = deps.clock.monotonic();
  const tookMs = (): number => deps.clock.monotonic() - startedAt;
  try {
    const resolve = deps.resolve ?? resolveName;
    const addresses = await within(deps, signal, () => resolve(host));
    return {
      step: "name",
      host,
      addresses,
      tookMs: tookMs(),
      ...(addresses.length === 0 && { errorCode: "ENOTFOUND" }),
    };
  } catch (error) {
    signal.throwIfAborted();
    return { step: "name", host, addresses: [], tookMs: tookMs(), errorCode: codeOf(error) };
  }
}

async function resolveName(host: string): Promise<string[]> {
  return (await lookup(host, { all: true })).map(({ address }) => address);
}

/** One address of each family: which of them works is what a dialler that tries both hides. */
async function seeReach(
  deps: ProbeDeps,
  host: string,
  port: number,
  addresses: readonly string[],
  signal: AbortSignal,
): Promise<ReachSeen> {
  const chosen = [4, 6].flatMap((family) => addresses.find((address) => isIP(address) === family) ?? []);
  const attempts = await Promise.all(chosen.map((address) => attempt(deps, address, port, signal)));
  return { step: "reach", host, port, attempts };
}

async function attempt(deps: ProbeDeps, address: string, port: number, signal: AbortSignal): Promise<Attempt> {
  const startedAt = deps.clock.monotonic();
  const socket = connectTcp({ host: address, port });
  try {
    await within(deps, signal, () => opened(socket, "connect"));
    return { address, tookMs: deps.clock.monotonic() - startedAt };
  } catch (error) {
    signal.throwIfAborted();
    return { address, tookMs: deps.clock.monotonic() - startedAt, errorCode: codeOf(error) };
  } finally {
    socket.destroy();
  }
}

async function seeOuterTls(
  deps: ProbeDeps,
  below: Duplex,
  host: string,
  outer: OuterTls,
  open: Set<Duplex>,
  signal: AbortSignal,
): Promise<{ seen: OuterTlsSeen; secured: TLSSocket | undefined }> {
  const common = {
    step: "outer-tls",
    host,
    insecure: outer.insecure === true,
    ownRoot: outer.rootCaPem !== undefined,
  } as const;
  const socket = connectTls({
    socket: below,
    host,
    ...(isIP(host) === 0 && { servername: host }),
    ...(outer.rootCaPem !== undefined && { ca: outer.rootCaPem }),
    rejectUnauthorized: false, // What it would refuse is just what is to be told.
    ALPNProtocols: ["http/1.1"],
  });
  open.add(socket);
  try {
    await within(deps, signal, () => opened(socket, "secureConnect"));
  } catch (error) {
    signal.throwIfAborted();
    return { seen: { ...common, error: errorText(error) }, secured: undefined };
  }
  const certificate = socket.getPeerCertificate();
  const untrusted = socket.authorized ? undefined : String(socket.authorizationError ?? "unknown");
  return {
    seen: {
      ...common,
      ...(untrusted !== undefined && { untrusted }),
      issuer: describeName(certificate.issuer),
      names: (certificate.subjectaltname ?? describeName(certificate.subject)).slice(0, 300),
      validFrom: Date.parse(certificate.valid_from),
      validTo: Date.parse(certificate.valid_to),
    },
    secured: socket,
  };
}

async function seeUpgrade(
  deps: ProbeDeps,
  url: URL,
  socket: Duplex,
  signal: AbortSignal,
): Promise<Awaited<ReturnType<typeof openUpgrade>>> {
  try {
    return await within(deps, signal, (until) => openUpgrade(deps.clock, url, socket, until));
  } catch (error) {
    signal.throwIfAborted();
    const seen = { step: "upgrade", host: url.host, path: url.pathname, error: errorText(error) } as const;
    return { seen, webSocket: undefined };
  }
}

async function seeAgent(
  deps: ProbeDeps,
  webSocket: Duplex,
  host: string,
  pin: Fingerprint | undefined,
  open: Set<Duplex>,
  signal: AbortSignal,
): Promise<AgentSeen> {
  const socket = connectTls({
    socket: webSocket,
    rejectUnauthorized: false, // It has no name that public roots know: judgePeer decides.
    minVersion: "TLSv1.3",
    ALPNProtocols: [linkProtocol],
  });
  open.add(socket);
  try {
    await within(deps, signal, () => opened(socket, "secureConnect"));
    const handshake = readHandshake(socket);
    const leaf = parseCertificate(handshake.chain[0]);
    const judge = (expected: Pin, at: number) =>
      judgeHandshake(handshake, linkProtocol, expected, new Date(at), "server");
    const now = deps.clock.now();
    const wanted = judge(pin === undefined ? {} : { fingerprint: pin }, now);
    // Whoever it is, and had its certificate been in date: so that it can be told who is there in place of the one that should be.
    const anybody = judge(
      {},
      leaf ? Math.min(Math.max(now, leaf.validFromDate.getTime()), leaf.validToDate.getTime()) : now,
    );
    return {
      step: "agent",
      host,
      ...(!wanted.ok && { error: wanted.reason }),
      ...(anybody.ok && { fingerprint: anybody.fingerprint }),
      ...(leaf && { validFrom: leaf.validFromDate.getTime(), validTo: leaf.validToDate.getTime() }),
    };
  } catch (error) {
    signal.throwIfAborted();
    return { step: "agent", host, error: errorText(error) };
  }
}

/** Does it within the time of a step. */
async function within<T>(deps: ProbeDeps, signal: AbortSignal, work: (until: AbortSignal) => Promise<T>): Promise<T> {
  const stepMs = deps.stepMs ?? defaultStepMs;
  const late = (): Error =>
    Object.assign(new LinkError("timeout", `no answer within ${stepMs / 1000} s`), { code: "ETIMEDOUT" });
  const deadline = startDeadline(deps.clock, stepMs, late, signal);
  try {
    return await new Promise<T>((resolve, reject) => {
      deadline.signal.addEventListener("abort", () => reject(deadline.signal.reason), { once: true });
      work(deadline.signal).then(resolve, reject);
    });
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  } finally {
    deadline.cancel();
  }
}

function opened(socket: Duplex, event: "connect" | "secureConnect"): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.on("error", reject); // For good: a late one must find somebody who listens.
    socket.once("close", () => reject(new Error("the connection was closed")));
    socket.once(event, () => resolve());
  });
}

function parseCertificate(der: Uint8Array | undefined): X509Certificate | undefined {
  try {
    return der && new X509Certificate(der);
  } catch {
    return undefined;
  }
}

function describeName(name: PeerCertificate["issuer"] | undefined): string {
  const parts = [name?.CN, name?.O, name?.OU].flat().filter((part) => part !== undefined && part !== "");
  return [...new Set(parts)].join(", ").slice(0, 200) || "nobody named";
}

function codeOf(error: unknown): string {
  const code = typeof error === "object" && error !== null ? Reflect.get(error, "code") : undefined;
  return typeof code === "string" && code !== "timeout" ? code : errorText(error);
}

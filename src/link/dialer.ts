import type { Duplex } from "node:stream";
import { startDeadline } from "../base/abort.ts";
import type { Clock } from "../base/clock.ts";

import type { Fingerprint } from "../identity/fingerprint.ts";
import type { Identity } from "../identity/identity.ts";
import type { LocalHello } from "../wire/hello.ts";
import type { IncomingStream } from "../wire/incoming.ts";
import type { Limits } from "../wire/limits.ts";
import type { AgentBudget } from "../wire/session.ts";
import { LinkError } from "./error.ts";
import { type Kept, type Link, openLink } from "./link.ts";
import { parseLinkUrl } from "./link-url.ts";
import { type OuterTls, openOuter } from "./outer.ts";
import { chooseProxy, type ProxySettings } from "./proxy.ts";
import { createSecurer } from "./secure.ts";
import { openWebSocket } from "./websocket.ts";

export interface DialDeps {
  readonly identity: Identity;
  readonly hello: LocalHello;
  readonly clock: Clock;

  readonly limits?: Partial<Limits>;
  /** What all links of this agent may promise together; without bound unless given. */
  readonly budget?: AgentBudget | undefined;
  /** For the whole dial, from the name's look-up to the other's Hello; 20 s unless said. Milliseconds. */
  readonly timeoutMs?: number;
  /** See `LinkDeps.kept`. */
  kept?(fingerprint: Fingerprint): Kept | undefined;
  /** Called for each stream that the other end opens, once the link is known to the caller of `opened`; it must not throw. */
  accept(link: Link, stream: IncomingStream): void;
  /**
   * Called with the link before its first stream and before `dialLink` resolves, also when it is one that there was and that goes on;
   * for who must know it that early. It must not throw.
   */
  opened?(link: Link): void;
  /** Told what `accept` or the listener of a stream threw, which has ended the link with that agent; nothing unless said. */
  onDefect?(error: unknown, fingerprint: Fingerprint): void;
}

/** A way to an agent, along which its carrier comes. */
export interface Way {
  /** Who must be at its end. */
  readonly pin: Fingerprint;
  /** What people call its end. */
  readonly name: string;
  /** The agent that carries it, if one does. */
  readonly through?: Fingerprint | undefined;
  /** Opens it. The stream is the caller's to destroy from then on. Rejects, with nothing left open. */
  open(signal: AbortSignal): Promise<{ stream: Duplex; remoteAddress?: string | undefined }>;
}

export interface DialTarget {
  /** `wss://host/link`, with any prefix before the last segment; see `parseLinkUrl`. */
  readonly url: string;
  /** Who must answer. */
  readonly pin: Fingerprint;
  readonly outer?: OuterTls;
  readonly proxy?: ProxySettings;
}

const defaultTimeoutMs = 20_000;

/**
 * Dials an agent: TCP, perhaps a proxy, perhaps outer TLS, WebSocket, mutual TLS, Hello. Resolves when the pinned agent has
 * said Hello, so that the link is up at both ends: the one that there was, when that goes on. Rejects with `LinkError`, or with the signal's reason; nothing is left open then.
 */
export async function dialLink(deps: DialDeps, to: DialTarget, signal: AbortSignal): Promise<Link> {
  const url = parseLinkUrl(to.url);
  const proxy = chooseProxy(url, to.proxy ?? {});
  return dialAlong(
    deps,
    {
      pin: to.pin,
      name: url.host,
      async open(openSignal) {
        const outer = await openOuter(url, { proxy, tls: to.outer ?? {} }, openSignal);
        const { remoteAddress } = outer;
        return { stream: await openWebSocket(url, outer, openSignal), remoteAddress };
      },
    },
    signal,
  );
}

/** As `dialLink`, over whatever stream: nothing above can tell. */
export async function dialAlong(deps: DialDeps, way: Way, signal: AbortSignal): Promise<Link> {
  const timeoutMs = deps.timeoutMs ?? defaultTimeoutMs;
  const deadline = startDeadline(
    deps.clock,
    timeoutMs,
    () => new LinkError("timeout", `${way.name} did not complete a link within ${timeoutMs / 1000} s.`),
    signal,
  );
  try {
    const { stream, remoteAddress } = await way.open(deadline.signal);
    const securer = createSecurer({ identity: deps.identity, now: () => deps.clock.now() });
    const carrier = await securer.dial(stream, { fingerprint: way.pin }, deadline.signal);
    return await openLink(
      carrier,
      {
        fingerprint: deps.identity.fingerprint,
        hello: deps.hello,
        clock: deps.clock,
        limits: deps.limits,
        budget: deps.budget,
        kept: (fingerprint) => deps.kept?.(fingerprint),
        opened: (link) => deps.opened?.(link),
        accept: (link, stream) => deps.accept(link, stream),
        onDefect: deps.onDefect,
      },
      { dialled: true, remoteAddress, through: way.through },
      deadline.signal,
    );
  } finally {
    deadline.cancel();
  }
}

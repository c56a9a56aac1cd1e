/** `fairlead peer grant`, and what grants for a time have in common wherever they are given. */
import type { Command } from "commander";
import { formatDuration } from "../base/duration.ts";
import type { PeerSpec } from "../gen/fairlead/resources/v1alpha1/peer_pb.ts";
import { collectList, spanSeconds, withAgent } from "./command.ts";
import type { CliContext } from "./context.ts";
import { CliError, exitCode } from "./errors.ts";
import { grantTexts } from "./peer-detail.ts";
import { warnOfPolicy } from "./policy-warning.ts";

/** Of `--grant-for`, where `--for` is about something else. */
export const grantForMeaning = 'for how long after the join the grants count, as in "8h"; by default until withdrawn';

/** Throws a usage error for a time without anything that lasts so long. */
export function checkGrantFor({ grant, grantFor }: { readonly grant?: string[]; readonly grantFor?: number }): void {
  if (grantFor === undefined) return;
  if (!grant?.length) {
    throw new CliError("--grant-for says how long --grant counts, and there is none", {
      code: exitCode.usage,
      hint: "--grant apps --grant-for 8h",
    });
  }
  checkLength(grantFor);
}

interface Options {
  readonly for?: number;
  readonly add?: boolean;
}

export function addPeerGrant(peer: Command, context: CliContext): void {
  const { terminal } = context;
  const grant = peer
    .command("grant <name> <grants...>")
    .description("set what a peer may do here: apps, tunnels, kubectl, deliveries, relay, or none")
    .option("--for <span>", 'for how long these count, as in "8h"; by default until withdrawn', spanSeconds)
    .option("--add", "keep what it may do already");
  grant.action((name: string, words: string[], options: Options) =>
    withAgent(grant, context, async ({ client }, signal) => {
      const values = readGrants(words, options);
      const before = (await client.peers.getPeer({ name }, { signal })).peer;
      const wanted = new Map(values.map((one) => [one, options.for]));
      const now = Date.now();
      const counted = countedGrants(before?.spec, now);
      if (options.add) for (const [one, left] of counted) if (!wanted.has(one)) wanted.set(one, left);
      const lasting = [...wanted].flatMap(([one, seconds]) => (seconds === undefined ? [] : [[one, BigInt(seconds)]]));
      const grants = { values: [...wanted.keys()], lastsSeconds: Object.fromEntries(lasting) };
      const { peer: after } = await client.peers.updatePeer({ name, grants }, { signal });
      await terminal.out(`${name} may now: ${grantTexts(after?.spec, now).join(", ") || "nothing"}\n`);
      const gone = [...counted.keys()].filter((one) => !wanted.has(one));
      if (gone.length > 0 && wanted.size > 0)
        terminal.err(`no longer: ${gone.join(", ")}; --add keeps what it may already\n`);
      const advice = { kubectl: grant.optsWithGlobals(), say: terminal.err };
      if (values.includes("apps")) await warnOfPolicy(client, name, advice, signal);
    }),
  );
}

function readGrants(words: readonly string[], options: Options): string[] {
  const values = words.flatMap((word) => collectList(word));
  if (!values.includes("none")) {
    if (options.for !== undefined) checkLength(options.for);
    return values;
  }
  if (values.length === 1 && options.for === undefined && !options.add) return [];
  throw new CliError("none takes everything away, so nothing goes with it", {
    code: exitCode.usage,
    hint: "fairlead peer grant NAME none",
  });
}

/** What counts now, with the seconds that are left; undefined where it counts until it is withdrawn. */
function countedGrants(spec: PeerSpec | undefined, now: number): Map<string, number | undefined> {
  const counted = new Map<string, number | undefined>();
  for (const name of spec?.grants ?? []) {
    const until = Date.parse(spec?.grantsUntil[name] ?? "");
    if (Number.isNaN(until)) counted.set(name, undefined);
    // Rounded down: keeping a grant must never lengthen it.
    else if (until - now >= 1000) counted.set(name, Math.floor((until - now) / 1000));
  }
  return counted;
}

const longestSeconds = 315_360_000;

function checkLength(seconds: number): void {
  if (seconds >= 1 && seconds <= longestSeconds) return;
  throw new CliError(`a grant counts for a second at least and for ${formatDuration(longestSeconds * 1000)} at most`, {
    code: exitCode.usage,
    hint: "--for 8h, or without it until withdrawn",
  });
}

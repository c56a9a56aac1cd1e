import type { Verdict } from "./finding.ts";

/** The most that the kernel keeps for one connection, in bytes; from tcp_rmem and tcp_wmem. */
export interface KernelBuffers {
  readonly receive: number;
  readonly send: number;
}

const MiB = 1024 ** 2;
/** Where the project's own numbers are measured. Milliseconds. */
const farMs = 50;
/** Below this, in bits a second, a far peer is slow for no reason that it can see. */
const enoughBits = 200e6;

/**
 * Whether one connection can fill its line: what is under way in a round trip has to fit. About half of what the kernel keeps is
 * bytes, and the rest is its own accounts of them (tcp(7), tcp_adv_win_scale). Pure.
 */
export function judgeBuffers(buffers: KernelBuffers | undefined, roundTripMs: number | undefined): Verdict {
  if (!buffers) {
    return {
      level: "ok",
      check: "buffers",
      summary: "this system does not tell how much its kernel keeps for a connection",
    };
  }
  const least = Math.min(buffers.receive, buffers.send);
  const reach = (ms: number): number => ((least / 2) * 8) / (ms / 1000);
  const evidence = [
    `tcp_rmem: ${text(buffers.receive)} at most, tcp_wmem: ${text(buffers.send)} at most`,
    `one connection reaches about ${rate(reach(farMs))} at ${farMs} ms`,
    ...(roundTripMs !== undefined && roundTripMs >= 1
      ? [`and about ${rate(reach(roundTripMs))} at the ${Math.round(roundTripMs)} ms to this peer`]
      : []),
  ];
  const judgedMs = Math.max(farMs, roundTripMs ?? 0);
  if (reach(judgedMs) >= enoughBits) {
    const summary = `the kernel's buffers let one connection reach about ${rate(reach(judgedMs))} at ${Math.round(judgedMs)} ms`;
    return { level: "ok", check: "buffers", summary, evidence };
  }
  // Twice what is under way at 1 Gbit/s, for the kernel's own accounts.
  const wanted = Math.max(16 * MiB, 2 ** Math.ceil(Math.log2((1e9 / 8) * (judgedMs / 1000) * 2)));
  const names = [buffers.receive < wanted && "tcp_rmem", buffers.send < wanted && "tcp_wmem"].filter(Boolean);
  return {
    level: "warning",
    check: "buffers",
    summary: `the kernel's buffers hold one connection to about ${rate(reach(judgedMs))} at ${Math.round(judgedMs)} ms`,
    evidence,
    remedy: `Raise the last number of ${names.map((name) => `net.ipv4.${name}`).join(" and ")} to ${wanted} at both ends (sysctl; in a pod securityContext.sysctls, where they are allowed).`,
  };
}

/** The last of the three numbers of tcp_rmem or tcp_wmem; undefined when it is none. Pure. */
export function readMost(text: string): number | undefined {
  const most = Number(text.trim().split(/\s+/)[2]);
  return Number.isFinite(most) && most > 0 ? most : undefined;
}

function text(bytes: number): string {
  return `${(bytes / MiB).toFixed(1)} MiB`;
}

function rate(bits: number): string {
  return bits >= 1e9 ? `${(bits / 1e9).toFixed(1)} Gbit/s` : `${Math.round(bits / 1e6)} Mbit/s`;
}

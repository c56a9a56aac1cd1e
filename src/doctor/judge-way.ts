/** What each step on the way to a peer's door means. Pure. */
import { isIP } from "node:net";
import type {
  AgentSeen,
  NameSeen,
  Observation,
  OuterTlsSeen,
  ProxySeen,
  ReachSeen,
  TunnelSeen,
  UpgradeSeen,
} from "../link/probe/observation.ts";
import { spanText, type Verdict } from "./finding.ts";
import { judgeClock } from "./judge-clock.ts";

/** Verdicts on one observation at the time `now`, in milliseconds since 1970. */
export function judgeWay(seen: Observation, now: number): Verdict[] {
  switch (seen.step) {
    case "url":
      return [
        problem("reach", seen.error, [], "Set the right one with kubectl in the Peer's spec.url, or as link.url."),
      ];
    case "proxy":
      return [judgeProxy(seen)];
    case "name":
      return [judgeName(seen)];
    case "reach":
      return [judgeReach(seen)];
    case "tunnel":
      return [judgeTunnel(seen)];
    case "outer-tls":
      return [judgeOuterTls(seen, now)];
    case "upgrade":
      return judgeUpgrade(seen);
    case "agent":
      return [judgeAgent(seen, now)];
  }
}

function judgeProxy({ proxy, exempt, error }: ProxySeen): Verdict {
  if (error !== undefined)
    return problem("proxy", error, [], "Mend link.httpProxy, link.httpsProxy or their variables.");
  if (proxy !== undefined) return ok("proxy", `it is reached through the proxy ${proxy}`);
  return ok(
    "proxy",
    exempt ? "a proxy is set, and this host is exempt from it" : "it is dialled straight, no proxy is set",
  );
}

function judgeName({ host, addresses, tookMs, errorCode }: NameSeen): Verdict {
  const evidence = [`looked up in ${spanText(tookMs)}`];
  if (errorCode !== undefined) {
    const isAbsent = errorCode === "ENOTFOUND";
    const summary = isAbsent ? `there is no host ${host}` : `${host} cannot be looked up: ${errorCode}`;
    const remedy = isAbsent
      ? "Compare the name with the ingress's; a name of a private zone resolves only where that zone is known."
      : "Do the name servers of this machine or pod answer? See /etc/resolv.conf, and network policies for port 53.";
    return problem("dns", summary, evidence, remedy);
  }
  const verdict = ok(
    "dns",
    `${host} is ${addresses.slice(0, 4).join(", ")}${addresses.length > 4 ? ", …" : ""}`,
    evidence,
  );
  return tookMs < 1_000
    ? verdict
    : {
        ...verdict,
        level: "warning",
        summary: `looking up ${host} took ${spanText(tookMs)}`,
        remedy: "Look at the name servers: each dial waits for them.",
      };
}

function judgeReach({ host, port, attempts }: ReachSeen): Verdict {
  const evidence = attempts.map(({ address, tookMs, errorCode }) =>
    errorCode === undefined
      ? `${address}: connected in ${spanText(tookMs)}`
      : `${address}: ${errorCode} after ${spanText(tookMs)}`,
  );
  const failed = attempts.filter(({ errorCode }) => errorCode !== undefined);
  const where = `${host} port ${port}`;
  if (failed.length === 0) return ok("reach", `${where} can be reached`, evidence);
  if (failed.length < attempts.length) {
    const family = isIP(failed[0]?.address ?? "") === 6 ? "IPv6" : "IPv4";
    const summary = `${where} can be reached, but not over ${family}`;
    const remedy = `Dials try both, which costs time. Take the ${family} address out of DNS, or open that way.`;
    return { level: "warning", check: "reach", summary, evidence, remedy };
  }
  const code = failed[0]?.errorCode ?? "";
  const [why, remedy] = unreachable[code] ?? [code, "Look at routes and firewalls between here and there."];
  return problem("reach", `${where} cannot be reached: ${why}`, evidence, remedy);
}

const unreachable: Readonly<Record<string, readonly [string, string]>> = {
  ECONNREFUSED: ["nothing listens there", "Is the agent, or what stands in front of it, running, and is it this port?"],
  ETIMEDOUT: ["no answer", "A firewall or security group drops it, or the host is down. Allow this port from here."],
  EHOSTUNREACH: ["there is no way to it", "Look at routes from here to that network."],
  ENETUNREACH: ["there is no way to it", "Look at routes from here to that network."],
  ECONNRESET: [
    "the connection was broken at once",
    "A firewall on the way refuses it, or the port is another program's.",
  ],
};

function judgeTunnel({ proxy, error }: TunnelSeen): Verdict {
  if (error === undefined) return ok("proxy", `the proxy ${proxy} connects`);
  return problem(
    "proxy",
    error,
    [],
    "If the peer can be reached without it, exempt its host in NO_PROXY or link.noProxy.",
  );
}

/** Makers of what reads along: their names stand in the certificates that they forge. */
const interceptors =
  /zscaler|netskope|fortinet|fortigate|palo alto|blue ?coat|symantec web|forcepoint|websense|umbrella|sophos|check ?point|watchguard|barracuda|sonicwall|mitmproxy|squid|charles proxy|fiddler|kaspersky|eset|avast|bitdefender|iboss|menlo|skyhigh|mcafee web/i;

function judgeOuterTls(seen: OuterTlsSeen, now: number): Verdict {
  const { host, error, untrusted, insecure, ownRoot, issuer = "nobody named", names = "", validFrom, validTo } = seen;
  if (error !== undefined) {
    return problem(
      "outer-tls",
      `the TLS with ${host} failed: ${error}`,
      [],
      "Does that port speak TLS? If not, its URL begins with ws://.",
    );
  }
  const dates = [validFrom, validTo].every((at) => at !== undefined && !Number.isNaN(at)) && [
    `valid from ${dateText(validFrom)} to ${dateText(validTo)}`,
  ];
  const evidence = [`issued by ${issuer}`, `for ${names}`, ...(dates || [])];
  if (interceptors.test(issuer)) {
    return {
      level: untrusted === undefined || insecure ? "warning" : "problem",
      check: "outer-tls",
      summary: `the TLS with ${host} is intercepted: its certificate was issued by ${issuer}`,
      evidence,
      remedy:
        "The link's own TLS inside cannot be read by it. Exempt this host from interception, or trust its root by link.caFile; some of these break WebSockets.",
    };
  }
  if (untrusted !== undefined) {
    const summary = `the certificate of ${host} is not trusted (${untrusted}); it was issued by ${issuer}`;
    if (insecure) {
      const remedy =
        "The link's own TLS inside proves the peer all the same. To check this one too, name its root by link.caFile.";
      return {
        level: "warning",
        check: "outer-tls",
        summary: `${summary}, and is taken as link.insecure says`,
        evidence,
        remedy,
      };
    }
    return problem("outer-tls", summary, evidence, remedyOf(untrusted, ownRoot));
  }
  // Of short-lived certificates the last fifth.
  const lateMs = Math.min(7 * 86_400_000, ((validTo ?? 0) - (validFrom ?? 0)) / 5);
  if (validTo !== undefined && validTo - now < lateMs) {
    const summary = `the certificate of ${host} ends in ${spanText(validTo - now)}`;
    return {
      level: "warning",
      check: "outer-tls",
      summary,
      evidence,
      remedy: "Renew it; is what should renew it at work?",
    };
  }
  const by = ownRoot ? "under link.caFile" : "under the public roots";
  return ok("outer-tls", `the certificate of ${host} is trusted ${by}`, evidence);
}

function remedyOf(untrusted: string, ownRoot: boolean): string {
  if (untrusted === "CERT_HAS_EXPIRED" || untrusted === "CERT_NOT_YET_VALID")
    return "Renew it, or set the clock right.";
  if (untrusted === "ERR_TLS_CERT_ALTNAME_INVALID") return "Dial a name that it is for.";
  return ownRoot
    ? "The file of link.caFile has another root than the one that signed it. If somebody intercepts TLS on the way, that is whose root it is."
    : "If it is your ingress's own, name its root by link.caFile. If you expected a public one, somebody on the way intercepts TLS: the issuer says who.";
}

function judgeUpgrade(seen: UpgradeSeen): Verdict[] {
  const { host, path, status, server, location, excerpt, aheadMs, error } = seen;
  const clock: Verdict[] =
    aheadMs === undefined
      ? []
      : [
          judgeClock({
            whose: `by its Date header, ${server ? `${server}'s` : "the"} (${host})`,
            aheadMs,
            uncertainMs: 2_000,
          }),
        ];
  const evidence = [
    status !== undefined && `answered by HTTP ${status}`,
    server !== undefined && `by ${server}`,
    location !== undefined && `sent to ${location}`,
    excerpt !== undefined && `“${excerpt}”`,
    error !== undefined && error,
  ].filter((line) => line !== false);
  if (status === 101 && error === undefined)
    return [ok("upgrade", `${host} opens a WebSocket at ${path}`, evidence), ...clock];
  const said = status === undefined || status === 101 ? (error ?? "no answer") : `HTTP ${status}`;
  return [
    problem("upgrade", `${host} opens no WebSocket at ${path}: ${said}`, evidence, upgradeRemedy(seen)),
    ...clock,
  ];
}

function upgradeRemedy({ status, error }: UpgradeSeen): string {
  if (status === 404) {
    return "Is the path right, does it lead to the agent's peer port (8001), and does what stands in front of it pass Upgrade and Connection on?";
  }
  if (status === 502 || status === 503 || status === 504) {
    return "The ingress answers, the agent behind it does not: is its pod ready, and does the Service lead to port 8001?";
  }
  if (status === 401 || status === 403 || status === 407) {
    return "Something in front of the agent asks for a login or forbids it. Let this path pass: agents prove themselves inside.";
  }
  if (status === 400 || status === 426)
    return "What stands in front of it understands no WebSocket upgrade, or strips its headers.";
  if (status !== undefined && status >= 300 && status < 400) return "Dial the URL that it sends to.";
  if (status === 101 || /extension|Sec-WebSocket/i.test(error ?? "")) {
    return "What stands between changes the WebSocket, by compression perhaps. Turn permessage-deflate off there.";
  }
  return "Does that port speak HTTP? For TLS the URL begins with wss://.";
}

function judgeAgent({ host, error, fingerprint, validFrom, validTo }: AgentSeen, now: number): Verdict {
  const evidence = [
    fingerprint !== undefined && `fingerprint ${fingerprint}`,
    validFrom !== undefined &&
      validTo !== undefined &&
      `certificate valid from ${dateText(validFrom)} to ${dateText(validTo)}`,
  ].filter((line) => line !== false);
  if (error === undefined) return ok("identity", `behind ${host} is the agent that should be there`, evidence);
  const [earlyMs, lateMs] = [(validFrom ?? now) - now, now - (validTo ?? now)];
  if (earlyMs > 0 || lateMs > 0) {
    const summary =
      earlyMs > 0
        ? `the certificate of the agent behind ${host} becomes valid only in ${spanText(earlyMs)}`
        : `the certificate of the agent behind ${host} ended ${spanText(lateMs)} ago`;
    const remedy =
      "One of the two clocks is wrong: certificates are made anew in time by themselves. Compare `date -u` on both.";
    return problem("clock", summary, evidence, remedy);
  }
  if (fingerprint !== undefined) {
    const summary = `behind ${host} is another agent than the one that should be there`;
    const remedy = "The URL leads elsewhere, or the other cluster was made anew: then remove the peer and pair again.";
    return problem("identity", summary, [...evidence, error], remedy);
  }
  const summary = `what is behind the WebSocket at ${host} is no agent, or cuts the connection: ${error}`;
  const remedy =
    "Does the path lead to an agent's peer port (8001)? Something that inspects WebSockets may cut what it does not understand.";
  return problem("identity", summary, evidence, remedy);
}

function ok(check: Verdict["check"], summary: string, evidence: readonly string[] = []): Verdict {
  return { level: "ok", check, summary, evidence };
}

function problem(check: Verdict["check"], summary: string, evidence: readonly string[], remedy: string): Verdict {
  return { level: "problem", check, summary, evidence, remedy };
}

function dateText(at: number | undefined): string {
  return at === undefined ? "" : new Date(at).toISOString().slice(0, 16).replace("T", " ");
}

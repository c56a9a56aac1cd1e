/** What a request brings along by which somebody may be known, however it came. Pure. */
import type { ContextValues } from "@connectrpc/connect";
import { authorityOf, type ClientRequest } from "../../tunnel/client-side.ts";
import { callerAddressKey } from "./caller-address.ts";

/** All that a way to sign in may judge by. */
export interface Presented {
  readonly authorization?: string | undefined;
  readonly cookie?: string | undefined;
  readonly method: string;
  /** With scheme and host, as the request came here. */
  readonly url: string;
  readonly upgrade: boolean;
  readonly origin?: string | undefined;
  readonly fetchSite?: string | undefined;
  readonly fetchMode?: string | undefined;
  readonly fetchDest?: string | undefined;
  readonly referer?: string | undefined;
  readonly userAgent?: string | undefined;
  readonly upgradeInsecure?: string | undefined;
  /** Whence it comes, as the socket says; absent where it came through something that is no socket. */
  readonly address?: string | undefined;
  /** X-Forwarded-Proto, of which everybody may say what they like. */
  readonly forwardedProto?: string | undefined;
}

/** Of a request as the port had it. */
export function presentedBy(req: ClientRequest, at: { secure: boolean; upgrade: boolean }): Presented {
  const one = (name: string): string | undefined => {
    const value = req.headers[name];
    return typeof value === "string" ? value : undefined;
  };
  const url = `${at.secure ? "https" : "http"}://${authorityOf(req)}${req.url ?? ""}`;
  const { remoteAddress: address } = req.socket;
  return { ...headersOf(one), address, method: req.method ?? "", url, upgrade: at.upgrade };
}

/** Of a call of the API. */
export function presentedByCall(call: {
  readonly requestMethod: string;
  readonly url: string;
  readonly header: Headers;
  readonly contextValues?: ContextValues;
}): Presented {
  const { requestMethod: method, url, header } = call;
  const address = call.contextValues?.get(callerAddressKey);
  return { ...headersOf((name) => header.get(name) ?? undefined), address, method, url, upgrade: false };
}

function headersOf(
  one: (name: string) => string | undefined,
): Omit<Presented, "address" | "method" | "url" | "upgrade"> {
  return {
    authorization: one("authorization"),
    cookie: one("cookie"),
    origin: one("origin"),
    fetchSite: one("sec-fetch-site"),
    fetchMode: one("sec-fetch-mode"),
    fetchDest: one("sec-fetch-dest"),
    referer: one("referer"),
    userAgent: one("user-agent"),
    upgradeInsecure: one("upgrade-insecure-requests"),
    forwardedProto: one("x-forwarded-proto"),
  };
}

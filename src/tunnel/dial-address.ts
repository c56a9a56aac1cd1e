/** Connections to addresses that the host's policy lists by a name: where they lead is looked at before, and that is what is connected to. */
import { type LookupAddress, lookup as lookupName } from "node:dns";
import { connect, isIP, type LookupFunction } from "node:net";
import type { Duplex } from "node:stream";
import { abortable } from "../base/abort.ts";
import type { DatagramPipe } from "../base/datagram-pipe.ts";
import { connectUdp } from "../base/udp-socket.ts";
import { KubeError } from "../kube/errors.ts";
import { isLoopback } from "../policy/kept-out.ts";

/** A stream allows half-open. Rejects with the system's error, or with a `KubeError` Forbidden for a place that no peer is led to. */
export type AddressDialer<T = Duplex> = (host: string, port: number, signal: AbortSignal) => Promise<T>;

export interface AddressDialerDeps {
  /** Whether nobody may be led to this address and port, whatever DNS says. */
  isKeptOut(address: string, port: number): boolean;
  /** Whether `localhost` and addresses of loopback that are listed as such lead there; never a name of DNS. Not unless given. */
  toItself?: boolean;
  /** All addresses of a name; the system's unless given. */
  lookup?(name: string): Promise<readonly LookupAddress[]>;
}

export function createAddressDialer(deps: AddressDialerDeps): AddressDialer {
  return async (host, port, signal) => {
    const open = await openAddresses(deps, host, port, signal);
    // Only what was looked at is connected to: no name is resolved again.
    const known: LookupFunction = (_host, _options, done) => done(null, [...open]);
    const name = isIP(host) === 0 ? host : open[0].address;
    const socket = connect({
      host: name,
      port,
      lookup: known,
      autoSelectFamily: true,
      allowHalfOpen: true,
      noDelay: true,
      keepAlive: true,
    });
    const opened = new Promise<void>((resolve, reject) => {
      socket.once("connect", resolve);
      socket.once("error", reject);
    });
    try {
      await abortable(opened, signal);
      return socket;
    } catch (error) {
      socket.on("error", () => undefined).destroy();
      throw error;
    }
  };
}

/** The same for UDP, to the first of the addresses. */
export function createDatagramAddressDialer(deps: AddressDialerDeps): AddressDialer<DatagramPipe> {
  return async (host, port, signal) => {
    const [first] = await openAddresses(deps, host, port, signal);
    return connectUdp(first.address, port, signal);
  };
}

/** Where it leads, as far as a peer may be led there. */
async function openAddresses(
  { isKeptOut, toItself = false, lookup = lookupAll }: AddressDialerDeps,
  host: string,
  port: number,
  signal: AbortSignal,
): Promise<readonly [LookupAddress, ...LookupAddress[]]> {
  const own = toItself ? itself(host) : undefined;
  if (own) return own;
  const all = isIP(host) === 0 ? await abortable(lookup(host), signal) : [{ address: host, family: isIP(host) }];
  const [first, ...more] = all.filter(({ address }) => !isKeptOut(address, port));
  if (first) return [first, ...more];
  const message = "it is an address that no peer is led to: loopback, link-local, or that of the API server.";
  throw new KubeError({ status: 0, reason: "Forbidden", message });
}

/** What is meant by a host that says in itself that it is this machine; undefined for any other. */
function itself(host: string): readonly [LookupAddress, ...LookupAddress[]] | undefined {
  if (isLoopback(host)) return [{ address: host, family: isIP(host) }];
  if (host.toLowerCase() !== "localhost") return undefined;
  return [
    { address: "127.0.0.1", family: 4 },
    { address: "::1", family: 6 },
  ];
}

function lookupAll(name: string): Promise<readonly LookupAddress[]> {
  return new Promise((resolve, reject) => {
    lookupName(name, { all: true, verbatim: true }, (error, addresses) => (error ? reject(error) : resolve(addresses)));
  });
}

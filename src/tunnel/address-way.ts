/** The way to addresses that the host's policy lists by names: a machine, a database outside of the cluster. */
import type { Clock } from "../base/clock.ts";
import type { DatagramPipe } from "../base/datagram-pipe.ts";
import type { EffectivePolicy } from "../policy/effective-policy.ts";
import type { AddressTarget } from "../wire/target-text.ts";
import { connectDatagrams, connectService } from "./connect-service.ts";
import type { AddressDialer } from "./dial-address.ts";
import { refusalOf } from "./refusal.ts";
import { noDatagramsHere, type Way } from "./way.ts";

export interface AddressWayDeps {
  dialAddress: AddressDialer;
  /** Without it no address is reached by datagrams. */
  dialDatagramAddress?: AddressDialer<DatagramPipe>;
  policyOf(fingerprint: string): EffectivePolicy | undefined;
  clock: Clock;
  /** To connect, in milliseconds; 10,000 unless given. */
  connectTimeoutMs?: number;
}

export function createAddressWay(deps: AddressWayDeps): Way<AddressTarget> {
  const { clock, connectTimeoutMs: timeoutMs = 10_000 } = deps;
  return {
    find({ fingerprint }, target) {
      const rule = deps.policyOf(fingerprint)?.tunnels.addresses.find(({ name }) => name === target.name);
      const port = target.port ?? rule?.ports[0];
      if (!rule || port === undefined) {
        const message = `There is no address here called ${target.name}.`;
        return { ok: false, refusal: { ...refusalOf["not-found"], message } };
      }
      const found = { ok: true, target: { ...target, port } } as const;
      const to = { what: `address ${target.name}`, port, clock, timeoutMs };
      const { dialAddress, dialDatagramAddress } = deps;
      if (target.network !== "udp") {
        const dial = (signal: AbortSignal) => dialAddress(rule.host, port, signal);
        return { ...found, opening: { connect: (stop) => connectService({ ...to, dial }, stop) } };
      }
      if (!dialDatagramAddress) return noDatagramsHere;
      const dial = (signal: AbortSignal) => dialDatagramAddress(rule.host, port, signal);
      return { ...found, opening: { connectDatagrams: (stop) => connectDatagrams({ ...to, dial }, stop) } };
    },
  };
}

/** The way to addresses that the host's policy lists by names: a machine, a database outside of the cluster. */
import type { Clock } from "../base/clock.ts";
import type { EffectivePolicy } from "../policy/effective-policy.ts";
import type { AddressTarget } from "../wire/target-text.ts";
import { connectService } from "./connect-service.ts";
import type { AddressDialer } from "./dial-address.ts";
import { refusalOf } from "./refusal.ts";
import type { Way } from "./way.ts";

export interface AddressWayDeps {
  dialAddress: AddressDialer;
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
      const dial = (signal: AbortSignal) => deps.dialAddress(rule.host, port, signal);
      return {
        ok: true,
        target: { ...target, port },
        opening: {
          connect: (stop) => connectService({ dial, what: `address ${target.name}`, port, clock, timeoutMs }, stop),
        },
      };
    },
  };
}

/** What is at a peer beside apps and speaks HTTP, for the doors to it: a port of a Service or of an address. Pure. */
import type { HttpScheme } from "../../tunnel/app-port.ts";
import type { AddressTarget, ServiceTarget } from "../../wire/target-text.ts";
import type { Subject } from "./explain.ts";

/** With its port. */
export type HttpTarget = ServiceTarget | AddressTarget;

export interface TargetDoor {
  readonly peer: string;
  readonly target: HttpTarget;
  readonly scheme: HttpScheme;
}

/** What explanations call it. */
export function targetSubject(peer: string, target: HttpTarget): Subject {
  const what = target.kind === "service" ? `${target.namespace}/${target.name}` : target.name;
  const noun = target.kind === "service" ? "Service" : "address";
  return { noun, look: `Whoever runs ${peer} can say more of its ${noun} ${what} and port ${target.port}.` };
}

/** Of the path door to it on the console's own host: `/peers/berlin/services/shop/h2c:web/80`. */
export function targetPath({ peer, target, scheme }: TargetDoor): string {
  const name = `${scheme === "http" ? "" : `${scheme}:`}${target.name}/${target.port}`;
  return target.kind === "service"
    ? `/peers/${peer}/services/${target.namespace}/${name}`
    : `/peers/${peer}/addresses/${name}`;
}

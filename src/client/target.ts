/** What can be dialled at a peer over a session, and how people write it. */
export {
  hasPorts,
  isDatagrams,
  type NamedTarget,
  type PortName,
  parsePort,
  parseTarget,
  targetText,
} from "../wire/target-text.ts";

/** What the palette offers and what keys do, as pages say it. Pure. */
import type { IconName } from "./icon-names.ts";

/** Something that the palette offers. */
export interface Command {
  readonly id: string;
  readonly title: string;
  /** What it is about, in small letters beside the title. */
  readonly hint?: string;
  /** Under which heading it stands. */
  readonly group: "Actions" | "Pages" | "Apps" | "Peers";
  readonly icon: IconName;
  run(): void;
}

/** One key that does something where somebody is. */
export interface KeyBinding {
  /** As `KeyboardEvent.key` says it; with "Ctrl-" before it for that or Cmd. */
  readonly key: string;
  /** For the sheet of keys. */
  readonly title: string;
  run(): void;
}

/** The binding of a key that was pressed; none while somebody writes, but for those with Ctrl. */
export function bindingOf(
  bindings: readonly KeyBinding[],
  event: Pick<KeyboardEvent, "key" | "ctrlKey" | "metaKey" | "altKey">,
  isWriting: boolean,
): KeyBinding | undefined {
  if (event.altKey) return undefined;
  const held = event.ctrlKey || event.metaKey;
  if (isWriting && !held) return undefined;
  const pressed = held ? `Ctrl-${event.key.toLowerCase()}` : event.key;
  return bindings.find(({ key }) => key === pressed);
}

import type { AppPort } from "../../tunnel/app-port.ts";

/** A RemoteApp of this cluster, as far as its page goes. */
export interface AppView {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  /** The peer that runs it; absent as long as none was chosen. */
  readonly peer?: string | undefined;
  readonly ports: readonly AppPort[];
}

/** The apps that exist, and news of them. */
export interface AppCatalogue {
  list(): readonly AppView[];
  get(namespace: string, name: string): AppView | undefined;
  /** Calls `changed` whenever an app comes, goes or changes, with which. Returns what ends it. */
  subscribe(changed: (namespace: string, name: string) => void): () => void;
}

/** One port of one app: what a door leads to. */
export interface AppDoor {
  readonly app: AppView;
  readonly port: AppPort;
}

/** The same as long as it is the same app: one that is deleted and made again has another. */
export function doorKey({ app, port }: AppDoor): string {
  return `${app.namespace}/${app.name}/${app.uid}/${port.number}`;
}

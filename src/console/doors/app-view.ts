import type { AppPort } from "../../tunnel/app-port.ts";

/** A RemoteApp of this cluster, as far as its page goes. */
export interface AppView {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  /** The peer that runs it; absent as long as none was chosen. */
  readonly peer?: string | undefined;
  readonly ports: readonly AppPort[];
  /** How it is shown here; as {@link plainDoor} when it is missing. */
  readonly door?: DoorRules | undefined;
}

/** Who gets in at an app's page, how fast, and how the app is spoken to. */
export interface DoorRules {
  /** Who is signed in here, who has a bearer token, everybody, or who knows a password. */
  readonly access: "Users" | "Token" | "Public" | "Basic";
  /** A Secret in the app's namespace. */
  readonly basicAuthSecret?: string | undefined;
  readonly requestsPerSecond?: number | undefined;
  readonly bytesPerSecond?: number | undefined;
  /** What the certificate of a port with TLS must be; it is not judged when this is missing. */
  readonly tls?:
    | {
        readonly serverName?: string | undefined;
        readonly ca?: { readonly kind: "ConfigMap" | "Secret"; readonly name: string } | undefined;
        readonly insecure: boolean;
      }
    | undefined;
}

export const plainDoor: DoorRules = { access: "Users" };

/** What a Secret or ConfigMap that a door refers to holds. */
export type DoorContent =
  | { readonly ok: true; texts(): Readonly<Record<string, string>> }
  /** Why it cannot be used, for people. */
  | { readonly ok: false; readonly message: string };

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

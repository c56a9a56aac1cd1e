import { type ContextKey, createContextKey } from "@connectrpc/connect";

/** Who uses the console: a person, a program or an operator with the initial token. */
export interface Principal {
  /** For audit and messages. */
  readonly name: string;
  /** What it may do. Roles by person come with sign-in; until then every token is an administrator's. */
  readonly role: "admin";
  /** Names what they signed in by, and is no secret: what is made for them stands as long as it does. */
  readonly credential?: string;
}

/** An RPC handler reads who calls from `context.values.get(principalKey)`; never undefined behind the interceptor. */
export const principalKey: ContextKey<Principal | undefined> = createContextKey<Principal | undefined>(undefined, {
  description: "who calls the console",
});

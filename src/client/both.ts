/** What is published for every platform. */
export { Code, ConnectError } from "@connectrpc/connect";
export { type ExplainedError, explainError, type FieldViolation } from "./explain.ts";
export { type Followed, type FollowOptions, followChanges } from "./follow.ts";
export type { FairleadClient, FairleadClientOptions } from "./index.ts";
export { type PageWanted, readAll } from "./pages.ts";

/** Asks the API server what a peer may do, in the peer's own name: the answer is RBAC's. */
import type { IncomingMessage } from "node:http";
import type { ApiGateway } from "../kube/api-gateway.ts";
import { type ResourceRequest, resourceName } from "../kube/request-info.ts";
import { withRule } from "../peering/stream-record.ts";
import { ofTheAgent } from "./kubernetes-answer.ts";
import { type Impersonated, impersonationHeaders } from "./kubernetes-headers.ts";
import { forbidden, type StatusAnswer, unavailable } from "./kubernetes-status.ts";

const path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";

/** An answer is a few hundred bytes. */
const mostBytes = 64 * 1024;

/** Undefined when it is allowed, else what to say. Rejects when the API server cannot be asked. */
export async function askWhetherAllowed(
  gateway: Pick<ApiGateway, "request">,
  { verb, group, version, resource, subresource, namespace, name }: ResourceRequest,
  as: Impersonated,
  peer: string,
  signal: AbortSignal,
): Promise<StatusAnswer | undefined> {
  const resourceAttributes = { verb, group, version, resource, subresource, namespace, name };
  const review = {
    apiVersion: "authorization.k8s.io/v1",
    kind: "SelfSubjectAccessReview",
    spec: { resourceAttributes },
  };
  const body = Buffer.from(JSON.stringify(review));
  const headers = [
    "Content-Type",
    "application/json",
    "Accept",
    "application/json",
    "Content-Length",
    String(body.length),
  ];
  const out = await gateway.request({
    method: "POST",
    target: path,
    headers: [...headers, ...impersonationHeaders(as)],
    signal,
  });
  const answer = await new Promise<IncomingMessage>((resolve, reject) => {
    out.once("response", resolve);
    out.on("error", reject);
    out.end(body);
  });
  const text = await readAll(answer);
  const code = answer.statusCode ?? 0;
  const ours = ofTheAgent(peer, code, text);
  if (ours) return ours;
  if (code !== 201)
    return unavailable(`The API server of that cluster does not say whether this is allowed (HTTP ${code}).`);
  const said: unknown = JSON.parse(text);
  if (isAllowed(said)) return undefined;
  const where = namespace === "" ? "" : ` in the namespace "${namespace}"`;
  const what = resourceName({
    kind: "resource",
    verb,
    group,
    version,
    resource,
    subresource,
    namespace,
    name,
    rest: [],
  });
  const message = `${resource} "${name}" is forbidden: User "${as.user}" cannot create resource "${what}" in API group "${group}"${where}, which this takes`;
  return forbidden(withRule(message, "kubernetes/create"));
}

async function readAll(answer: IncomingMessage): Promise<string> {
  let text = "";
  for await (const chunk of answer) {
    text += chunk;
    if (text.length > mostBytes) throw new Error("The answer is too long.");
  }
  return text;
}

function isAllowed(review: unknown): boolean {
  if (typeof review !== "object" || review === null || !("status" in review)) return false;
  const { status } = review;
  return typeof status === "object" && status !== null && "allowed" in status && status.allowed === true;
}

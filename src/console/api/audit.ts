/** Every change that somebody makes through the API, written down with who made it and how it ended. */
import { type DescMessage, type DescMethod, isMessage, type Message, type MessageShape } from "@bufbuild/protobuf";
import type { Interceptor } from "@connectrpc/connect";
import type { AuditEntry } from "../../audit/entry.ts";
import { errorText } from "../../base/error-text.ts";
import type { RoleBinding } from "../../gen/fairlead/console/v1/access_pb.ts";
import { Role } from "../../gen/fairlead/console/v1/access_pb.ts";
import { AccessService } from "../../gen/fairlead/console/v1/access_service_pb.ts";
import { type App, AppService } from "../../gen/fairlead/console/v1/app_service_pb.ts";
import { InboxService } from "../../gen/fairlead/console/v1/inbox_service_pb.ts";
import { KubernetesService } from "../../gen/fairlead/console/v1/kubernetes_service_pb.ts";
import { NotificationService } from "../../gen/fairlead/console/v1/notification_service_pb.ts";
import type { ObjectRef } from "../../gen/fairlead/console/v1/object_pb.ts";
import { type Grants, PeerService, type Relays } from "../../gen/fairlead/console/v1/peer_service_pb.ts";
import { PolicyService } from "../../gen/fairlead/console/v1/policy_service_pb.ts";
import { TunnelService } from "../../gen/fairlead/console/v1/tunnel_service_pb.ts";
import type { ForwardSpec } from "../../gen/fairlead/resources/v1alpha1/forward_pb.ts";
import { accessOf } from "../access/access-of.ts";
import { personOf, principalKey } from "../auth/principal.ts";
import { describeRoles, fromRoleBinding } from "../auth/role-bindings.ts";
import { looksLikeToken } from "../auth/token.ts";
import type { CallRecord } from "./call-record.ts";

/** What is told of a change besides who made it and how it ended. */
interface Told {
  readonly action: string;
  readonly target?: string | undefined;
  readonly peer?: string | undefined;
  readonly message?: string | undefined;
  readonly correlation?: string | undefined;
}

/** How a change by one method is told. */
export interface ChangeRule {
  readonly method: DescMethod;
  /** From what was asked; undefined when it is to change nothing. Nothing of it may be a secret. */
  asked(request: Message): Told | undefined;
  /** What the answer adds. */
  answered(response: Message): Omit<Told, "action">;
  /** A room below records it when it succeeds, because it knows more. Only failures are told here. */
  readonly recordedBelow: boolean;
}

/** All methods that change something, but `Join`: a stream, of which peering records how it ends. */
export const changeRules: readonly ChangeRule[] = [
  tell(AppService.method.deployApp, {
    asked: ({ ref, dryRun }) => (dryRun ? undefined : { action: "app.deploy", target: nameOf(ref) }),
    answered: ({ app }) => wishOf(app),
  }),
  tell(AppService.method.scaleApp, {
    asked: ({ ref, replicas, dryRun }) =>
      dryRun ? undefined : { action: "app.scale", target: nameOf(ref), message: `To ${replicas}.` },
    answered: ({ app }) => wishOf(app),
  }),
  tell(AppService.method.restartApp, {
    asked: ({ ref, dryRun }) => (dryRun ? undefined : { action: "app.restart", target: nameOf(ref) }),
    answered: ({ app }) => wishOf(app),
  }),
  tell(AppService.method.pauseApp, {
    asked: ({ ref, dryRun }) => (dryRun ? undefined : { action: "app.pause", target: nameOf(ref) }),
    answered: ({ app }) => wishOf(app),
  }),
  tell(AppService.method.resumeApp, {
    asked: ({ ref, dryRun }) => (dryRun ? undefined : { action: "app.resume", target: nameOf(ref) }),
    answered: ({ app }) => wishOf(app),
  }),
  tell(AppService.method.rollBackApp, {
    asked: ({ ref, dryRun }) => (dryRun ? undefined : { action: "app.rollback", target: nameOf(ref) }),
    answered: ({ app, revision }) => ({ ...wishOf(app), message: `To revision ${revision}.` }),
  }),
  tell(AppService.method.editApp, {
    asked: ({ ref, dryRun }) => (dryRun ? undefined : { action: "app.edit", target: nameOf(ref) }),
    answered: ({ app }) => wishOf(app),
  }),
  tell(AppService.method.deleteApp, {
    asked: ({ ref, dryRun }) => (dryRun ? undefined : { action: "app.delete", target: nameOf(ref) }),
    answered: ({ kept, peers }) =>
      kept ? { message: `What runs is kept${peers.length > 0 ? ` at ${peers.join(", ")}` : ""}.` } : {},
  }),
  tell(AppService.method.openApp, {
    asked: ({ ref, port }) => ({ action: "app.open", target: port ? `${nameOf(ref)}:${port}` : nameOf(ref) }),
  }),
  tell(TunnelService.method.openTarget, {
    asked: ({ peer, target }) => ({ action: "target.open", peer, target }),
  }),
  tell(TunnelService.method.endConnection, {
    asked: ({ peer, id }) => ({ action: "connection.end", peer, target: id }),
    answered: ({ connection }) => ({ target: connection?.target, correlation: connection?.correlation || undefined }),
  }),
  tell(TunnelService.method.createForward, {
    asked: ({ ref, spec, dryRun }) => (dryRun ? undefined : { action: "forward.create", ...forwardOf(ref, spec) }),
  }),
  tell(TunnelService.method.updateForward, {
    asked: ({ ref, spec, dryRun }) => (dryRun ? undefined : { action: "forward.update", ...forwardOf(ref, spec) }),
    answered: ({ forward, changed, before }) => ({
      message: changed ? whereTo(forward?.spec, before?.spec) : "Nothing of it was different.",
    }),
  }),
  tell(TunnelService.method.deleteForward, {
    asked: ({ ref, dryRun }) => (dryRun ? undefined : { action: "forward.delete", target: nameOf(ref) }),
    answered: ({ forward }) => ({ peer: forward?.spec?.peer }),
  }),
  tell(AppService.method.deleteOrphan, {
    asked: ({ workload }) => ({ action: "orphan.delete", target: nameOf(workload) }),
  }),
  tell(AppService.method.adoptOrphan, {
    asked: ({ peer, uid }) => ({ action: "orphan.adopt", peer, target: uid }),
    answered: ({ app }) => ({ ...wishOf(app), target: nameOf(app?.metadata) }),
  }),
  tell(AppService.method.deleteOrphanAtPeer, {
    asked: ({ peer, uid }) => ({ action: "orphan.delete", peer, target: uid }),
  }),
  tell(PeerService.method.updatePeer, {
    asked: ({ name, grants, labels, relays }) => {
      return { action: "peer.update", peer: name, target: name, message: describe(grants, labels, relays) };
    },
  }),
  tell(PeerService.method.reconnectPeer, {
    asked: ({ name }) => ({ action: "peer.reconnect", peer: name, target: name }),
  }),
  tell(PeerService.method.removePeer, {
    asked: ({ name }) => ({ action: "peer.remove", peer: name, target: name }),
    recordedBelow: true,
  }),
  tell(PeerService.method.createInvite, {
    asked: ({ name }) => ({ action: "invite.create", target: name }),
    recordedBelow: true,
  }),
  tell(PeerService.method.revokeInvite, { asked: ({ id }) => ({ action: "invite.revoke", target: id }) }),
  tell(PeerService.method.decideJoin, {
    asked: ({ id, accept }) => ({ action: accept ? "invite.accept" : "invite.decline", target: id }),
  }),
  tell(KubernetesService.method.createKubernetesToken, {
    // kubectl asks for one of ten minutes each time, and what is done with that is recorded.
    asked: ({ peer, lifetimeSeconds: seconds }) =>
      seconds === 0n ? undefined : { action: "kube.token", peer, target: peer, message: `For ${seconds} s.` },
    answered: ({ expires }) => ({ message: `Until ${expires}.` }),
  }),
  tell(KubernetesService.method.createKubeconfig, {
    asked: ({ peer, user }) =>
      user.case === "tokenLifetimeSeconds"
        ? { action: "kube.token", peer, target: peer, message: `For ${user.value} s, in a kubeconfig.` }
        : undefined,
    answered: ({ expiresAt }) => ({ message: `Until ${expiresAt}, in a kubeconfig.` }),
  }),
  tell(NotificationService.method.acknowledgeNotifications, {
    asked: ({ ids, until }) => ({
      action: "notification.acknowledge",
      target: until ? `until ${until}` : ids.length > 8 ? `${ids.length}` : ids.join(", "),
    }),
    answered: ({ acknowledged }) => ({ message: `${acknowledged} that were new to them.` }),
  }),
  tell(PolicyService.method.applyPolicy, {
    asked: ({ name, dryRun }) => (dryRun ? undefined : { action: "policy.apply", target: name }),
    answered: ({ changed, effects }) => ({ message: changed ? effectsText(effects) : "Nothing of it was different." }),
  }),
  tell(PolicyService.method.deletePolicy, {
    asked: ({ name, dryRun }) => (dryRun ? undefined : { action: "policy.delete", target: name }),
    answered: ({ effects }) => ({ message: effectsText(effects) }),
  }),
  tell(InboxService.method.approveInboxItem, {
    asked: ({ name }) => ({ action: "inbox.approve", peer: name.split("/", 1)[0], target: name }),
    recordedBelow: true,
  }),
  tell(InboxService.method.denyInboxItem, {
    asked: ({ name }) => ({ action: "inbox.deny", peer: name.split("/", 1)[0], target: name }),
    recordedBelow: true,
  }),
  tell(AccessService.method.createUser, {
    asked: ({ name, roles }) => ({ action: "user.create", target: name, message: rolesText(roles) }),
  }),
  tell(AccessService.method.updateUser, {
    asked: ({ name, roles, disabled }) => ({
      action: "user.update",
      target: name,
      message: [roles && rolesText(roles.values), disabled !== undefined && (disabled ? "Kept out." : "Let in again.")]
        .filter(Boolean)
        .join(" "),
    }),
  }),
  tell(AccessService.method.resetPassword, { asked: ({ name }) => ({ action: "user.reset-password", target: name }) }),
  tell(AccessService.method.deleteUser, { asked: ({ name }) => ({ action: "user.delete", target: name }) }),
  tell(AccessService.method.createToken, {
    asked: ({ name, roles }) => ({ action: "token.create", target: name, message: rolesText(roles) }),
    answered: ({ token }) => ({
      message: `${rolesText(token?.roles ?? [])} Until ${token?.expiresAt}, id ${token?.id}.`,
    }),
  }),
  tell(AccessService.method.revokeToken, {
    asked: ({ token }) => ({ action: "token.revoke", ...(!looksLikeToken(token) && { target: token }) }),
    answered: ({ id }) => ({ message: `Id ${id}.` }),
  }),
  tell(AccessService.method.revokeBrowserSession, { asked: ({ id }) => ({ action: "session.revoke", target: id }) }),
];

/** Records each unary RPC that changes something, as in "app.deploy" of "default/shop", and those that failed. */
export function auditChanges(record: Pick<CallRecord, "note" | "always">): Interceptor {
  const rules = new Map(changeRules.map((rule) => [rule.method, rule]));
  return (next) => async (request) => {
    const rule = rules.get(request.method);
    const told = request.stream ? undefined : rule?.asked(request.message);
    if (!rule || !told) return next(request);
    const principal = request.contextValues.get(principalKey);
    // What only administrators do is never too much.
    const isAdmins = accessOf(request.method).role === Role.ADMIN;
    const write = (verdict: AuditEntry["verdict"], { action, peer, ...rest }: Told): void => {
      const entry = { action, actor: { person: principal?.name, peer }, verdict, ...rest };
      if (isAdmins) record.always(entry);
      else record.note(principal ? personOf(principal) : "", entry);
    };
    try {
      const response = await next(request);
      if (!rule.recordedBelow) write("done", { ...told, ...(response.stream ? {} : rule.answered(response.message)) });
      return response;
    } catch (error) {
      write("failed", { ...told, message: errorText(error) });
      throw error;
    }
  };
}

/** Gives the functions the messages of the method, in their own types. */
function tell<I extends DescMessage, O extends DescMessage>(
  method: DescMethod & { readonly input: I; readonly output: O },
  rule: {
    asked(request: MessageShape<I>): Told | undefined;
    answered?(response: MessageShape<O>): Omit<Told, "action">;
    readonly recordedBelow?: boolean;
  },
): ChangeRule {
  return {
    method,
    recordedBelow: rule.recordedBelow ?? false,
    asked: (request) => (isMessage(request, method.input) ? rule.asked(request) : undefined),
    answered: (response) => (isMessage(response, method.output) ? (rule.answered?.(response) ?? {}) : {}),
  };
}

function effectsText(effects: readonly { readonly peer: string }[]): string {
  const peers = effects.map(({ peer }) => peer);
  if (peers.length === 0) return "It changes nothing for any peer.";
  const more = peers.length > 8 ? ` and ${peers.length - 8} more` : "";
  return `It changes what counts for ${peers.slice(0, 8).join(", ")}${more}.`;
}

function nameOf(ref: Pick<ObjectRef, "namespace" | "name"> | undefined): string {
  return ref ? `${ref.namespace}/${ref.name}` : "";
}

function forwardOf(ref: ObjectRef | undefined, spec: ForwardSpec | undefined): Omit<Told, "action"> {
  return { peer: spec?.peer, target: nameOf(ref), message: whereTo(spec) };
}

/** "Leads to service/shop/db. It was for berlin." */
function whereTo(spec: ForwardSpec | undefined, before = spec): string {
  const { peer, target, direction } = spec ?? {};
  const moved = before?.peer === peer ? "" : ` It was for ${before?.peer}.`;
  return `${direction === "Reverse" ? "Offers" : "Leads to"} ${target}.${moved}`;
}

/** "Roles: operator for west, viewer." */
function rolesText(roles: readonly RoleBinding[]): string {
  return `Roles: ${describeRoles(roles.map(fromRoleBinding))}.`;
}

/** As the host calls the same wish. */
function wishOf(app: App | undefined): Pick<Told, "peer" | "correlation"> {
  if (!app?.metadata) return {};
  const { uid, generation } = app.metadata;
  return { peer: app.spec?.peer, correlation: `wish:${uid}/${generation}` };
}

/** "Grants: apps (for 3600 s), tunnels. Labels: tier=gold, zone removed." */
function describe(
  grants: Grants | undefined,
  labels: Readonly<Record<string, string>>,
  relays: Relays | undefined,
): string {
  const granted = grants?.values.map((grant) => {
    const seconds = grants.lastsSeconds[grant];
    return seconds === undefined ? grant : `${grant} (for ${seconds} s)`;
  });
  const labelled = Object.entries(labels).map(([name, value]) =>
    value === "" ? `${name} removed` : `${name}=${value}`,
  );
  return [
    granted && `Grants: ${granted.length > 0 ? granted.join(", ") : "none"}.`,
    labelled.length > 0 && `Labels: ${labelled.join(", ")}.`,
    relays && `Relays: ${relays.names.join(", ") || "none"}.`,
  ]
    .filter(Boolean)
    .join(" ");
}

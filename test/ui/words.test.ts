/** What the console says of times, refusals, roles, its connection, and what happened. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { Role, RoleBindingSchema } from "../../src/gen/fairlead/console/v1/access_pb.ts";
import { AuditEntrySchema } from "../../src/gen/fairlead/console/v1/audit_service_pb.ts";
import { PermissionMissingSchema, RetryAfterSchema } from "../../src/gen/fairlead/console/v1/error_pb.ts";
import { ageOf, agoOf, exactTimeOf, timeOf } from "../../ui/src/model/age.ts";
import { appsAsCode } from "../../ui/src/model/as-code.ts";
import { connectionOf } from "../../ui/src/model/connection.ts";
import { toRefusal } from "../../ui/src/model/refusal.ts";
import { rolesText } from "../../ui/src/model/roles.ts";
import { latestFirst, lineOfEntry, lineOfEvent } from "../../ui/src/model/story.ts";
import { toneOfPhase } from "../../ui/src/model/tone.ts";

const now = Date.parse("2026-03-01T12:00:00Z");
const before = (ms: number): string => new Date(now - ms).toISOString();
const [second, minute, hour, day] = [1_000, 60_000, 3_600_000, 86_400_000];

test("an age has one unit, the largest that says it", () => {
  const ages = [0, 59 * second, minute, 59 * minute, hour, 23 * hour, day, 59 * day, 60 * day, 729 * day, 730 * day];
  assert.deepEqual(
    ages.map((ms) => ageOf(before(ms), now)),
    ["0 s", "59 s", "1 min", "59 min", "1 h", "23 h", "1 d", "59 d", "2 mo", "24 mo", "2 y"],
  );
  assert.equal(agoOf(before(hour), now), "1 h ago");
  assert.equal(ageOf(before(-hour), now), "0 s", "clocks differ");
  for (const text of [ageOf("", now), agoOf("never", now), timeOf("", now), exactTimeOf("?")]) assert.equal(text, "");
});

test("what is long ago has its date, and what is of today its time alone", () => {
  assert.match(timeOf(new Date(now).toISOString(), now), /^\d\d:\d\d$/);
  assert.match(timeOf(before(40 * day), now), /\d.* \d\d:\d\d$/);
});

test("a refusal says what was tried, why not, and who can help", () => {
  const missing = { desc: PermissionMissingSchema, value: { role: Role.OPERATOR, givenBy: ["ana", "ask an admin"] } };
  const denied = toRefusal(
    new ConnectError("It needs operator.", Code.PermissionDenied, undefined, [missing]),
    "delete it",
  );
  assert.deepEqual(
    [denied.title, denied.detail, denied.remedy],
    ["You may not delete it", "It needs operator.", "Who can give it: ana, ask an admin."],
  );
  const wait = { desc: RetryAfterSchema, value: { seconds: 2.2 } };
  const late = toRefusal(new ConnectError("Too often.", Code.ResourceExhausted, undefined, [wait]), "sign in");
  assert.deepEqual([late.title, late.remedy], ["Could not sign in", "Try again in 3 s."]);
  assert.equal(toRefusal(new ConnectError("no", Code.Unauthenticated), "look").isSignedOut, true);
  assert.match(toRefusal(new TypeError("fetch failed"), "look").detail, /fetch failed/);
});

test("roles are said with the peers that they are for", () => {
  const grant = (role: Role, peers: string[]) =>
    create(RoleBindingSchema, { role, peers, allPeers: peers.length === 0 });
  assert.equal(
    rolesText([grant(Role.ADMIN, []), grant(Role.VIEWER, ["berlin", "oslo"])]),
    "admin, viewer of berlin and oslo",
  );
  assert.equal(rolesText([]), "no role");
});

test("the dot says whether this page is connected, and whether the agent is well", () => {
  const connected = { kind: "connected", since: now } as const;
  assert.equal(connectionOf({ kind: "connecting" }, []).word, "Connecting");
  assert.equal(connectionOf(connected, []).tone, "ok");
  assert.equal(connectionOf(connected, [{ name: "audit", ok: false }]).tone, "degraded");
  assert.equal(connectionOf(connected, [{ name: "audit", ok: true }]).tone, "ok");
  const lost = connectionOf({ kind: "lost", since: now, why: "cut" }, []);
  assert.deepEqual([lost.tone, lost.since], ["failed", "2026-03-01T12:00:00.000Z"]);
  assert.match(lost.text, /cut$/);
});

test("an entry of the audit is a sentence, whatever became of it", () => {
  const say = (entry: MessageInitShape<typeof AuditEntrySchema>): string => {
    const { who, did, target, detail } = lineOfEntry(create(AuditEntrySchema, entry));
    return [who, did, target, detail].filter(Boolean).join(" ");
  };
  const deploy = { action: "app.deploy", person: "ana", target: "shop/web" };
  assert.equal(say({ ...deploy, verdict: "done", message: "Revision 3." }), "ana deployed shop/web Revision 3.");
  assert.equal(say({ ...deploy, verdict: "denied" }), "ana was not allowed to deploy shop/web");
  assert.equal(say({ ...deploy, verdict: "failed" }), "ana could not deploy shop/web");
  const answer = { action: "app.answer", person: "unknown", peer: "berlin", target: "shop/web" };
  assert.equal(say({ ...answer, verdict: "denied" }), "berlin refused shop/web");
  assert.equal(say({ ...answer, verdict: "held" }), "berlin holds shop/web");
  const wrong = {
    action: "user.sign-in",
    person: "unknown",
    target: "ana",
    verdict: "denied",
    message: "Wrong password.",
  };
  assert.equal(say(wrong), "Somebody tried to sign in as ana Wrong password.");
  assert.equal(say({ action: "session.begin", person: "ana", target: "ana", verdict: "done" }), "ana signed in");
  assert.equal(say({ action: "thing.do", target: "x", verdict: "done" }), "This agent did thing.do to x");
});

test("a story begins with the latest, and has an end", () => {
  const lines = [1, 3, 2].map((at) => lineOfEntry(create(AuditEntrySchema, { sequence: BigInt(at), at: before(-at) })));
  assert.deepEqual(
    latestFirst(lines, 2).map(({ key }) => key),
    ["3", "2"],
  );
  const event = lineOfEvent({
    $typeName: "fairlead.resources.v1alpha1.AppEvent",
    type: "Warning",
    reason: "BackOff",
    count: 4,
  });
  assert.deepEqual([event.who, event.tone], ["BackOff × 4", "degraded"]);
});

test("a phase that this console does not know is shown as unknown", () => {
  assert.equal(toneOfPhase("Ready"), "ok");
  assert.equal(toneOfPhase("Sideways"), "unknown");
});

test("a list as code asks for what is shown, as far as its filter can be said there", () => {
  const [fairlead, , buf] = appsAsCode({ phase: "Held", peer: "oslo", namespace: "" }, "https://c.example");
  assert.equal(fairlead?.line, "fairlead app list -A --field-selector phase=Held,peer=oslo");
  assert.match(buf?.line ?? "", /-d '\{"fieldSelector":"phase=Held,peer=oslo"\}' https:\/\/c\.example\//);
});

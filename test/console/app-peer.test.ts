/** Which of several peers answers for an app, and which is meant by somebody who names a pod, a peer, or neither. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { answeringPeer, choosePeer } from "../../src/console/app-peer.ts";
import type { JsonObject } from "../../src/kube/object.ts";
import type { RemoteApp } from "../../src/kube/resources.ts";
import { remoteApps } from "../../src/kube/resources.ts";

function app(status: JsonObject, spec: JsonObject = { placement: { count: 0 } }): RemoteApp {
  return remoteApps.parse({
    metadata: { namespace: "shop", name: "web" },
    spec: { image: "web:1", ...spec },
    status,
  });
}

const all = (): boolean => true;
const but =
  (...away: string[]) =>
  (peer: string): boolean =>
    !away.includes(peer);

test("a peer that has it ready answers, and another when there is no link to that one", () => {
  const peers = [
    { peer: "athens", phase: "Ready", readyReplicas: 2, leaving: true },
    { peer: "berlin", phase: "Progressing", readyReplicas: 1 },
    { peer: "cairo", phase: "Ready", readyReplicas: 2 },
    { peer: "delhi", phase: "Ready", readyReplicas: 2 },
    { peer: "essen", phase: "Pending" },
  ];
  const answers = (isConnected: (peer: string) => boolean): string | undefined =>
    answeringPeer(app({ peers }), isConnected);
  assert.equal(answers(all), "cairo");
  assert.equal(answers(but("cairo")), "delhi");
  assert.equal(answers(but("cairo", "delhi")), "berlin", "one of its pods is ready there");
  assert.equal(answers(but("berlin", "cairo", "delhi")), "essen");
  assert.equal(answers(but("berlin", "cairo", "delhi", "essen")), "cairo", "that one is named as the one that is away");
  assert.equal(answeringPeer(app({ peers: peers.slice(0, 1) }), all), "athens", "until it has ended there");
});

test("an app that names its peer is answered by no other", () => {
  assert.equal(answeringPeer(app({}, { peer: "berlin" }), but("berlin")), "berlin");
  assert.equal(answeringPeer(app({ peer: "berlin" }), all), "berlin");
  assert.equal(answeringPeer(app({}), all), undefined);
});

test("who names a pod means its peer, who names neither one that answers, and what cannot be meant is said", () => {
  const placed = app({
    peers: [
      { peer: "berlin", phase: "Ready" },
      { peer: "cairo", phase: "Ready" },
    ],
    pods: [{ name: "web-1", peer: "cairo", ready: true }],
  });
  assert.equal(choosePeer(placed, {}, all), "berlin");
  assert.equal(choosePeer(placed, {}, but("berlin")), "cairo");
  assert.equal(choosePeer(placed, { pod: "web-1" }, all), "cairo");
  assert.equal(choosePeer(placed, { peer: "cairo" }, but("cairo")), "cairo", "who names it hears that it is away");
  assert.throws(() => choosePeer(placed, { peer: "delhi" }, all), /does not run at delhi; it runs at berlin, cairo/);
  assert.throws(() => choosePeer(placed, { pod: "web-9" }, all), /name the peer too/);
  assert.throws(() => choosePeer(app({}), {}, all), /runs nowhere yet/);
});

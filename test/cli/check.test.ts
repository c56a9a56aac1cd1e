/** Verdicts without deploying, by command line. */
import assert from "node:assert/strict";
import { beforeEach, suite, test } from "node:test";
import { exitCode } from "../../src/cli/errors.ts";
import { type Offices, openOffices } from "./offices.ts";

const manifest = (name: string, peer = "spec: { peer: west, "): string =>
  `apiVersion: fairlead.dev/v1alpha1\nkind: RemoteApp\nmetadata: { name: ${name} }\n${peer}image: nginx:1.27 }\n`;

const held = { rule: "approval/new-image", field: "image", message: "nginx:1.27 is new there", asked: "nginx:1.27" };
const denied = { rule: "quota/requests.cpu", field: "", message: "too much CPU", asked: "3", allowed: "2" };

/** What each peer answers. */
const answers: Record<string, { verdict: string; message?: string; findings?: object[] }> = {
  yes: { verdict: "Admitted" },
  waits: { verdict: "Held", message: "nginx:1.27 is new there", findings: [held] },
  no: { verdict: "Denied", message: "too much CPU", findings: [denied] },
  away: { verdict: "Unknown", message: "it did not answer within 5 s" },
};

suite("fairlead app check", () => {
  let offices: Offices;
  let asked: { peers: string[]; name: string | undefined }[];
  beforeEach(() => {
    offices = openOffices();
    asked = [];
    offices.apps = {
      checkApp({ peers, spec, ref }) {
        asked.push({ peers, name: ref?.name });
        const who = peers.length > 0 ? peers : [spec?.peer ?? ""];
        return { verdicts: who.map((peer) => ({ peer, ...(answers[peer] ?? { verdict: "Admitted" }) })) };
      },
    };
    offices.peerService = {
      listPeers: () => ({ peers: Object.keys(answers).map((name) => ({ metadata: { name } })) }),
    };
  });

  const check = (...args: string[]): ReturnType<Offices["run"]> =>
    offices.run(["app", "check", "web", "--image", "nginx:1.27", ...args]);

  for (const [peers, code] of [
    ["yes", exitCode.ok],
    ["waits", exitCode.held],
    ["no", exitCode.denied],
    ["away", exitCode.unavailable],
    ["yes,waits", exitCode.held],
    ["waits,no,away", exitCode.denied],
    ["away,waits", exitCode.held],
  ] as const) {
    test(`ends with ${code} when asked of ${peers}`, async () => {
      const ran = await check("--peer", peers);
      assert.equal(ran.code, code, ran.err);
    });
  }

  test("shows each rule with what was asked and what is allowed, and why in a sentence", async () => {
    const { out, err } = await check("--all");
    assert.match(out, /^PEER +VERDICT +RULE +ASKED +ALLOWED\nyes +Admitted +<none> +<none> +<none>\n/);
    assert.match(out, /\nwaits +Held +approval\/new-image +nginx:1\.27 +<none>\n/);
    assert.match(out, /\nno +Denied +quota\/requests\.cpu +3 +2\n/);
    assert.match(out, /\nweb: away did not say: it did not answer within 5 s\n/);
    assert.match(err, /^error: held at waits \(web\); denied at no \(web\); no answer from away \(web\)\n/);
  });

  test("of a file asks the peer that the app names, or those that are named", async () => {
    const files = { "a.yaml": manifest("web") };
    const args = ["app", "check", "-f", "a.yaml"];
    assert.match((await offices.run(args, { files })).out, /\nwest +Admitted/);
    assert.match((await offices.run([...args, "--peer", "yes"], { files })).out, /\nyes +Admitted/);
    assert.deepEqual(asked, [
      { peers: [], name: "web" },
      { peers: ["yes"], name: "web" },
    ]);
  });

  test("a file whose app names no peer can be checked anywhere", async () => {
    const files = { "a.yaml": manifest("web", "spec: { ") };
    const { code, err } = await offices.run(["app", "check", "-f", "a.yaml", "--peer", "yes"], { files });
    assert.equal(code, 0, err);
  });

  test("of several apps each is named", async () => {
    const files = { "a.yaml": `${manifest("web")}---\n${manifest("db")}` };
    const { out } = await offices.run(["app", "check", "-f", "a.yaml"], { files });
    assert.match(out, /^APP +PEER +VERDICT .*\nweb +west +Admitted .*\ndb +west +Admitted/);
  });

  test("-o json has every finding", async () => {
    const { items } = JSON.parse((await check("--peer", "no", "-o", "json")).out);
    assert.deepEqual(items, [
      { app: "default/web", peer: "no", verdict: "Denied", message: "too much CPU", findings: [denied] },
    ]);
  });

  test("who names nobody, or names and means all, is told what to write", async () => {
    for (const args of [[], ["--peer", "yes", "--all"]]) {
      const { code, err } = await check(...args);
      assert.equal(code, exitCode.usage);
      assert.match(err, /--all/);
    }
    offices.peerService = { listPeers: () => ({ peers: [] }) };
    assert.match((await check("--all")).err, /there is no peer to ask/);
  });
});

suite("fairlead app deploy --dry-run", () => {
  const deploy = (offices: Offices, ...args: string[]): ReturnType<Offices["run"]> =>
    offices.run(["app", "deploy", "web", "--image", "a", ...args]);

  for (const [peer, code, says] of [
    ["yes", exitCode.ok, /^web: yes would run it\n$/],
    [
      "waits",
      exitCode.held,
      /^web: waits would hold it for a person there:\n {2}approval\/new-image: nginx:1\.27 is new there\nerror: held at waits\n$/,
    ],
    ["no", exitCode.denied, /^web: no would deny it:\n {2}quota\/requests\.cpu: too much CPU\nerror: denied at no\n$/],
    // The wish goes there as soon as it can; nobody has refused it.
    ["away", exitCode.ok, /^web: away did not say: it did not answer within 5 s\n$/],
  ] as const) {
    test(`tells the verdict of ${peer} and ends with ${code}`, async () => {
      const offices = openOffices();
      offices.apps = {
        deployApp({ dryRun }) {
          assert.equal(dryRun, true);
          return { app: {}, outcome: 1, verdict: { peer, ...answers[peer] } };
        },
      };
      offices.peerService = { getPeer: () => ({ peer: { status: { link: { state: "Connected" } } } }) };
      for (const flag of ["--dry-run", "--dry-run=server"]) {
        const ran = await deploy(offices, "--peer", peer, flag);
        assert.equal(ran.out, "remoteapp.fairlead.dev/web created (dry run)\n");
        assert.match(ran.err, says);
        assert.equal(ran.code, code);
      }
    });
  }

  test("there is no other way to run dry", async () => {
    const { code, err } = await deploy(openOffices(), "--peer", "yes", "--dry-run=client");
    assert.equal(code, exitCode.usage);
    assert.match(err, /server/);
  });
});

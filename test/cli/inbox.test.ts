/** What waits for a person, and their word about it, by command line. */
import assert from "node:assert/strict";
import { beforeEach, suite, test } from "node:test";
import { parse } from "yaml";
import { exitCode } from "../../src/cli/errors.ts";
import { hashSpec } from "../../src/policy/spec-hash.ts";
import { type Offices, openOffices, spec } from "./offices.ts";
import { start } from "./world.ts";

const web = "west/web-0123456789";

suite("fairlead inbox", () => {
  let offices: Offices;
  beforeEach(() => {
    offices = openOffices();
  });

  test("an empty inbox says so", async () => {
    assert.match((await offices.run(["inbox", "list"])).err, /^Nothing waits for you here\.\n$/);
    assert.match((await offices.run(["inbox", "list", "--peer", "west"])).err, /^Nothing of west waits/);
  });

  test("list shows what waits, the oldest first; --decided also what was decided; --peer only of one", async () => {
    offices.inbox.hold(web, spec(), { since: "2026-02-01T00:00:00Z" });
    offices.inbox.hold("east/db-0123456789", spec(), { since: "2026-01-01T00:00:00Z" });
    offices.inbox.hold("west/old-0123456789", spec(), { state: "Approved" });
    const names = async (...args: string[]): Promise<string> =>
      (await offices.run(["inbox", "list", "-o", "name", ...args])).out;
    assert.equal(await names(), `east/db-0123456789\n${web}\n`);
    assert.equal(await names("--peer", "west"), `${web}\n`);
    assert.match(await names("--decided"), /west\/old/);
    const { out } = await offices.run(["inbox", "list"]);
    assert.match(out, /^NAME +KIND +PEER +ASKS-FOR +STATE +SINCE +RULES\n/);
    assert.match(out, /west\/web-0123456789 +App +west +shop\/web +Held +\S+ +approval\/new-image\n/);
  });

  test("what waits again after its approval has ended is shown since it waits, and that the approval has ended", async () => {
    const ago = (ms: number): string => new Date(Date.now() - ms).toISOString();
    const decision = { by: "ada", at: ago(9 * 86_400_000), message: "", until: ago(2 * 86_400_000) };
    offices.inbox.hold(web, spec(), { since: ago(2 * 86_400_000), decision });
    const { out } = await offices.run(["inbox", "list", "-o", "wide"]);
    assert.match(out, / Held +2d +approval\/new-image +ada +ended 2d ago /);
  });

  test("get shows what is asked, which rules hold it and the hash", async () => {
    offices.inbox.hold(web, spec({ image: "nginx:1.28" }));
    const { out, err } = await offices.run(["inbox", "get", web]);
    assert.match(out, /RULE +FIELD +ASKED\n +approval\/new-image +image +nginx:1\.27\n/);
    assert.match(out, /approval\/new-image: nginx:1\.27 is new here/);
    assert.match(out, /What would run:\n {6}image: nginx:1\.28\n {6}replicas: 1\n/);
    const hash = hashSpec(spec({ image: "nginx:1.28" }));
    assert.match(out, new RegExp(`Hash +${hash}\n`));
    assert.match(err, new RegExp(`inbox approve ${web} --hash ${hash}\n`));
  });

  test("get shows what a change changes", async () => {
    offices.inbox.hold(web, spec({ image: "nginx:1.28", replicas: 3 }), { running: spec({ replicas: 3 }) });
    const { out } = await offices.run(["inbox", "get", web]);
    assert.match(out, /\n {4}- image: nginx:1\.27\n {4}\+ image: nginx:1\.28\n {6}replicas: 3\n/);
  });

  test("nothing in what is asked is hidden from the person who approves it", async () => {
    // A right-to-left mark, a zero-width space, a terminal's escape and a soft hyphen.
    offices.inbox.hold(web, spec({ args: ["run\u202e", "a\u200bb", "\u001b[2Jx", "so\u00adft"] }));
    const { out } = await offices.run(["inbox", "get", web]);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: that they are not there is the promise
    assert.doesNotMatch(out, /[\u202e\u200b\u001b\u00ad]/);
    assert.match(out, /run\\u\{202e\}/);
    assert.match(out, /a\\u\{200b\}b/);
    assert.match(out, /so\\u\{ad\}ft/);
  });

  test("json and yaml have all of it", async () => {
    offices.inbox.hold(web, spec(), { running: spec({ replicas: 2 }) });
    const json = JSON.parse((await offices.run(["inbox", "get", web, "-o", "json"])).out);
    assert.equal(json.hash, hashSpec(spec()));
    assert.equal(json.app.replicas, 1);
    assert.equal(json.running.replicas, 2);
    assert.equal(json.findings[0].rule, "approval/new-image");
    assert.equal(parse((await offices.run(["inbox", "list", "-o", "yaml"])).out).items.length, 1);
  });

  test("approve shows exactly what it approves, and approves that", async () => {
    offices.inbox.hold(web, spec());
    const args = ["inbox", "approve", web, "-m", "fine", "--for", "8h"];
    const { code, out, err } = await offices.run(args);
    assert.equal(code, 0, err);
    assert.equal(out, `${web} approved until 2026-01-02T11:05:00.000Z\n`);
    assert.match(err, /image: nginx:1\.27/);
    assert.match(err, new RegExp(hashSpec(spec())));
    assert.deepEqual(offices.inbox.rulings, [
      { verdict: "Approved", by: "ada", message: "fine", lastsMs: 28_800_000, name: web },
    ]);
  });

  test("at a terminal approve asks, and without a yes nothing is decided", async () => {
    offices.inbox.hold(web, spec());
    for (const answer of ["", "n", "maybe"]) {
      const refused = await offices.run(["inbox", "approve", web], { interactive: true, answer: () => answer });
      assert.equal(refused.code, exitCode.failed);
      assert.match(refused.err, /nothing was decided/);
    }
    assert.equal(offices.inbox.rulings.length, 0);
    const { code } = await offices.run(["inbox", "approve", web], { interactive: true, answer: () => "y" });
    assert.equal(code, 0);
    const never = (): string => assert.fail("--yes was given");
    assert.equal((await offices.run(["inbox", "approve", web, "-y"], { interactive: true, answer: never })).code, 0);
    assert.equal(offices.inbox.rulings.length, 2);
  });

  test("Ctrl-C in place of an answer decides nothing and ends with 130", async () => {
    offices.inbox.hold(web, spec());
    const running = start(undefined, ["inbox", "approve", web], {
      interactive: true,
      connect: async () => offices.connection(),
      answer() {
        running.interrupt();
        return "";
      },
    });
    assert.equal((await running.ended).code, exitCode.interrupted);
    assert.equal(offices.inbox.rulings.length, 0);
  });

  test("what was edited while the person looked at it is not approved", async () => {
    offices.inbox.hold(web, spec());
    const answer = (): string => {
      offices.inbox.hold(web, spec({ image: "miner:1" }));
      return "y";
    };
    const { code, err } = await offices.run(["inbox", "approve", web], { interactive: true, answer });
    assert.equal(code, exitCode.failed);
    assert.match(err, /was changed after it was shown/);
    assert.equal(offices.inbox.rulings.length, 0);
  });

  for (const verb of ["approve", "deny"]) {
    test(`${verb} --hash is about what was shown with that hash and nothing else`, async () => {
      offices.inbox.hold(web, spec({ image: "miner:1" }));
      const old = await offices.run(["inbox", verb, web, "--hash", hashSpec(spec())]);
      assert.equal(old.code, exitCode.failed);
      assert.match(old.err, /was changed after you saw it, so nothing was decided.*\n.*fairlead inbox get/);
      const short = await offices.run(["inbox", verb, web, "--hash", hashSpec(spec()).slice(0, 12)]);
      assert.equal(short.code, exitCode.usage);
      assert.equal(offices.inbox.rulings.length, 0);
      const now = await offices.run(["inbox", verb, web, "--hash", hashSpec(spec({ image: "miner:1" }))]);
      assert.equal(now.code, 0, now.err);
      assert.equal(offices.inbox.rulings.length, 1);
    });
  }

  test("deny tells the reason, and notes when there is none", async () => {
    offices.inbox.hold(web, spec());
    const { out, err } = await offices.run(["inbox", "deny", web, "-m", "not this image"]);
    assert.equal(out, `${web} denied\n`);
    assert.equal(err, "");
    assert.match((await offices.run(["inbox", "deny", web])).err, /the peer sees no reason; -m gives one/);
    assert.deepEqual(
      offices.inbox.rulings.map(({ verdict, message }) => [verdict, message]),
      [
        ["Denied", "not this image"],
        ["Denied", ""],
      ],
    );
  });

  test("a tunnel is approved for the agent that asked, not for another that has its name since", async () => {
    const tunnel = {
      peer: "west",
      target: "service/shop/db:5432",
      since: "2026-01-01T00:00:00Z",
      state: "Held",
    } as const;
    const first = { ...tunnel, fingerprint: "a".repeat(64), findings: [] };
    offices.inbox.tunnelItems = [first];
    const shown = JSON.parse((await offices.run(["inbox", "get", "west/service/shop/db:5432", "-o", "json"])).out);
    assert.equal(shown.kind, "Tunnel");
    offices.inbox.tunnelItems = [{ ...first, fingerprint: "b".repeat(64) }];
    const args = ["inbox", "approve", "west/service/shop/db:5432", "--hash", shown.hash];
    const { code, err } = await offices.run(args);
    assert.equal(code, exitCode.failed);
    assert.match(err, /changed after you saw it/);
    offices.inbox.tunnelItems = [first];
    const swap = (): string => {
      offices.inbox.tunnelItems = [{ ...first, fingerprint: "b".repeat(64) }];
      return "y";
    };
    const swapped = await offices.run(args.slice(0, 3), { interactive: true, answer: swap });
    assert.equal(swapped.code, exitCode.failed);
    assert.match(swapped.err, /was changed after it was shown/);
    assert.equal(offices.inbox.rulings.length, 0);
    offices.inbox.tunnelItems = [first];
    assert.equal((await offices.run(args)).code, 0);
  });

  for (const verb of ["get", "approve", "deny"]) {
    test(`${verb} of what is not there ends with 3 and says where to look`, async () => {
      const { code, err } = await offices.run(["inbox", verb, "west/nothing"]);
      assert.equal(code, exitCode.notFound);
      assert.match(err, /west\/nothing.*fairlead inbox list/);
    });
  }
});

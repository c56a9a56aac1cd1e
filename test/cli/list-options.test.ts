import assert from "node:assert/strict";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { exitCode } from "../../src/cli/errors.ts";
import type { ListRequest } from "../../src/console/api/listing.ts";
import { appList } from "../../src/console/api/lists.ts";
import { toApp } from "../../src/console/api/object.ts";
import { RemoteAppSpecSchema } from "../../src/gen/fairlead/resources/v1alpha1/remote_app_pb.ts";
import type { RemoteApp } from "../../src/kube/resources.ts";
import { testListing } from "../console/api/test-listing.ts";
import { type Offices, openOffices } from "./offices.ts";

function app(name: string, peer: string): RemoteApp {
  return {
    apiVersion: "fairlead.dev/v1alpha1",
    kind: "RemoteApp",
    metadata: { namespace: "shop", name, labels: { app: name.slice(0, 1) } },
    spec: create(RemoteAppSpecSchema, { peer }),
  };
}

/** An agent with 1,201 apps, and what it was asked for. */
function openWithMany(): { offices: Offices; asked: ListRequest[] } {
  const offices = openOffices();
  const asked: ListRequest[] = [];
  const all = Array.from({ length: 1_201 }, (_, at) =>
    app(`a${String(at).padStart(4, "0")}`, at % 2 ? "oslo" : "berlin"),
  );
  offices.apps = {
    listApps(request) {
      asked.push(request);
      const { items, ...page } = testListing(appList, all, request);
      return { ...page, apps: items.map(toApp) };
    },
  };
  return { offices, asked };
}

const list = ["app", "list", "-n", "shop", "-o", "name"];

test("a list is read 500 at a time, and shown whole", async () => {
  const { offices, asked } = openWithMany();
  const { code, out } = await offices.run(list);
  assert.equal(code, exitCode.ok);
  assert.equal(out.trim().split("\n").length, 1_201);
  assert.deepEqual(
    asked.map(({ pageSize }) => pageSize),
    [500, 500, 500],
  );
});

test("what is listed, in which order and by how many at a time, is as the options say", async () => {
  const { offices, asked } = openWithMany();
  const { out } = await offices.run([
    ...list,
    ...["-l", "app=a", "--field-selector", "spec.peer=oslo", "--sort-by", "{.metadata.name} desc", "--chunk-size", "0"],
  ]);
  const lines = out.trim().split("\n");
  assert.deepEqual(
    [lines.length, lines[0], lines.at(-1)],
    [600, "remoteapp.fairlead.dev/a1199", "remoteapp.fairlead.dev/a0001"],
  );
  assert.deepEqual(
    asked.map(({ pageSize }) => pageSize),
    [10_000],
  );
});

test("what the agent cannot list by is a usage error that names what it can", async () => {
  const { offices } = openWithMany();
  const { code, err } = await offices.run([...list, "--field-selector", "colour=red"]);
  assert.equal(code, exitCode.usage);
  assert.match(err, /apps have no field "colour".*there are: name, created/);
});

test("a watch is in no order, and says so", async () => {
  const { offices } = openWithMany();
  for (const option of ["--sort-by", "--field-selector"]) {
    const { code, err } = await offices.run([...list, "--watch", option, "name=x"]);
    assert.equal(code, exitCode.usage);
    assert.match(err, new RegExp(`${option} is for lists`));
  }
});

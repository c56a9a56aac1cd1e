import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { suite, test } from "node:test";
import type { DescMessage } from "@bufbuild/protobuf";
import * as accessLists from "../../../src/console/api/access-lists.ts";
import type { ListOf } from "../../../src/console/api/listing.ts";
import * as lists from "../../../src/console/api/lists.ts";
import { file_fairlead_console_v1_access_service } from "../../../src/gen/fairlead/console/v1/access_service_pb.ts";
import { file_fairlead_console_v1_agent_service } from "../../../src/gen/fairlead/console/v1/agent_service_pb.ts";
import { file_fairlead_console_v1_app_service } from "../../../src/gen/fairlead/console/v1/app_service_pb.ts";
import { file_fairlead_console_v1_audit_service } from "../../../src/gen/fairlead/console/v1/audit_service_pb.ts";
import { file_fairlead_console_v1_inbox_service } from "../../../src/gen/fairlead/console/v1/inbox_service_pb.ts";
import { file_fairlead_console_v1_notification_service } from "../../../src/gen/fairlead/console/v1/notification_service_pb.ts";
import { file_fairlead_console_v1_peer_service } from "../../../src/gen/fairlead/console/v1/peer_service_pb.ts";
import { file_fairlead_console_v1_policy_service } from "../../../src/gen/fairlead/console/v1/policy_service_pb.ts";
import { file_fairlead_console_v1_tunnel_service } from "../../../src/gen/fairlead/console/v1/tunnel_service_pb.ts";

/** Those that any list of things is, whatever they are. */
type AnyList = Pick<ListOf<never>, "kind" | "labels" | "fields" | "order">;

function row({ kind, labels, fields, order }: AnyList): string {
  const names = Object.keys(fields).map((name) => `\`${name}\``);
  return `| ${kind} | ${labels ? "yes " : ""}| ${names.join(" ")} | ${order ? `\`${order}\` ` : ""}|`;
}

const known = { ...lists, ...accessLists };

const files = [
  file_fairlead_console_v1_access_service,
  file_fairlead_console_v1_agent_service,
  file_fairlead_console_v1_app_service,
  file_fairlead_console_v1_audit_service,
  file_fairlead_console_v1_inbox_service,
  file_fairlead_console_v1_notification_service,
  file_fairlead_console_v1_peer_service,
  file_fairlead_console_v1_policy_service,
  file_fairlead_console_v1_tunnel_service,
];

function wordsOf({ fields }: DescMessage): string[] {
  return fields.filter(({ number }) => number >= 10).map(({ name, number }) => `${name} = ${number}`);
}

suite("the lists of the API", () => {
  test("are told in docs/lists.md with each field that they know", () => {
    const page = readFileSync(new URL("../../../docs/lists.md", import.meta.url), "utf8");
    const told = page.slice(page.indexOf("| list |")).trim().split("\n").slice(2);
    assert.deepEqual(told.sort(), Object.values<AnyList>(known).map(row).sort());
  });

  test("are asked for by the same words under the same numbers, and answer by the same", () => {
    const methods = files.flatMap((file) => file.services.flatMap(({ methods }) => methods));
    const listed = methods.filter(({ name }) => name.startsWith("List"));
    assert.ok(listed.length >= Object.keys(known).length);
    for (const { name, input, output } of listed) {
      // The first list that there was had its labels before there were other words.
      const labels = name === "ListApps" ? [] : ["label_selector = 10"];
      const words = [...labels, "field_selector = 11", "order_by = 12", "page_size = 13", "page_token = 14"];
      assert.deepEqual(wordsOf(input), words, name);
      assert.deepEqual(wordsOf(output), ["next_page_token = 10", "total_size = 11"], name);
    }
  });
});

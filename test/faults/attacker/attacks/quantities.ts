/** Quantities and counts by which a bound would seem to be kept. */
import { type Attack, ownApp } from "../attack.ts";
import { begin, nothingHeld, wish } from "../attacker.ts";
import { trySpecs } from "../attempts.ts";

const image = "fairlead.dev/echo:1";

function asking(requests: { [resource: string]: unknown }, replicas = 1): object {
  return { image, replicas, resources: { requests } };
}

export const quantityAttacks: readonly Attack[] = [
  {
    name: "a quota holds whatever way a quantity is written",
    who: "peer",
    tries:
      "Asks for more than the quota in other forms: `1e400`, `1Ei`, `0.5k`, `1001m`, `-1`, `NaN`, numbers for texts, a limit without a request, resources that no quota names.",
    stops:
      "One exact parser with Kubernetes' rules; what is no quantity is refused; only resources that a policy can bound may be asked for; a ResourceQuota in the cluster counts again.",
    async attempt(ground) {
      const { mallory } = ground;
      await ground.policy({
        workloads: { accept: true, quota: { "requests.cpu": "1", "requests.memory": "1Gi", pods: 4 } },
      });
      const memory = "64Mi";
      const outcomes = await trySpecs(mallory, {
        "1001m": asking({ cpu: "1001m", memory }),
        "0.5k": asking({ cpu: "0.5k", memory }),
        "1.0000000001": asking({ cpu: "1.0000000001", memory }),
        "1e1": asking({ cpu: "1e1", memory }),
        "1e400": asking({ cpu: "1e400", memory }),
        "1Ei": asking({ cpu: "1Ei", memory }),
        "the number 2": asking({ cpu: 2, memory }),
        "-1": asking({ cpu: "-1", memory }),
        NaN: asking({ cpu: "NaN", memory }),
        Infinity: asking({ cpu: "Infinity", memory }),
        "0x10": asking({ cpu: "0x10", memory }),
        "1 (full-width)": asking({ cpu: "１", memory }),
        "a blank before it": asking({ cpu: " 1", memory }),
        nothing: asking({ cpu: "", memory }),
        true: asking({ cpu: true, memory }),
        null: asking({ cpu: null, memory }),
        "a list": asking({ cpu: ["1"], memory }),
        "2Gi as 2048Mi": asking({ cpu: "1m", memory: "2048Mi" }),
        "a little of each of 5 replicas": asking({ cpu: "1m", memory: "1Mi" }, 5),
        "400m of each of 3 replicas": asking({ cpu: "400m", memory }, 3),
        "a limit alone": { image, resources: { limits: { cpu: "2", memory } } },
        "neither request nor limit": { image },
        "a GPU": { image, resources: { limits: { cpu: "1m", memory, "nvidia.com/gpu": "8" } } },
        "huge pages": { image, resources: { limits: { cpu: "1m", memory, "hugepages-2Mi": "1Gi" } } },
        "a resource called __proto__": `{"image":"${image}","resources":{"requests":{"__proto__":"1","cpu":"1m","memory":"1Mi"}}}`,
        "a resource called constructor": asking({ cpu: "1m", memory, constructor: "1" }),
        "a resource called requests.cpu": asking({ cpu: "1m", memory, "requests.cpu": "1" }),
        "what fits": asking({ cpu: "0.0000000001", memory: "1" }),
      });
      return outcomes;
    },
    expect: {
      "1001m": "Denied quota/requests.cpu",
      "0.5k": "Denied quota/requests.cpu",
      "1.0000000001": "Denied quota/requests.cpu",
      "1e1": "Denied quota/requests.cpu",
      "1e400": /^Invalid /,
      "1Ei": "Denied quota/requests.cpu",
      "the number 2": "Denied quota/requests.cpu",
      "-1": "Invalid quantity",
      NaN: /^Invalid /,
      Infinity: /^Invalid /,
      "0x10": /^Invalid /,
      "1 (full-width)": /^Invalid /,
      "a blank before it": /^Invalid /,
      nothing: /^Invalid /,
      true: /^Invalid /,
      null: /^Invalid /,
      "a list": /^Invalid /,
      "2Gi as 2048Mi": "Denied quota/requests.memory",
      "a little of each of 5 replicas": "Denied quota/pods",
      "400m of each of 3 replicas": "Denied quota/requests.cpu",
      "a limit alone": "Denied quota/requests.cpu",
      "neither request nor limit": "Denied quota/requests.cpu quota/requests.memory",
      "a GPU": "Denied resources/not-allowed",
      "huge pages": "Denied resources/not-allowed",
      "a resource called __proto__": /^(Denied|Invalid) /,
      "a resource called constructor": "Denied resources/not-allowed",
      "a resource called requests.cpu": "Denied resources/not-allowed",
      "what fits": "runs",
    },
    audit: [{ action: "app.admit", verdict: "denied", rule: "quota/requests.cpu" }],
    leaves: ownApp,
  },
  {
    name: "bounds hold for many wishes at once, for scaling and for edits",
    who: "peer",
    tries:
      "Sends many wishes in one breath, each of which would fit alone; scales what runs beyond the bound; changes it to what would have been refused.",
    stops: "One admission for every change, with a ledger that is written before the next wish is judged.",
    async attempt(ground) {
      const { mallory } = ground;
      await ground.policy({ workloads: { accept: true, maxApps: 3, maxReplicas: 2, deniedImages: ["alpine"] } });
      const talk = await mallory.converse([begin, nothingHeld]);
      const uids = Array.from({ length: 50 }, (_, index) => `m-${index}`);
      for (const uid of uids) talk.say(wish({ uid, name: uid, spec: { image, replicas: 0 } }));
      const outcomes: string[] = [];
      for (const uid of uids) outcomes.push(await talk.outcome(uid));
      const running = uids.filter((_, index) => outcomes[index] !== "Denied apps/max");
      const [first = ""] = running;
      talk.say(wish({ uid: first, name: first, generation: 2n, hash: "2", spec: { image, replicas: 3 } }));
      const scaled = await talk.next(first, 2n);
      talk.say(wish({ uid: first, name: first, generation: 3n, hash: "3", spec: { image: "alpine", replicas: 1 } }));
      const edited = await talk.next(first, 3n);
      await talk.close();
      return {
        "apps that run of 50": String(running.length),
        "scaled beyond the bound": scaled,
        "changed to a denied image": edited,
      };
    },
    expect: {
      "apps that run of 50": "3",
      "scaled beyond the bound": "Denied replicas/max",
      "changed to a denied image": "Denied images/denied",
    },
    audit: [
      { action: "app.admit", verdict: "denied", rule: "apps/max" },
      { action: "app.admit", verdict: "denied", rule: "replicas/max" },
      { action: "app.admit", verdict: "denied", rule: "images/denied" },
    ],
    leaves: ownApp,
  },
];

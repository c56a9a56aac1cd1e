# Needs make, git, npm and any Node from 20 on; the right Node, and everything else, comes with the packages.

export PATH := $(CURDIR)/node_modules/.bin:$(PATH)
export NO_UPDATE_NOTIFIER := 1
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

packages := node_modules/.stamp
validate := .cache/proto/buf/validate/validate.proto

.PHONY: help
help: ## Say what there is to make
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: $(packages) ## See it work: two agents, paired, an app across (needs only Node; ONCE=1 checks each claim and ends)
	@node src/main.ts demo $(if $(ONCE),--once)

.PHONY: test
test: check ## Check, then run every test that needs no cluster (about 10 minutes of two cores)
	@node bin/helm.ts >/dev/null # is fetched once, in no test's time
	@node test/run.ts test

.PHONY: check
check: $(packages) $(validate) ## Format, lint, types, protos, generated code, architecture, dead code (under a minute)
	@node test/run.ts check

.PHONY: model
model: $(packages) ## Look at every interleaving of how a session outlives its carriers (needs spin and a C compiler)
	@node docs/model/check.ts

.PHONY: simulate
simulate: $(packages) ## Try the link on a network where everything happens (SEEDS=17, SEEDS=1-100000; LOG=1 prints each event)
	@node test/faults/simulation/main.ts $(or $(SEEDS),1-2000) $(if $(LOG),--log) $(if $(RESUME),--no-resume) $(if $(GO_ON),--go-on)

.PHONY: fuzz
fuzz: $(packages) ## Send the link whatever bytes there are (TIME=10m, 60s unless said; TARGET=resume-high; SEED=1 RUNS=1 repeats one)
	@node test/fuzz/main.ts $(if $(TIME),--time $(TIME)) $(if $(TARGET),--target $(TARGET)) $(if $(SEED),--seed $(SEED)) $(if $(RUNS),--runs $(RUNS))

.PHONY: conformance
conformance: $(packages) ## Run Connect's own conformance suite over the link and at the console, and tools of others (needs Go, Python)
	@node test/conformance/run.ts

.PHONY: e2e
e2e: $(packages) ## Test between two real clusters (KUBECONFIG_A, KUBECONFIG_B; the agent's image in E2E_AGENT_IMAGE)
	@node test/run.ts e2e

.PHONY: browser
browser: $(packages) ## Test what pages can do in a real browser (needs chromium on PATH)
	@node test/run.ts browser

.PHONY: bench
bench: $(packages) ## Measure the link beside its rivals on PATH, all in one run (about 5 minutes; BENCH="--rounds 1 …")
	@node bench/link.ts $(BENCH)

.PHONY: build
build: $(packages) ## Compile and pack: dist/fairlead-<version>.tgz, for npm install
	@node bin/pack.ts

.PHONY: image
image: ## Build the agent's image with docker, podman or buildah (IMAGE=fairlead:dev)
	@bin/build-image "$(or $(IMAGE),fairlead:dev)"

.PHONY: generate
generate: $(packages) $(validate) ## Bring generated code up to date with proto/
	@node proto/tools/generate.ts

.PHONY: land-protos
land-protos: $(packages) $(validate) ## Make the present protos the ones that later changes may not break (last step of a landing)
	@node proto/tools/check-breaking.ts --land

.PHONY: docs
docs: $(packages) ## Bring generated reference pages up to date
	@node docs/generate-configuration.ts
	@node docs/generate-values.ts
	@node docs/generate-security.ts
	@node docs/generate-metrics.ts
	@node docs/generate-access.ts

.PHONY: fmt
fmt: $(packages) ## Format and mend what can be mended by itself
	@biome check --write --log-level=warn
	@buf format --write proto

# Packages that are right already are left alone, so that an `npm install` by hand is not thrown away.
$(packages): package-lock.json
	@npm ls --all >/dev/null 2>&1 || npm ci --no-progress --loglevel=error
	@touch $@

$(validate): $(packages) proto/tools/print-validate.ts
	@node proto/tools/print-validate.ts
	@touch $@

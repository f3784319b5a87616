# All that people and CI do with this repository. Recipes stay short: what needs thought is a program below e2e or hack.
SHELL := /bin/bash -o pipefail
.DEFAULT_GOAL := help

RUN ?= .
MODULES := $(dir $(shell git ls-files '*go.mod'))
# Linting a module type-checks all that it imports: for a main.go of a few lines on top of Kubernetes or CoreDNS that takes minutes.
LINTED := . e2e $(addprefix e2e/components/,etcd pause volume-provisioner workload)
# Unit tests of e2e; its suites need a meta cluster.
E2E_UNITS = $$(go list ./... | grep -v /suites/)

.PHONY: help
help: ## Show this help
	@awk -F ':.*## ' '/^[a-z0-9%-]+:.*## / {printf "  make %-20s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: demo
demo: bin/metacluster bin/metapilot ## Set everything up, run a meta cluster with a tenant in it, and show it
	bin/metacluster demo

.PHONY: test
test: assets ## Unit, property and integration tests
	go test ./...
	cd e2e && go test $(E2E_UNITS)

.PHONY: sim
sim: ## Fleets in virtual time: a thousand seeds of small ones, and a thousand tenants for a week (half an hour)
	cd e2e && SEEDS=1000 go test ./sim -count=1 -timeout 3h
	cd e2e && FLEET=full SEEDS=1 go test ./sim -count=1 -timeout 3h -v | grep -v '^=== '

.PHONY: e2e
e2e: bin/metacluster bin/metapilot bin/gotestsum ## Scenarios on the real meta cluster; RUN=<regexp> picks some
	hack/e2e "$(RUN)"

.PHONY: up
up: bin/metacluster ## Bring the meta cluster up, or go on with one that is half up; NODES=<n>
	bin/metacluster up $(if $(NODES),--nodes $(NODES))

.PHONY: down
down: bin/metacluster ## Take the meta cluster down and leave nothing of it
	bin/metacluster down

.PHONY: build
build: bin/metacluster ## Compile everything of our own
	go build ./...
	cd e2e && go build ./...

.PHONY: assets
assets: bin/metacluster ## Build etcd and the Kubernetes control plane for integration tests
	bin/metacluster assets bin/assets

.PHONY: generate
generate: bin/controller-gen ## Regenerate everything that is generated: kinds, deep copies, module files, formatting
	bin/controller-gen object crd paths=./api/... output:crd:dir=charts/metapilot-crds/templates
	@set -e; for module in $(MODULES); do echo "tidy $$module"; (cd $$module && go mod tidy); done
	git ls-files -z '*.go' | xargs -0 gofmt -w
	cd e2e/components/kubernetes && go mod tidy -modfile=v1.35.mod

.PHONY: lint
lint: bin/golangci-lint ## Run the linters
	@set -e; for module in $(LINTED); do echo "lint $$module"; \
		(cd $$module && "$(CURDIR)/bin/golangci-lint" run --config "$(CURDIR)/.golangci.yaml" ./...); done

.PHONY: verify
verify: generate lint ## Regenerate and lint; fail if that changes a file
	@changed=$$(git status --porcelain); test -z "$$changed" || \
		{ echo "$$changed"; echo "make verify: these files are not committed as they should be: run make generate and commit"; exit 1; }

.PHONY: bench-metacluster
bench-metacluster: assets ## How fast is a warm up, how much memory does each part use
	cd e2e && go run ./bench/metacluster

.PHONY: bench-tenant
bench-tenant: assets ## How fast is a tenant usable, what does it cost idle, what does the operator cost
	bin/metacluster up --tenant-version v1.36.3 && bin/metacluster install
	cd e2e && go run ./bench/tenant

.PHONY: bench-scaler
bench-scaler: bin/metacluster ## How fast is a killed tenant mended, beside VPA under the same storm; what does a decision cost
	bin/metacluster up --tenant-version v1.36.3 && bin/metacluster install
	cd e2e && go run ./bench/scaler $(ARGS)

.PHONY: bench-fleet
bench-fleet: assets ## What does the cluster-scaler cost with 100, 1,000 and 10,000 tenants (half an hour); SIZES=100,1000 picks some
	cd e2e && go run ./bench/fleet -out ../bench $(if $(SIZES),-sizes $(SIZES)) $(ARGS)

.PHONY: bench-recommender
bench-recommender: ## How well do recommendations fit usage, beside VPA's own packages; TRACES=<folder> holds nab/*.csv and crane/*.csv
	cd e2e && go run ./bench/recommender -traces "$(abspath $(TRACES))" -out ../bench $(ARGS)

.PHONY: bin/metacluster
bin/metacluster:
	@test -x bin/metacluster || echo "compiling metacluster (about 2 min the first time)"
	cd e2e && go build -o ../bin/metacluster ./metacluster

.PHONY: bin/metapilot
bin/metapilot:
	go build -o bin/metapilot ./cmd/metapilot

bin/gotestsum: PACKAGE := gotest.tools/gotestsum
bin/golangci-lint: PACKAGE := github.com/golangci/golangci-lint/v2/cmd/golangci-lint
bin/gotestsum bin/golangci-lint: hack/tools/go.mod
	@echo "compiling $(@F) (up to 5 min the first time)"
	cd hack/tools && go build -o ../../$@ $(PACKAGE)

bin/controller-gen: hack/codegen/go.mod
	cd hack/codegen && go build -o ../../$@ sigs.k8s.io/controller-tools/cmd/controller-gen

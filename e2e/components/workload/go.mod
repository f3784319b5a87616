module github.com/metapilot/metapilot/e2e/components/workload

go 1.26.0

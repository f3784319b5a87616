module github.com/metapilot/metapilot/e2e/components/pause

go 1.26.0

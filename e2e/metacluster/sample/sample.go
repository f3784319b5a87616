// Package sample is a small workload to look at: three web servers behind a Service, and a pod to ask them from.
package sample

import _ "embed"

// Manifests are for Cluster.Render. The Deployment and its Service are called hello, the pod that asks is called client.
//
//go:embed sample.yaml
var Manifests string

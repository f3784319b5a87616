// Package oom sees containers that were killed for want of memory, in the status of their pods, as soon as the kubelet tells.
//
// It owns no memory: kills that pods no longer tell of come from the ClusterScaler's status.
package oom

import (
	"context"

	"github.com/metapilot/metapilot/internal/podresize"
	"github.com/metapilot/metapilot/scaler/model"
	"github.com/metapilot/metapilot/scaler/source"
)

// Source is the source.
type Source struct{}

var _ source.Source = Source{}

// Start has nothing to watch that the controller does not watch itself.
func (Source) Start(ctx context.Context, _ func()) error {
	<-ctx.Done()
	return nil
}

// Look adds the kills that the pods tell of and that are not known yet.
func (Source) Look(c source.Component, o *model.Observed) {
	known := map[string]bool{}
	for _, k := range o.Kills {
		known[k.Container] = true
	}
	for _, pod := range c.Pods {
		for _, k := range podresize.Kills(pod, c.Container) {
			if !known[k.Container] {
				o.Kills = append(o.Kills, model.Kill{Pod: pod.Name, Container: k.Container, At: k.At, Limit: k.Limit})
			}
		}
	}
}

package main

import (
	"context"
	"fmt"
	"regexp"
	"time"
)

// lastSample of a WorkloadProfile, as the API server stores it.
var lastSample = regexp.MustCompile(`"lastSample":"[^"]*"`)

// writeProfiles writes the time of the last sample into one profile after the other, all in the given time, as the recommender does where its
// recommendations stay. It writes what the API server stores, so that the API server's own work is not what the scaler waits for.
func (p *plane) writeProfiles(ctx context.Context, tenants int, in time.Duration) error {
	ticker := time.NewTicker(in / time.Duration(tenants*len(components)))
	defer ticker.Stop()
	for i := 0; ; i = (i + 1) % (tenants * len(components)) {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		key := fmt.Sprintf("/registry/metapilot.io/workloadprofiles/%s/%s", homeOf(i/len(components)), components[i%len(components)].Name)
		found, err := p.etcd.Get(ctx, key)
		if err != nil || len(found.Kvs) == 0 {
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("reading %s: %d found: %w", key, len(found.Kvs), err)
		}
		value := lastSample.ReplaceAll(found.Kvs[0].Value, fmt.Appendf(nil, `"lastSample":"%s"`, time.Now().UTC().Format(time.RFC3339)))
		if _, err := p.etcd.Put(ctx, key, string(value)); err != nil && ctx.Err() == nil {
			return fmt.Errorf("writing %s: %w", key, err)
		}
	}
}

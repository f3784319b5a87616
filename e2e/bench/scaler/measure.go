package main

import (
	"context"
	"os"
	"path/filepath"

	"github.com/metapilot/metapilot/e2e/bench"
	"github.com/metapilot/metapilot/e2e/metacluster/cluster"
	"github.com/metapilot/metapilot/e2e/metacluster/component"
)

func measure(ctx context.Context, o options) error {
	checkout, err := component.Checkout()
	if err != nil {
		return err
	}
	c, err := cluster.OpenOwn()
	if err != nil {
		return err
	}
	client, err := c.Client()
	if err != nil {
		return err
	}
	b := &bencher{c: c, client: client, o: o}
	if err := c.Apply(ctx, namespace, "apiVersion: v1\nkind: Namespace\nmetadata: {name: "+namespace+"}\n"); err != nil {
		return err
	}
	var rows []bench.Row
	for _, part := range []func(context.Context) ([]bench.Row, error){b.decide, b.growth, b.reaction, b.survival} {
		some, err := part(ctx)
		if err != nil {
			return err
		}
		rows = append(rows, some...)
	}
	return bench.Write(os.Stdout, filepath.Join(checkout, "bench"), "scaler", rows)
}

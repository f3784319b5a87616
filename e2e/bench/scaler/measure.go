package main

import (
	"context"
	"errors"
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
	var problem error // does not lose what was measured before
	for _, part := range []func(context.Context) ([]bench.Row, error){b.decide, b.growth, b.reaction, b.survival} {
		some, err := part(ctx)
		rows = append(rows, some...)
		if problem = err; problem != nil {
			break
		}
	}
	return errors.Join(problem, bench.Write(os.Stdout, filepath.Join(checkout, "bench"), "scaler", rows))
}
